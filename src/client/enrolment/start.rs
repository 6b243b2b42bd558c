//! The first token of a start.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::Enrolment;
use crate::client::credential::Issued;
use crate::client::error::ClientError;
use crate::client::status::Storage;
use crate::client::token_store::StoredToken;

impl Enrolment {
    /// Gets the first token of a start, once the service is known to be healthy: the stored one, or one for which the
    /// device enrols. A good stored one is enough if the service is away, or gives no sign of health within `patience`;
    /// the session is offline then. `id_error` says why the keychain did not tell the device's random id.
    pub(in crate::client) async fn first_token(
        &mut self,
        patience: Duration,
        id_error: Option<ClientError>,
    ) -> Result<(), ClientError> {
        let (loaded, healthy) = self.look_around(patience, id_error).await;
        let (stored, loaded) = match loaded {
            Ok(stored) => (stored, Ok(())),
            Err(error) => (None, Err(error)),
        };
        match healthy {
            Err(error) if stored.is_none() || !error.is_outage() => return Err(error),
            Err(error) => {
                self.session.unreached(error);
            }
            Ok(()) => {}
        }
        match loaded {
            Ok(()) => self.session.set_storage(self.store.storage()),
            Err(error) => self.without_keychain(error)?,
        }
        if let Some(stored) = stored {
            self.take(stored);
            return Ok(());
        }
        self.enrol_in_turn().await
    }

    /// Enrols the device and stores its token, unless another process of the app does so first.
    async fn enrol_in_turn(&mut self) -> Result<(), ClientError> {
        let turn = self.turn().await;
        if let Some(stored) = self.stored_meanwhile().await? {
            self.take(stored);
            return Ok(());
        }
        if let Err(error) = self.read_key().await {
            self.without_keychain(error)?;
        }
        let issued = self.enrol(turn.as_ref()).await?;
        let token = self.install(issued);
        // A keychain that has failed is not asked again at once, which could prompt the person a second time.
        if self.session.keychain_error().is_none()
            && let Err(error) = self.keep(token).await
        {
            self.without_keychain(error)?;
        }
        Ok(())
    }

    /// Loads the stored token, if it can be used, and checks the service's health: both at once, because they are
    /// independent, and each may be slow.
    async fn look_around(
        &self,
        patience: Duration,
        id_error: Option<ClientError>,
    ) -> (Result<Option<StoredToken>, ClientError>, Result<(), ClientError>) {
        let began = Instant::now();
        let mut health = pin!(self.api.check_health());
        let mut loading = pin!(async {
            match id_error {
                Some(error) => Err(error),
                None => self.usable_stored().await,
            }
        });
        let mut healthy = None;
        let loaded = tokio::select! {
            loaded = loading.as_mut() => loaded,
            answer = health.as_mut() => {
                healthy = Some(answer);
                loading.await
            }
        };
        let is_enough = matches!(loaded, Ok(Some(_)));
        let healthy = match healthy {
            Some(answer) => answer,
            None if is_enough => {
                let waited = timeout(patience.saturating_sub(began.elapsed()), health).await;
                waited.unwrap_or_else(|_| Err(self.api.no_answer(patience)))
            }
            None => health.await,
        };
        (loaded, healthy)
    }

    /// The token that another process of the app has stored since this one looked, if it can be used.
    async fn stored_meanwhile(&self) -> Result<Option<StoredToken>, ClientError> {
        if self.session.status().storage == Storage::Memory {
            return Ok(None);
        }
        match self.usable_stored().await {
            Err(error) => self.without_keychain(error).map(|()| None),
            stored => stored,
        }
    }

    /// The stored token, if it can be used.
    pub(super) async fn usable_stored(&self) -> Result<Option<StoredToken>, ClientError> {
        Ok(self.store.load(&self.ids, self.clock.now()).await?.filter(|(token, _)| self.is_usable(token)))
    }

    /// Puts a stored token in use, and the identity that it belongs to.
    pub(super) fn take(&mut self, (token, identity): StoredToken) {
        self.failover.restore(&token);
        self.session.set_device(identity.device(&self.ids));
        self.session.install(Issued { token, clock_skew_ms: None });
        self.identity = identity;
    }

    /// What happens without a keychain: by default the token stays in memory, which the app is told. If the app requires
    /// a keychain, `error` is returned.
    fn without_keychain(&self, error: ClientError) -> Result<(), ClientError> {
        if self.store.is_required() {
            return Err(error);
        }
        self.session.keychain_failed(error);
        Ok(())
    }
}
