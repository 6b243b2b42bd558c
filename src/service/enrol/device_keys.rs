//! Binds a device id to the device's key.
//!
//! An id is a claim, and any client that may enrol could claim another device's id (A14). So the first key proved with
//! an id ([`proof`]) is bound to it in the database. From then on `/bootstrap` and `/refresh` give tokens for that id
//! only with a proof of that key. For a device that never proved a key the id stays a claim.
//!
//! A token names its device's key (`cnf`), but a `/v1` request needs no proof: verifying a signature takes about as
//! long as all the rest of a small request.

mod nonces;
pub(crate) mod proof;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use self::nonces::{Nonce, NonceError, Nonces};
pub(crate) use self::proof::ProofTarget;
use self::proof::{Proof, ProofError};
use crate::clock::Clock;
use crate::service::base::enum_names::enum_names;
use crate::service::base::outage::Outage;
use crate::service::enrol::db_requests::{DbRequestError, DbRequests};
use crate::service::telemetry::metrics::{Counters, FamilyEncoder, MetricSource, counters};
use crate::service::token::keyring::KeyRing;
use crate::transport::problem::Problem;
use crate::wire::names::{PROOF_HEADER, PROOF_NONCE_HEADER};
use crate::wire::{Confirmation, DeviceId, ErrorCode};

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

/// A device that may get a token.
pub(crate) struct Admissible {
    device: DeviceId,
    proven: Option<Proven>,
    is_bound: bool,
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

    /// Checks that `proven` is enough for a token for `device`, and uses up its nonce. The key that an earlier token
    /// was bound to counts too. `may_ask` is called before the database request and may refuse it.
    ///
    /// # Errors
    /// Those of `may_ask`, [`ErrorCode::ProofRequired`], [`ErrorCode::ProofNonce`], [`ErrorCode::DeviceKeyMismatch`],
    /// [`ErrorCode::NotReady`]
    pub(crate) async fn judge(
        &self,
        device: &DeviceId,
        earlier: Option<&Confirmation>,
        proven: Option<Proven>,
        may_ask: impl FnOnce() -> Result<(), Problem>,
    ) -> Result<Admissible, Problem> {
        if let Some(earlier) = earlier {
            compare(&earlier.jkt, proven.as_ref()).inspect_err(|_| {
                if proven.is_some() {
                    tracing::warn!(%device, "Somebody with another key wants to renew a device's token, which may be a copy");
                }
            })?;
        }
        may_ask()?;
        let bound = match self.bound(device).await {
            Ok(bound) => bound,
            // Without the database the earlier token decides: the service signed its key.
            Err(_) if earlier.is_some() => earlier.map(|earlier| earlier.jkt.clone()),
            Err(problem) => return Err(problem),
        };
        match (&bound, &proven) {
            (Some(bound), proven) => compare(bound, proven.as_ref())?,
            (None, None) if self.is_required => {
                let message = "This service gives tokens only to devices that prove a key";
                return Err(Problem::new(ErrorCode::ProofRequired, message));
            }
            (None, _) => {}
        }
        if let Some(proven) = &proven {
            self.nonces.take(&proven.nonce).map_err(|fault| self.challenge(fault))?;
            self.count(GOOD);
        }
        Ok(Admissible { device: device.clone(), proven, is_bound: bound.is_some() })
    }

    /// Binds the proved key, if none is bound, and returns the confirmation claim of the token. If the database fails
    /// the token has no key, unless keys are required.
    ///
    /// # Errors
    /// [`ErrorCode::DeviceKeyMismatch`] when another key was bound first, [`ErrorCode::NotReady`]
    pub(crate) async fn bind(&self, admissible: Admissible) -> Result<Option<Confirmation>, Problem> {
        let Admissible { device, proven: Some(proven), is_bound } = admissible else { return Ok(None) };
        if !is_bound {
            let (table, now) = (self.db_requests.database().device_keys(), self.clock.now());
            let key = proven.thumbprint.clone();
            match self.db_requests.ask(async move { table.bind(&device, &key, now).await }).await {
                Ok(bound) => {
                    if self.binding.ends() {
                        tracing::info!("Devices' keys can be bound again");
                    }
                    compare(&bound, Some(&proven))?;
                }
                Err(error) if !self.is_required => {
                    if self.binding.begins() {
                        tracing::error!(%error, "Cannot bind devices' keys; devices get tokens without one");
                    }
                    return Ok(None);
                }
                Err(error) => return Err(self.away(&error)),
            }
        }
        Ok(Some(Confirmation { jkt: proven.thumbprint }))
    }

    async fn bound(&self, device: &DeviceId) -> Result<Option<String>, Problem> {
        let (table, device) = (self.db_requests.database().device_keys(), device.clone());
        match self.db_requests.ask(async move { table.of(&device).await }).await {
            Ok(bound) => {
                if self.reading.ends() {
                    tracing::info!("The keys of devices can be read again");
                }
                Ok(bound)
            }
            Err(error) => Err(self.away(&error)),
        }
    }

    fn away(&self, error: &DbRequestError) -> Problem {
        if self.reading.begins() {
            tracing::error!(%error, "Cannot tell which keys belong to devices; they get no tokens");
        }
        let message = "The service cannot tell at the moment which key belongs to this device; try again later";
        Problem::new(ErrorCode::NotReady, message).retry_after(RETRY_AFTER)
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

fn compare(bound: &str, proven: Option<&Proven>) -> Result<(), Problem> {
    match proven {
        Some(proven) if proven.thumbprint == bound => Ok(()),
        Some(_) => Err(Problem::new(
            ErrorCode::DeviceKeyMismatch,
            "This device id belongs to a device with another key; an administrator can let the key go",
        )),
        None => Err(Problem::new(
            ErrorCode::DeviceKeyMismatch,
            "This device id belongs to a device with a key, and no proof of it came; an administrator can let the key go",
        )),
    }
}

const GOOD: &str = "good";

/// As in RFC 9449 §9.
const CHALLENGE: &str = r#"DPoP error="use_dpop_nonce", error_description="The proof needs the nonce of this answer""#;

const RETRY_AFTER: Duration = Duration::from_secs(5);
