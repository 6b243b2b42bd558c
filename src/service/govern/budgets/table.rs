//! The limits in force. Requests read the table without waiting; a change puts another table in its place.

use std::collections::HashMap;
use std::sync::Arc;

use super::{DefaultLimits, Limits, Period, Subject};
use crate::wire::DeviceId;

/// The default limits, and over them the own limits of single subjects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LimitTable {
    pub(super) defaults: DefaultLimits,
    devices: HashMap<DeviceId, Limits>,
    users: HashMap<Arc<str>, Limits>,
    orgs: HashMap<Arc<str>, Limits>,
}

impl LimitTable {
    pub(super) fn new(defaults: DefaultLimits) -> Self {
        Self { defaults, ..Self::default() }
    }

    /// Replaces the own limits of all subjects.
    pub(super) fn replace(&mut self, own: HashMap<Subject, Limits>) {
        *self = Self::new(self.defaults);
        for (subject, limits) in own {
            self.insert(subject, limits);
        }
    }

    /// The subject's own limits; `None` if the default ones apply.
    pub(super) fn own(&self, subject: &Subject) -> Option<Limits> {
        match subject {
            Subject::Device(id) => self.devices.get(id),
            Subject::User(name) => self.users.get(name),
            Subject::Org(name) => self.orgs.get(name),
        }
        .copied()
    }

    /// The limits in force for the subject.
    pub(super) fn of(&self, subject: &Subject) -> Limits {
        self.own(subject).unwrap_or_else(|| self.defaults.of(subject.kind()))
    }

    /// Whether a request of this device, user and organisation has any limit to obey.
    pub(super) fn applies_to(&self, device: &DeviceId, user: Option<&str>, org: Option<&str>) -> bool {
        let limits = [
            Some(self.devices.get(device).copied().unwrap_or(self.defaults.device)),
            user.map(|user| self.users.get(user).copied().unwrap_or(self.defaults.user)),
            org.map(|org| self.orgs.get(org).copied().unwrap_or(self.defaults.org)),
        ];
        limits.into_iter().flatten().any(|limits| !limits.is_none())
    }

    /// Whether any subject has a limit.
    pub(super) fn has_limits(&self) -> bool {
        self.all().any(|limits| !limits.is_none())
    }

    /// Whether any subject has a limit for this period.
    pub(super) fn counts(&self, period: Period) -> bool {
        self.all().any(|limits| limits.of(period).is_some())
    }

    fn all(&self) -> impl Iterator<Item = &Limits> {
        let DefaultLimits { device, user, org } = &self.defaults;
        [device, user, org]
            .into_iter()
            .chain(self.devices.values())
            .chain(self.users.values())
            .chain(self.orgs.values())
    }

    fn insert(&mut self, subject: Subject, limits: Limits) {
        match subject {
            Subject::Device(id) => self.devices.insert(id, limits),
            Subject::User(name) => self.users.insert(name, limits),
            Subject::Org(name) => self.orgs.insert(name, limits),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::meter::money::MicroDollars;

    impl LimitTable {
        /// `None` puts the default limits back.
        pub(in crate::service::govern::budgets) fn set(&mut self, subject: &Subject, limits: Option<Limits>) {
            match limits {
                Some(limits) => self.insert(subject.clone(), limits),
                None => match subject {
                    Subject::Device(id) => drop(self.devices.remove(id)),
                    Subject::User(name) => drop(self.users.remove(name)),
                    Subject::Org(name) => drop(self.orgs.remove(name)),
                },
            }
        }
    }

    fn device(name: &str) -> DeviceId {
        DeviceId::parse(name).unwrap()
    }

    fn daily(dollars: u64) -> Limits {
        Limits { day: Some(MicroDollars::new(dollars * 1_000_000)), ..Limits::default() }
    }

    #[test]
    fn only_subjects_with_a_limit_are_asked_for_money() {
        let (one, other) = (device("device-0001"), device("device-0002"));
        let mut table = LimitTable::default();
        assert!(!table.has_limits() && !table.applies_to(&one, Some("ada"), Some("acme")));
        table.set(&Subject::User("ada".into()), Some(daily(5)));
        assert!(table.has_limits() && table.counts(Period::Day) && !table.counts(Period::Month));
        assert!(table.applies_to(&one, Some("ada"), None));
        assert!(!table.applies_to(&one, None, None) && !table.applies_to(&one, Some("bob"), Some("ada")));
        table.defaults = DefaultLimits { device: daily(1), ..DefaultLimits::default() };
        table.set(&Subject::Device(one.clone()), Some(Limits::default()));
        assert!(!table.applies_to(&one, None, None), "its own limits are none");
        assert!(table.applies_to(&other, None, None));
    }

    #[test]
    fn own_limits_of_subjects_are_replaced_and_defaults_stay() {
        let (ada, acme) = (Subject::User("ada".into()), Subject::Org("acme".into()));
        let mut table = LimitTable::new(DefaultLimits { user: daily(1), ..DefaultLimits::default() });
        table.replace(HashMap::from([(ada.clone(), daily(5)), (acme.clone(), daily(9))]));
        assert_eq!((table.of(&ada), table.own(&ada), table.of(&acme)), (daily(5), Some(daily(5)), daily(9)));
        table.replace(HashMap::from([(acme.clone(), daily(7))]));
        assert_eq!((table.of(&ada), table.own(&ada), table.of(&acme)), (daily(1), None, daily(7)));
        table.set(&acme, None);
        assert_eq!(table.of(&acme), Limits::default());
    }
}
