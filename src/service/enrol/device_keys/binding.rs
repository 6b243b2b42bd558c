//! Compares the key that a device proved with the key that is bound to its id, and binds the first one.

use super::{DeviceKeys, GOOD, Proven, RETRY_AFTER};
use crate::service::enrol::db_requests::DbRequestError;
use crate::transport::problem::Problem;
use crate::wire::{Confirmation, DeviceId, ErrorCode};

/// A device that may get a token.
pub(crate) struct Admissible {
    device: DeviceId,
    proven: Option<Proven>,
    is_bound: bool,
}

impl Admissible {
    /// Whether the device proved the key that the database has for its id.
    pub(crate) fn is_known(&self) -> bool {
        self.is_bound && self.proven.is_some()
    }
}

impl DeviceKeys {
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
