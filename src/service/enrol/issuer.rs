//! Issues wrapper tokens.
//!
//! `/bootstrap` checks the mode, the limit by address, the enrolment token, revocations, the device key and the limit of
//! new devices, in this order. Of a device with a proof only the database can tell whether it is known, so such a request first
//! counts against the limit of proofs, and one that turns out not to be a known device's counts against the limit by address as
//! well. `/refresh` checks revocations, the limit of renewals and the device key. A token that an
//! administrator asks for is checked against revocations only.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::HeaderMap;

use crate::clock::Clock;
use crate::random::random;
use crate::secret::Secret;
use crate::service::base::enum_names::enum_names;
use crate::service::base::strict_object::StrictObject;
use crate::service::enrol::device_keys::DeviceKeyPolicy;
use crate::service::enrol::device_keys::{Admissible, DeviceKeys, Presented, ProofTarget};
use crate::service::enrol::enrolment_limits::{BootstrapLimits, Counted, EnrolmentLimiter, Evidence};
use crate::service::govern::access::AccessPolicy;
use crate::service::telemetry::metrics::{FamilyEncoder, MetricSource};
use crate::service::token::keyring::KeyRing;
use crate::service::token::verify::{Caller, TokenPolicy};
use crate::transport::problem::Problem;
use crate::transport::request_head::check_json;
use crate::wire::{BootstrapRequest, Claims, Confirmation, DeviceId, ErrorCode, TokenResponse, TokenType};

/// How devices get their first token.
#[derive(Debug, Clone)]
pub struct Enrolment {
    pub mode: BootstrapMode,
    pub tokens: Vec<Secret>,
    pub limits: BootstrapLimits,
    pub keys: DeviceKeyPolicy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootstrapMode {
    /// Every client that reaches the service.
    Open,
    /// Clients with an enrolment token.
    Enrolment,
    Closed,
}

enum_names!(BootstrapMode { Open = "open", Enrolment = "enrolment", Closed = "closed" });

pub(crate) struct Issuer {
    keys: Arc<KeyRing>,
    clock: Arc<dyn Clock>,
    policy: TokenPolicy,
    terms: ArcSwap<Terms>,
    mode: BootstrapMode,
    enrolment_tokens: ArcSwap<Vec<Secret>>,
    guard: EnrolmentLimiter,
    device_keys: Option<DeviceKeys>,
    access: AccessPolicy,
}

/// Settings that a device gets with its token.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Where the device sends requests; `None` means the address that the token came from.
    pub base_url: Option<String>,
    /// The base URLs of all regions of the service; empty means that there are none.
    pub regions: Vec<String>,
    /// The models a device may ask for; empty means all.
    pub models: Vec<String>,
}

/// A request for a first token whose body has not been read yet.
pub(crate) struct Received {
    source: IpAddr,
    proof: Option<Presented>,
    /// Where the limits by address count it, if they do.
    counted: Option<Counted>,
}

impl Issuer {
    /// Signs with the first of `keys`.
    pub(crate) fn new(
        keys: Arc<KeyRing>,
        clock: Arc<dyn Clock>,
        policy: TokenPolicy,
        terms: Terms,
        (enrolment, device_keys): (Enrolment, Option<DeviceKeys>),
        access: AccessPolicy,
    ) -> Self {
        let Enrolment { mode, tokens, limits, .. } = enrolment;
        let (terms, enrolment_tokens) = (ArcSwap::from_pointee(terms), ArcSwap::from_pointee(tokens));
        let guard = EnrolmentLimiter::new(limits);
        Self { keys, clock, policy, terms, mode, enrolment_tokens, guard, device_keys, access }
    }

    /// Replaces the terms after a reload.
    pub(crate) fn set_terms(&self, terms: Terms) {
        self.terms.store(Arc::new(terms));
    }

    /// Replaces the enrolment tokens after a reload.
    pub(crate) fn set_enrolment_tokens(&self, tokens: Vec<Secret>) {
        self.enrolment_tokens.store(Arc::new(tokens));
    }

    /// Checks whether a client at `source` may ask for a first token at all, before the body is read: a client that may
    /// not enrol learns nothing about the body. A proof that must be made again does not count against the limit.
    pub(crate) fn receive(&self, source: IpAddr, headers: &HeaderMap) -> Result<Received, Problem> {
        if self.mode == BootstrapMode::Closed {
            return Err(Problem::new(ErrorCode::BootstrapClosed, "This service does not enrol devices"));
        }
        check_json(headers)?;
        let proof = self.proof(headers)?;
        let evidence = if proof.is_some() { Evidence::Proof } else { Evidence::Id };
        let counted = self.guard.admit(source, evidence)?;
        Ok(Received { source, proof, counted })
    }

