//! How a genuine caller stands: what administrators say about its device, and whether it is revoked.

use std::collections::HashMap;
use std::sync::Arc;

use crate::service::govern::limits::DeviceLimits;
use crate::service::govern::overrides::{DeviceRule, DeviceRules};
use crate::service::govern::revocation::Revocations;
use crate::service::token::verify::Caller;
use crate::transport::problem::Problem;
use crate::wire::{Claims, DeviceId};

/// Both, shared by all who let somebody in.
#[derive(Clone)]
pub struct Standing {
    /// What administrators say about devices.
    pub rules: Arc<DeviceRules>,
    /// Who is revoked.
    pub revocations: Arc<Revocations>,
}

impl Standing {
    /// Takes all rules over, for requests that are open too.
    pub(crate) fn replace_rules(&self, rules: HashMap<DeviceId, Arc<DeviceRule>>) {
        self.rules.replace(rules);
        self.revocations.describe_open(|caller| self.ruled(Arc::clone(caller)).0);
    }

    /// The caller of a request as it stands now, and what it may do.
    ///
    /// # Errors
    /// As [`Revocations::judge`]. A caller is judged both by what its token says and by what a rule says of it.
    pub fn admit(&self, caller: Arc<Caller>) -> Result<(Arc<Caller>, DeviceLimits), Problem> {
        self.revocations.judge(caller.claims())?;
        let (caller, rule) = self.ruled(caller);
        if rule.is_some() {
            self.revocations.judge(caller.claims())?;
        }
        Ok((caller, self.rules.limits(rule.as_deref())))
    }

    fn ruled(&self, caller: Arc<Caller>) -> (Arc<Caller>, Option<Arc<DeviceRule>>) {
        match self.rules.of(caller.device()) {
            Some(rule) => (overridden(caller, &rule), Some(rule)),
            None => (caller, None),
        }
    }

    /// The claims of a token about to be signed, with what a rule says of its device.
    ///
    /// # Errors
    /// As [`Revocations::judge_new`]: who is revoked gets no token.
    pub fn enter(&self, mut claims: Claims) -> Result<Claims, Problem> {
        if let Some(rule) = self.rules.of(&claims.sub) {
            claims.org = rule.org.clone().or(claims.org);
            claims.user = rule.user.clone().or(claims.user);
            claims.models = rule.models.clone().unwrap_or(claims.models);
        }
        self.revocations.judge_new(&claims)?;
        Ok(claims)
    }
}

/// The caller as an administrator's rule describes it. What the rule does not say stays as it was signed.
fn overridden(caller: Arc<Caller>, rule: &DeviceRule) -> Arc<Caller> {
    let claims = caller.claims();
    let same = |said: &Option<String>, signed: &Option<String>| said.is_none() || said == signed;
    let same_models = rule.models.as_ref().is_none_or(|models| *models == claims.models);
    if same(&rule.org, &claims.org) && same(&rule.user, &claims.user) && same_models {
        return caller;
    }
    let claims = Claims {
        org: rule.org.clone().or_else(|| claims.org.clone()),
        user: rule.user.clone().or_else(|| claims.user.clone()),
        models: rule.models.clone().unwrap_or_else(|| claims.models.clone()),
        ..claims.clone()
    };
    Arc::new(caller.with_claims(claims))
}
