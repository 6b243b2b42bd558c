//! Settings of budgets.

use super::{Reader, list};
use crate::service::config::Flags;
use crate::service::govern::budgets::{DefaultLimits, Limits};

impl Reader {
    pub(in crate::service::config) fn budgets(&mut self, flags: &Flags) -> DefaultLimits {
        DefaultLimits {
            device: self.budget("DEVICE_BUDGET", flags.device_budget.as_deref()),
            user: self.budget("USER_BUDGET", flags.user_budget.as_deref()),
            org: self.budget("ORG_BUDGET", flags.org_budget.as_deref()),
        }
    }

    fn budget(&mut self, variable: &'static str, value: Option<&str>) -> Limits {
        let mut limits = Limits::default();
        for word in list(value) {
            if let Err(fault) = limits.add(&word) {
                self.wrong(variable, format!("{word:?} {fault}"));
            }
        }
        limits
    }
}