    /// Reads the proof of a device key from the headers ([`DeviceKeys::receive`]).
    pub(crate) fn proof(&self, headers: &HeaderMap) -> Result<Option<Presented>, Problem> {
        self.device_keys.as_ref().map_or(Ok(None), |keys| keys.receive(headers))
    }

    /// Answers `POST /bootstrap` after [`receive`](Self::receive). A [`Problem`] says what is wrong with the body or
    /// the proof, or that the device may not enrol. A request of a revoked device does not count against the limit by
    /// address.
    pub(crate) async fn bootstrap(&self, body: &[u8], received: Received) -> Result<TokenResponse, Problem> {
        let Received { source, proof, counted } = received;
        let stranger = proof.is_some().then_some(source);
        let issued = self.enrol(body, proof, stranger).await;
        match (&issued, counted) {
            (Err(problem), Some(counted)) if problem.code == ErrorCode::TokenRevoked => self.guard.forgive(counted),
            // Guesses of an enrolment token are no cheaper with a proof.
            (Err(problem), _) if is_fault_of_client(problem) => {
                if let Some(source) = stranger {
                    self.guard.admit(source, Evidence::Id)?;
                }
            }
            _ => {}
        }
        issued
    }

    /// Issues a token for what `body` asks. `stranger` is where a request with a proof comes from, which counts against the limit
    /// by address unless its device is known.
    async fn enrol(
        &self,
        body: &[u8],
        proof: Option<Presented>,
        stranger: Option<IpAddr>,
    ) -> Result<TokenResponse, Problem> {
        let StrictObject::<BootstrapRequest>(request) = serde_json::from_slice(body).map_err(|error| {
            Problem::new(ErrorCode::BodyInvalid, format!("The body is not a bootstrap request: {error}"))
        })?;
        self.check_enrolment(request.enrolment.as_ref())?;
        let app_version = request.app_version.map(checked_version).transpose()?;
        let claims = Claims { app_version, ..self.claims_for(request.device_id, self.policy.lifetime.as_secs()) };
        let claims = self.access.enter(claims)?;
        let admissible = self.judge(&claims, None, (proof, ProofTarget::Bootstrap), || Ok(())).await?;
        if let Some(source) = stranger.filter(|_| !admissible.as_ref().is_some_and(Admissible::is_known)) {
            self.guard.admit(source, Evidence::Id)?;
        }
        self.guard.enrol(&claims.sub)?;
        Ok(self.answer(&self.bound(claims, admissible).await?))
    }

    /// Renews the token `presented`: same device and lifetime, with the overrides and revocations in force now.
    pub(crate) async fn refresh(
        &self,
        caller: &Caller,
        presented: &str,
        proof: Option<Presented>,
    ) -> Result<TokenResponse, Problem> {
        let old = caller.claims();
        // Judges the old token, which may be revoked by its id; `enter` below judges the new one by its device.
        self.access.revocations.judge(old)?;
        // A token minted for ten minutes is renewed for ten minutes.
        let life = old.exp.saturating_sub(old.iat).min(self.policy.lifetime.as_secs());
        let claims = Claims { app_version: old.app_version.clone(), ..self.claims_for(old.sub.clone(), life) };
        // Puts the administrator's overrides into the token; a revoked device gets none.
        let claims = self.access.enter(claims)?;
        let proof = (proof, ProofTarget::Refresh(presented));
        let admissible = self.judge(&claims, old.cnf.as_ref(), proof, || self.guard.renew(&old.sub)).await?;
        self.guard.know(&claims.sub);
        Ok(self.answer(&self.bound(claims, admissible).await?))
    }

