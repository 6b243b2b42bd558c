//! The parts that decide what a caller may do now.

use std::sync::Arc;

use crate::service::config::Config;
use crate::service::govern::access::AccessPolicy;
use crate::service::govern::breaker::{Breaker, BreakerSettings};
use crate::service::govern::budgets::Budgets;
use crate::service::govern::overrides::DeviceOverrides;
use crate::service::govern::revocation::Revocations;

pub(super) struct Govern {
    pub access: AccessPolicy,
    pub budgets: Budgets,
    pub breaker: Breaker,
}

impl Govern {
    /// Default limits and features only: overrides, revocations and costs are loaded from the database later.
    pub(super) fn build(config: &Config) -> Self {
        let overrides = Arc::new(DeviceOverrides::new(config.limits, config.features.clone()));
        let revocations = Arc::new(Revocations::new(config.admin.max_staleness));
        let access = AccessPolicy { overrides, revocations };
        Self { access, budgets: Budgets::new(config.budgets), breaker: Breaker::new(BreakerSettings::default()) }
    }
}
