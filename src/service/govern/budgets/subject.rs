//! The subjects that have budgets: devices, users and organisations.

use std::sync::Arc;

use serde::Serialize;
use strum::IntoStaticStr;

use crate::service::token::verify::Caller;
use crate::wire::DeviceId;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    Device(DeviceId),
    /// A user as tokens name it; so is `Org`.
    User(Arc<str>),
    Org(Arc<str>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum SubjectKind {
    Device,
    User,
    Org,
}

impl Subject {
    /// All subjects that pay for a request of `caller`.
    pub fn all_of(caller: &Caller) -> Vec<Self> {
        let device = Some(Self::Device(caller.device().clone()));
        let user = caller.user().map(|user| Self::User(user.into()));
        let org = caller.org().map(|org| Self::Org(org.into()));
        [device, user, org].into_iter().flatten().collect()
    }

    /// `None` if the name is not that of a device.
    pub fn named(kind: SubjectKind, name: &str) -> Option<Self> {
        Some(match kind {
            SubjectKind::Device => Self::Device(DeviceId::parse(name).ok()?),
            SubjectKind::User => Self::User(name.into()),
            SubjectKind::Org => Self::Org(name.into()),
        })
    }

    pub fn name(&self) -> &str {
        match self {
            Self::Device(id) => id.as_str(),
            Self::User(name) | Self::Org(name) => name,
        }
    }

    pub fn kind(&self) -> SubjectKind {
        match self {
            Self::Device(_) => SubjectKind::Device,
            Self::User(_) => SubjectKind::User,
            Self::Org(_) => SubjectKind::Org,
        }
    }
}

impl SubjectKind {
    pub const ALL: [Self; 3] = [Self::Device, Self::User, Self::Org];

    /// The name in the database, the admin API and metrics.
    pub fn name(self) -> &'static str {
        self.into()
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The word for a person to read.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::User => "user",
            Self::Org => "organisation",
        }
    }
}
