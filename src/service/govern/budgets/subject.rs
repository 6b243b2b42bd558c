//! Whose money it is.

use std::sync::Arc;

use serde::Serialize;

use crate::service::token::verify::Caller;
use crate::wire::DeviceId;

/// One who has a budget.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A device.
    Device(DeviceId),
    /// A user, as tokens name it.
    User(Arc<str>),
    /// An organisation, as tokens name it.
    Org(Arc<str>),
}

/// What sort of subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// A device.
    Device,
    /// A user.
    User,
    /// An organisation.
    Org,
}

impl Subject {
    /// All who pay for a request of `caller`.
    #[must_use]
    pub fn all_of(caller: &Caller) -> Vec<Self> {
        let device = Some(Self::Device(caller.device().clone()));
        let user = caller.user().map(|user| Self::User(user.into()));
        let org = caller.org().map(|org| Self::Org(org.into()));
        [device, user, org].into_iter().flatten().collect()
    }

    /// The one that a kind and a name mean; none if it is no name of a device.
    #[must_use]
    pub fn named(kind: SubjectKind, name: &str) -> Option<Self> {
        Some(match kind {
            SubjectKind::Device => Self::Device(DeviceId::parse(name).ok()?),
            SubjectKind::User => Self::User(name.into()),
            SubjectKind::Org => Self::Org(name.into()),
        })
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Device(id) => id.as_str(),
            Self::User(name) | Self::Org(name) => name,
        }
    }

    /// What sort it is.
    #[must_use]
    pub fn kind(&self) -> SubjectKind {
        match self {
            Self::Device(_) => SubjectKind::Device,
            Self::User(_) => SubjectKind::User,
            Self::Org(_) => SubjectKind::Org,
        }
    }
}

impl SubjectKind {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Device, Self::User, Self::Org];

    /// As the database, the admin API and metrics write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::User => "user",
            Self::Org => "org",
        }
    }

    /// Reads what [`name`](Self::name) writes.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// As a person calls it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::User => "user",
            Self::Org => "organisation",
        }
    }
}