    /// Checks that the proof is good for `target` and enough for the device of `claims`.
    async fn judge(
        &self,
        claims: &Claims,
        earlier: Option<&Confirmation>,
        (proof, target): (Option<Presented>, ProofTarget<'_>),
        may_ask: impl FnOnce() -> Result<(), Problem>,
    ) -> Result<Option<Admissible>, Problem> {
        let Some(keys) = &self.device_keys else { return Ok(None) };
        let proven = proof.map(|proof| keys.verify(proof, &target)).transpose()?;
        keys.judge(&claims.sub, earlier, proven, may_ask).await.map(Some)
    }

    /// The claims with the key that the device is bound to.
    async fn bound(&self, claims: Claims, admissible: Option<Admissible>) -> Result<Claims, Problem> {
        let (Some(keys), Some(admissible)) = (&self.device_keys, admissible) else { return Ok(claims) };
        Ok(Claims { cnf: keys.bind(admissible).await?, ..claims })
    }

    /// Makes a token for an administrator, valid for `life`.
    pub(crate) fn mint(&self, device: DeviceId, life: Duration) -> Result<(Claims, Secret), Problem> {
        let claims = self.access.enter(self.claims_for(device, life.as_secs()))?;
        let token = self.keys.sign(&claims);
        Ok((claims, token))
    }

    fn check_enrolment(&self, presented: Option<&Secret>) -> Result<(), Problem> {
        if self.mode == BootstrapMode::Open {
            return Ok(());
        }
        let Some(presented) = presented else {
            return Err(Problem::new(ErrorCode::EnrolmentRequired, "This service enrols only with an enrolment token"));
        };
        // Every token is compared, so that the time does not show which token came close.
        let known = self
            .enrolment_tokens
            .load()
            .iter()
            .fold(false, |known, token| known | token.matches(presented.expose().as_bytes()));
        if known { Ok(()) } else { Err(Problem::new(ErrorCode::EnrolmentInvalid, "The enrolment token is not valid")) }
    }

    /// The claims of a token that is good for `life` seconds.
    fn claims_for(&self, device: DeviceId, life: u64) -> Claims {
        let now = self.clock.unix_seconds();
        Claims {
            iss: self.policy.issuer.clone(),
            aud: self.policy.audience.clone(),
            sub: device,
            iat: now,
            nbf: now,
            exp: now + life,
            jti: random_id(),
            org: None,
            user: None,
            app_version: None,
            models: self.terms.load().models.clone(),
            cnf: None,
        }
    }

    fn answer(&self, claims: &Claims) -> TokenResponse {
        let life = Duration::from_secs(claims.exp.saturating_sub(claims.iat));
        let terms = self.terms.load();
        TokenResponse {
            token: self.keys.sign(claims),
            token_type: TokenType::Bearer,
            expires_in: life.as_secs(),
            expires_at: claims.exp,
            refresh_in: refresh_in(life).as_secs(),
            base_url: terms.base_url.clone(),
            regions: terms.regions.clone(),
            device_id: claims.sub.clone(),
            models: claims.models.clone(),
        }
    }
}

impl MetricSource for Issuer {
    fn collect(&self, page: &mut FamilyEncoder<'_>) -> fmt::Result {
        self.guard.collect(page)?;
        self.device_keys.collect(page)
    }
}

/// Whether a request with a proof counts as a failed one: it was refused for what it said, and not by a limit, for a revocation,
/// for a nonce, which any device may have to ask for again, or because the service is full or away.
fn is_fault_of_client(problem: &Problem) -> bool {
    !EXCUSED.contains(&problem.code)
}

/// Devices refresh when an hour is left, or half the lifetime if that is less.
fn refresh_in(life: Duration) -> Duration {
    life.saturating_sub(REFRESH_BEFORE.min(life / 2))
}

fn checked_version(version: String) -> Result<String, Problem> {
    let is_plain = !version.is_empty() && version.len() <= 64 && version.bytes().all(|byte| byte.is_ascii_graphic());
    if is_plain {
        return Ok(version);
    }
    Err(Problem::new(ErrorCode::BodyInvalid, "`app_version` must be 1 to 64 printable ASCII characters"))
}

fn random_id() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(random::<16>())
}

const EXCUSED: [ErrorCode; 5] = [
    ErrorCode::RateLimited,
    ErrorCode::TokenRevoked,
    ErrorCode::ProofNonce,
    ErrorCode::NotReady,
    ErrorCode::Overloaded,
];

const REFRESH_BEFORE: Duration = Duration::from_secs(60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f103_what_is_no_fault_of_a_known_device_does_not_use_up_what_new_ones_may_ask() {
        let counts = |code| is_fault_of_client(&Problem::new(code, "a test's"));
        assert!(!counts(ErrorCode::Overloaded), "the memory of used nonces is full");
        assert!(!counts(ErrorCode::NotReady) && !counts(ErrorCode::TokenRevoked));
        assert!(counts(ErrorCode::EnrolmentInvalid) && counts(ErrorCode::DeviceKeyMismatch));
    }
}
