//! The access policy for a genuine caller: its device's overrides, and whether it is revoked.

use std::collections::HashMap;
use std::sync::Arc;

use crate::service::govern::features::FeaturePolicy;
use crate::service::govern::limits::DeviceLimits;
use crate::service::govern::overrides::{DeviceOverride, DeviceOverrides};
use crate::service::govern::revocation::Revocations;
use crate::service::token::verify::Caller;
use crate::transport::problem::Problem;
use crate::wire::{Claims, DeviceId};

/// Per-device overrides and revocations, shared by everything that admits a caller.
#[derive(Clone)]
pub struct AccessPolicy {
    pub overrides: Arc<DeviceOverrides>,
    pub revocations: Arc<Revocations>,
}

/// A caller that is not revoked, as the overrides of its device describe it.
pub struct AdmittedCaller {
    pub caller: Arc<Caller>,
    pub limits: DeviceLimits,
    /// `None` if no feature is limited.
    pub features: Option<Arc<FeaturePolicy>>,
}

impl AccessPolicy {
    /// Replaces all overrides, for requests that are open too.
    pub(crate) fn replace_overrides(&self, overrides: HashMap<DeviceId, Arc<DeviceOverride>>) {
        self.overrides.replace(overrides);
        self.describe_open();
    }

    /// Replaces the overrides of single devices, for requests that are open too; `None` removes them.
    pub(crate) fn change_overrides(&self, changes: Vec<(DeviceId, Option<Arc<DeviceOverride>>)>) {
        self.overrides.change(changes);
        self.describe_open();
    }

    fn describe_open(&self) {
        self.revocations.describe_open(|caller| self.ruled(Arc::clone(caller)).0);
    }

    /// Returns the caller with its device's overrides, its limits and its features. Judges it as [`Revocations::judge`]
    /// does, both as its token describes it and with the overrides.
    pub fn admit(&self, caller: Arc<Caller>) -> Result<AdmittedCaller, Problem> {
        self.revocations.judge(caller.claims())?;
        let (caller, rule) = self.ruled(caller);
        if rule.is_some() {
            self.revocations.judge(caller.claims())?;
        }
        let (limits, features) = self.overrides.rules(rule.as_deref());
        Ok(AdmittedCaller { caller, limits, features })
    }

    fn ruled(&self, caller: Arc<Caller>) -> (Arc<Caller>, Option<Arc<DeviceOverride>>) {
        match self.overrides.of(caller.device()) {
            Some(rule) => (overridden(caller, &rule), Some(rule)),
            None => (caller, None),
        }
    }

    /// Applies the overrides of a device to the claims of a token about to be signed. Fails as
    /// [`Revocations::judge_new`] does: a revoked device gets no token.
    pub fn enter(&self, mut claims: Claims) -> Result<Claims, Problem> {
        if let Some(rule) = self.overrides.of(&claims.sub) {
            claims = described(claims, &rule);
        }
        self.revocations.judge_new(&claims)?;
        Ok(claims)
    }
}

/// The caller as an administrator's rule describes it. What the rule does not say stays as it was signed.
fn overridden(caller: Arc<Caller>, rule: &DeviceOverride) -> Arc<Caller> {
    let claims = caller.claims();
    let same = |said: &Option<String>, signed: &Option<String>| said.is_none() || said == signed;
    let same_models = rule.models.as_ref().is_none_or(|models| *models == claims.models);
    if same(&rule.org, &claims.org) && same(&rule.user, &claims.user) && same_models {
        return caller;
    }
    Arc::new(caller.with_claims(described(claims.clone(), rule)))
}

fn described(mut claims: Claims, rule: &DeviceOverride) -> Claims {
    claims.org = rule.org.clone().or(claims.org);
    claims.user = rule.user.clone().or(claims.user);
    claims.models = rule.models.clone().unwrap_or(claims.models);
    claims
}
