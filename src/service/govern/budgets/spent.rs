//! Why a request was refused.

use std::time::Duration;

use super::{SubjectKind, Window};
use crate::service::meter::money::MicroDollars;

/// A budget that has no room for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the budget of the {} is used up", subject.as_str())]
pub struct Spent {
    /// Whose.
    pub subject: SubjectKind,
    /// Of which days.
    pub window: Window,
    /// How much there was.
    pub limit: MicroDollars,
    /// How much of it is spent.
    pub used: MicroDollars,
    /// From now to the end of the window.
    pub resets_in: Duration,
    /// What the request lacked.
    pub shortage: Shortage,
}

/// What a request lacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortage {
    /// Money: it is spent, and waiting for the next window is all that helps.
    Money,
    /// Room beside the requests that are running: they have reserved what is left, and most of it will come back.
    Room,
}

impl Shortage {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Money, Self::Room];

    /// As metrics write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Money => "money",
            Self::Room => "room",
        }
    }
}
