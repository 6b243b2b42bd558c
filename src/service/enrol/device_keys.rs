//! Binds a device id to the device's key.
//!
//! An id is a claim, and any client that may enrol could claim another device's id (A14). So the first key proved with
//! an id ([`proof`]) is bound to it in the database. From then on `/bootstrap` and `/refresh` give tokens for that id
//! only with a proof of that key. For a device that never proved a key the id stays a claim.
//!
//! A token names its device's key (`cnf`), but a `/v1` request needs no proof: verifying a signature takes about as
//! long as all the rest of a small request.

mod binding;
mod nonces;
pub(crate) mod proof;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};

pub(crate) use self::binding::Admissible;
use self::nonces::{Nonce, NonceError, Nonces};
pub(crate) use self::proof::ProofTarget;
use self::proof::{Proof, ProofError};
use crate::clock::Clock;
use crate::service::base::enum_names::enum_names;
use crate::service::base::outage::Outage;
use crate::service::enrol::db_requests::DbRequests;
use crate::service::telemetry::metrics::{Counters, FamilyEncoder, MetricSource, counters};
use crate::service::token::keyring::KeyRing;
use crate::transport::problem::Problem;
use crate::wire::ErrorCode;
use crate::wire::names::{PROOF_HEADER, PROOF_NONCE_HEADER};

/// Whether device ids are bound to device keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKeyPolicy {
    /// The service ignores proofs.
    Off,
    /// The first key that is proved with an id is bound to it.
    Bind,
    /// Like `Bind`, and a device without a proof gets no token.
    Require,
}

enum_names!(DeviceKeyPolicy { Off = "off", Bind = "bind", Require = "require" });

pub(crate) struct DeviceKeys {
    is_required: bool,
    nonces: Nonces,
    db_requests: DbRequests,
    clock: Arc<dyn Clock>,
    proofs: Counters<1>,
    reading: Outage,
    binding: Outage,
}

/// A proof with a nonce of ours; the signature is not yet verified.
pub(crate) struct Presented {
    proof: Proof,
    nonce: Nonce,
}

/// The thumbprint of a proved key, with a nonce that may have been used before.
pub(crate) struct Proven {
    thumbprint: String,
    nonce: Nonce,
}

impl DeviceKeys {
    /// Binds keys through `db_requests`; `keys` make the MACs of nonces. `None` if device keys are switched off.
    pub(crate) fn of(
        policy: DeviceKeyPolicy,
        keys: Arc<KeyRing>,
        db_requests: DbRequests,
        clock: Arc<dyn Clock>,
    ) -> Option<Self> {
        let is_required = match policy {
            DeviceKeyPolicy::Off => return None,
            DeviceKeyPolicy::Bind => false,
            DeviceKeyPolicy::Require => true,
        };
        let nonces = Nonces::new(keys, Arc::clone(&clock));
        Some(Self {
            is_required,
            nonces,
            db_requests,
            clock,
            proofs: counters(outcomes().map(|outcome| [("outcome", outcome)])),
            reading: Outage::default(),
            binding: Outage::default(),
        })
    }

    /// Reads the proof of a request, if there is one. This is cheap; a proof without a usable nonce is answered with a
    /// nonce before the rest of the request is read.
    pub(crate) fn receive(&self, headers: &HeaderMap) -> Result<Option<Presented>, Problem> {
        let mut values = headers.get_all(PROOF_HEADER).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(self.refused(ProofError::Repeated));
        }
        let proof = Proof::read(value.as_bytes()).map_err(|fault| self.refused(fault))?;
        match self.nonces.read(proof.nonce()) {
            Ok(nonce) => Ok(Some(Presented { proof, nonce })),
            Err(fault) => Err(self.challenge(fault)),
        }
    }

    /// Verifies the proof's signature and that the proof is for `target`.
    pub(crate) fn verify(&self, presented: Presented, target: &ProofTarget<'_>) -> Result<Proven, Problem> {
        let Presented { proof, nonce } = presented;
        let thumbprint = proof.verify(target).map_err(|fault| self.refused(fault))?;
        Ok(Proven { thumbprint, nonce })
    }

    fn count(&self, outcome: &'static str) {
        self.proofs.get_or_create(&[("outcome", outcome)]).inc();
    }

    fn refused(&self, fault: ProofError) -> Problem {
        self.count(fault.as_str());
        Problem::new(ErrorCode::ProofInvalid, format!("The proof of the device's key {fault}"))
    }

    fn challenge(&self, fault: NonceError) -> Problem {
        self.count(fault.as_str());
        if fault == NonceError::Full {
            let message = "Too many proofs have come at once; try again later";
            return Problem::new(ErrorCode::Overloaded, message).retry_after(RETRY_AFTER);
        }
        let nonce = HeaderValue::try_from(self.nonces.issue()).expect("base64url is printable");
        let challenge = HeaderValue::from_static(CHALLENGE);
        Problem::new(ErrorCode::ProofNonce, "The proof of the device's key needs the nonce of this answer")
            .header(PROOF_NONCE_HEADER, nonce)
            .header("www-authenticate", challenge)
    }
}

impl MetricSource for DeviceKeys {
    fn collect(&self, page: &mut FamilyEncoder<'_>) -> fmt::Result {
        page.metric("device_proofs", "Proofs of devices' keys by what became of them", &self.proofs)
    }
}

/// Outcomes of a proof, as metrics name them.
fn outcomes() -> impl Iterator<Item = &'static str> {
    let refused = ProofError::ALL.map(ProofError::as_str);
    let challenged = NonceError::ALL.map(NonceError::as_str);
    [GOOD].into_iter().chain(refused).chain(challenged)
}

const GOOD: &str = "good";

/// As in RFC 9449 §9.
const CHALLENGE: &str = r#"DPoP error="use_dpop_nonce", error_description="The proof needs the nonce of this answer""#;

const RETRY_AFTER: Duration = Duration::from_secs(5);
