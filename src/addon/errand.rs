//! Calls of the client that need no running proxy, for `valetkey doctor` and `valetkey token`. Each runs on a thread with a runtime of
//! its own, for the reason that an [`Engine`](super::engine::Engine) has one.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;
use tokio::sync::oneshot;

use super::ports::{extra_ca_certs, ports};
use crate::client::Client;
use crate::client::config::ClientConfig;
use crate::client::error::ClientError;
use crate::client::keychain::{Keychain, KeychainLimits, OsStore};
use crate::client::service_check::{ServiceCheck, check_service};
use crate::client::status::{EventSink, Storage};
use crate::secret::Secret;

/// A wrapper token for a tool that sends its requests to the service itself.
pub(super) struct ToolToken {
    pub token: Secret,
    pub facts: ToolTokenFacts,
}

/// What a tool must know of its token.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolTokenFacts {
    /// When the token expires, in milliseconds since 1970.
    expires_at: u64,
    /// Where requests with the token go.
    base_url: String,
    storage: Storage,
}

/// Looks whether the service of `config` can be reached.
pub(super) async fn check(config: ClientConfig) -> Result<ServiceCheck, ClientError> {
    run(move || async move { check_service(&config, extra_ca_certs().as_deref(), &silent()).await }).await
}

/// Gets the token that a proxy with this `config` would use.
pub(super) async fn tool_token(config: ClientConfig) -> Result<ToolToken, ClientError> {
    run(move || async move {
        let ports = ports(&config, silent());
        let client = Client::start(config, ports).await?;
        let token = client.token_for_tool().await;
        let storage = client.status().storage;
        client.close(Duration::ZERO).await;
        let token = token?;
        let expires_at = token.expires_at().duration_since(UNIX_EPOCH).unwrap_or_default();
        let facts = ToolTokenFacts {
            expires_at: u64::try_from(expires_at.as_millis()).unwrap_or(u64::MAX),
            base_url: token.origin.as_base_url().to_owned(),
            storage,
        };
        Ok(ToolToken { token: token.token.clone(), facts })
    })
    .await
}

/// Looks whether the keychain takes, gives back and removes an entry of this app.
pub(super) async fn probe_keychain(app_id: String) -> Result<(), ClientError> {
    run(move || async move {
        let store = Box::new(OsStore::new(&app_id));
        let keychain = Keychain::start(store, KeychainLimits::default())
            .map_err(|error| ClientError::Internal(error.to_string()))?;
        keychain.probe().await.map_err(ClientError::from)
    })
    .await
}

/// Runs `errand` on a new thread and waits for its result.
async fn run<T, F>(errand: impl FnOnce() -> F + Send + 'static) -> Result<T, ClientError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, ClientError>>,
{
    let internal = |error: std::io::Error| ClientError::Internal(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(internal)?;
    let (done, result) = oneshot::channel();
    std::thread::Builder::new()
        .name("valetkey-errand".into())
        .spawn(move || {
            let outcome = runtime.block_on(errand());
            runtime.shutdown_background();
            // The environment may have ended.
            let _ = done.send(outcome);
        })
        .map_err(internal)?;
    result.await.unwrap_or_else(|_| Err(ClientError::Internal("the thread of this call has panicked".into())))
}

/// Nobody listens to an errand's events: its result says all.
fn silent() -> EventSink {
    Arc::new(|_| {})
}
