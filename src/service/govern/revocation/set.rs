//! A set of revocations, in the form that requests are judged by.

use std::collections::{HashMap, HashSet};

use crate::wire::{Claims, DeviceId};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Revoked {
    /// One token, by its id.
    Jti(String),
    /// All tokens of a device, old and new.
    Device(String),
    User(String),
    Org(String),
    /// All devices that run this version of the app.
    AppVersion(String),
    /// All tokens issued before this Unix second; devices can get new ones.
    IssuedBefore(u64),
    /// A device's tokens issued before this Unix second. The device is told that they are too old, not that it is
    /// revoked.
    DeviceTokens(String, u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The token; its device can get another.
    Token,
    /// The device, the user, the organisation or the version of the app.
    Holder,
}

#[derive(Debug, Default)]
pub struct RevocationSet {
    jtis: HashSet<String>,
    devices: HashSet<String>,
    users: HashSet<String>,
    orgs: HashSet<String>,
    app_versions: HashSet<String>,
    issued_before: u64,
    tokens_ended_before: HashMap<String, u64>,
    pub(super) count: usize,
}

impl RevocationSet {
    /// Whether a token with these claims is revoked, and how far that reaches.
    pub fn covers(&self, claims: &Claims) -> Option<Reach> {
        if self.count == 0 {
            return None;
        }
        let named = |set: &HashSet<String>, name: Option<&str>| name.is_some_and(|name| set.contains(name));
        let holder = named(&self.devices, Some(claims.sub.as_str()))
            || named(&self.users, claims.user.as_deref())
            || named(&self.orgs, claims.org.as_deref())
            || named(&self.app_versions, claims.app_version.as_deref());
        let token = claims.iat < self.issued_before || named(&self.jtis, Some(&claims.jti));
        if holder { Some(Reach::Holder) } else { token.then_some(Reach::Token) }
    }

    /// Whether a token with these claims was ended before its time.
    pub fn ends(&self, claims: &Claims) -> bool {
        self.tokens_ended_before(&claims.sub).is_some_and(|second| claims.iat < second)
    }

    /// The Unix second before which the tokens of `device` are ended, if any are.
    pub fn tokens_ended_before(&self, device: &DeviceId) -> Option<u64> {
        self.tokens_ended_before.get(device.as_str()).copied()
    }
}

impl FromIterator<Revoked> for RevocationSet {
    fn from_iter<T: IntoIterator<Item = Revoked>>(entries: T) -> Self {
        let mut set = Self::default();
        for entry in entries {
            set.count += 1;
            match entry {
                Revoked::Jti(jti) => drop(set.jtis.insert(jti)),
                Revoked::Device(device) => drop(set.devices.insert(device)),
                Revoked::User(user) => drop(set.users.insert(user)),
                Revoked::Org(org) => drop(set.orgs.insert(org)),
                Revoked::AppVersion(version) => drop(set.app_versions.insert(version)),
                Revoked::IssuedBefore(second) => set.issued_before = set.issued_before.max(second),
                Revoked::DeviceTokens(device, second) => {
                    let before = set.tokens_ended_before.entry(device).or_default();
                    *before = second.max(*before);
                }
            }
        }
        set
    }
}
