//! The refusal of a request by a budget.

use std::time::Duration;

use strum::IntoStaticStr;

use super::{BudgetWindow, SubjectKind};
use crate::service::meter::money::MicroDollars;
use crate::service::telemetry::metrics::Labels;

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

impl BudgetExceededError {
    /// The labels of its counter in metrics.
    pub(super) fn labels(&self) -> Labels<2> {
        labels(self.subject, self.shortage)
    }

    pub(super) fn all_labels() -> impl Iterator<Item = Labels<2>> {
        SubjectKind::ALL.into_iter().flat_map(|subject| Shortage::ALL.map(|shortage| labels(subject, shortage)))
    }
}

fn labels(subject: SubjectKind, shortage: Shortage) -> Labels<2> {
    [("subject", subject.name()), ("shortage", shortage.name())]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Shortage {
    /// The money is spent; only the next window helps.
    Money,
    /// Running requests have reserved the rest of the money; most of it will come back.
    Room,
}

impl Shortage {
    pub const ALL: [Self; 2] = [Self::Money, Self::Room];

    /// The label in metrics.
    pub fn name(self) -> &'static str {
        self.into()
    }
}
