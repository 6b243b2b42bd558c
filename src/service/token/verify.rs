//! Admits a caller by its wrapper token, for `/v1` and `/refresh`. A caller without a valid token gets a 401.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use crate::clock::Clock;
use crate::service::token::cache::TokenCache;
use crate::service::token::keyring::{KeyRing, KeyTally, TokenError, Verified};
use crate::service::token::models::ModelRule;
use crate::transport::credentials::{CredentialError, Credentials};
use crate::transport::problem::Problem;
use crate::wire::names::TOKEN_PREFIX;
use crate::wire::{Claims, DeviceId, ErrorCode};

pub struct Auth {
    keys: Arc<KeyRing>,
    clock: Arc<dyn Clock>,
    policy: TokenPolicy,
}

/// The claims that tokens of this service must carry.
#[derive(Debug, Clone)]
pub struct TokenPolicy {
    pub issuer: String,
    pub audience: String,
    /// How long tokens live. A token that claims a longer life dies after this one.
    pub lifetime: Duration,
}

/// A caller with a valid token. Only this file makes one.
#[derive(Debug, Clone)]
pub struct Caller {
    claims: Claims,
    models: ModelRule,
    key: Arc<KeyTally>,
}

impl Caller {
    /// The device the token was issued to.
    pub fn device(&self) -> &DeviceId {
        &self.claims.sub
    }

    pub fn org(&self) -> Option<&str> {
        self.claims.org.as_deref()
    }

    pub fn user(&self) -> Option<&str> {
        self.claims.user.as_deref()
    }

    pub fn models(&self) -> &ModelRule {
        &self.models
    }

    /// The same caller with other claims: administrators may say something else of its device than its token.
    pub(crate) fn with_claims(&self, claims: Claims) -> Self {
        let models = ModelRule::from_claim(claims.models.clone());
        Self { claims, models, key: Arc::clone(&self.key) }
    }

    /// The claims as they were signed, or with the device's overrides.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }
}

impl Auth {
    pub fn new(keys: Arc<KeyRing>, clock: Arc<dyn Clock>, policy: TokenPolicy) -> Self {
        Self { keys, clock, policy }
    }

    /// Admits the caller of a `/v1` request: the token carries its prefix, in `Authorization: Bearer` or in the header
    /// that SDKs use for API keys.
    ///
    /// The [`Problem`] is a 401. It says only that the token has expired, or that it is not valid.
    pub(crate) fn admit(
        &self,
        headers: &HeaderMap,
        token_cache: &TokenCache<Arc<Caller>>,
    ) -> Result<Arc<Caller>, Problem> {
        let credentials = Credentials::read(headers).map_err(unreadable)?;
        let token = chosen(credentials.bearer, credentials.api_key)?;
        // A cached token whose key was retired since counts as never seen.
        if let Some(caller) = token_cache.find(token).filter(|caller| self.keys.holds(&caller.key)) {
            self.judge(&caller.claims)?;
            caller.key.count_admitted();
            return Ok(caller);
        }
        let caller = Arc::new(self.verify(token)?);
        token_cache.remember(token, Arc::clone(&caller));
        Ok(caller)
    }

    /// Admits the caller of `/refresh`, whose token may lack the prefix. Returns the token without prefix too.
    pub fn admit_refresh<'a>(&self, headers: &'a HeaderMap) -> Result<(Caller, &'a str), Problem> {
        let token = Credentials::read(headers).map_err(unreadable)?.bearer.ok_or_else(missing)?;
        let token = token.strip_prefix(TOKEN_PREFIX).unwrap_or(token);
        Ok((self.verify(token)?, token))
    }

    /// The claims of a token if it is genuine, and whether it would be admitted now.
    pub(crate) fn inspect(&self, token: &str) -> (Option<Claims>, Result<(), Problem>) {
        let token = token.strip_prefix(TOKEN_PREFIX).unwrap_or(token);
        match self.keys.verify(token).map_err(invalid) {
            Ok(verified) => {
                let verdict = self.judge(&verified.claims);
                (Some(verified.claims), verdict)
            }
            Err(problem) => (None, Err(problem)),
        }
    }

    fn verify(&self, token: &str) -> Result<Caller, Problem> {
        let Verified { claims, key } = self.keys.verify(token).map_err(invalid)?;
        self.judge(&claims)?;
        key.count_admitted();
        let models = ModelRule::from_claim(claims.models.clone());
        Ok(Caller { claims, models, key })
    }

    /// Whether genuine claims are for this service and for now.
    fn judge(&self, claims: &Claims) -> Result<(), Problem> {
        let now = self.clock.unix_seconds();
        let ours = claims.iss == self.policy.issuer && claims.aud == self.policy.audience;
        let begun = claims.nbf.max(claims.iat) <= now.saturating_add(SKEW.as_secs());
        // A time beyond the calendar was not written by the service (A05).
        if !ours || !begun || claims.exp > LATEST {
            return Err(invalid(TokenError::Claims));
        }
        let longest = claims.iat.saturating_add(self.policy.lifetime.as_secs());
        if now >= claims.exp.min(longest) {
            return Err(Problem::new(
                ErrorCode::TokenExpired,
                "The wrapper token has expired; refresh it and try again",
            ));
        }
        Ok(())
    }
}

/// Clients send one credential, the same one twice, or a wrapper token beside a credential of their own. Returns the
/// token without its prefix.
fn chosen<'a>(bearer: Option<&'a str>, api_key: Option<&'a str>) -> Result<&'a str, Problem> {
    let ours = |credential: Option<&'a str>| credential.and_then(|text| text.strip_prefix(TOKEN_PREFIX));
    match (ours(bearer), ours(api_key)) {
        (Some(one), None) | (None, Some(one)) => Ok(one),
        (Some(one), Some(other)) if one == other => Ok(one),
        (Some(_), Some(_)) => Err(ambiguous()),
        (None, None) => Err(missing()),
    }
}

fn unreadable(fault: CredentialError) -> Problem {
    match fault {
        CredentialError::Repeated => ambiguous(),
        CredentialError::NotBearer => missing(),
    }
}

fn missing() -> Problem {
    Problem::new(ErrorCode::TokenMissing, "No wrapper token; send it as `Authorization: Bearer sk-ant-proxy-…`")
}

fn ambiguous() -> Problem {
    Problem::new(ErrorCode::TokenMissing, "More than one credential; send one wrapper token")
}

fn invalid(fault: TokenError) -> Problem {
    tracing::debug!(%fault, "Refused a wrapper token");
    Problem::new(ErrorCode::TokenInvalid, "The wrapper token is not valid here")
}

/// How far the clocks of two instances may differ.
const SKEW: Duration = Duration::from_secs(30);

/// The end of the year 9999.
const LATEST: u64 = 253_402_300_799;

#[cfg(test)]
mod tests;
