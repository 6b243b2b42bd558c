//! The refusal of a request by a budget.

use std::time::Duration;

use super::{BudgetWindow, SubjectKind};
use crate::service::meter::money::MicroDollars;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the budget of the {} is used up", subject.as_str())]
pub struct BudgetExceededError {
    pub subject: SubjectKind,
    pub window: BudgetWindow,
    pub limit: MicroDollars,
    pub used: MicroDollars,
    /// From now to the end of the window.
    pub resets_in: Duration,
    pub shortage: Shortage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortage {
    /// The money is spent; only the next window helps.
    Money,
    /// Running requests have reserved the rest of the money; most of it will come back.
    Room,
}

impl Shortage {
    pub const ALL: [Self; 2] = [Self::Money, Self::Room];

    /// The label in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Money => "money",
            Self::Room => "room",
        }
    }
}
