//! Looks at a Redis without changing anything in it, for the commands that check an installation.

use std::time::Duration;

use redis::{AsyncConnectionConfig, InfoDict, RedisResult, cmd};
use tokio::time::Instant;

use super::redis_limiter::client;
use super::{LimiterError, RedisLinkError, calls};
use crate::secret::Secret;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisInspection {
    /// As Redis names its version; empty if it does not.
    pub version: String,
    /// Whether our functions are there. A starting instance loads them.
    pub is_loaded: bool,
    /// The time until the answer to a ping.
    pub ping: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum RedisInspectionError {
    #[error(transparent)]
    Url(#[from] LimiterError),
    #[error(transparent)]
    Redis(#[from] RedisLinkError),
}

/// Whether `url` names a Redis. Does not connect.
pub fn check_url(url: &Secret) -> Result<(), LimiterError> {
    client(url).map(drop)
}

/// Waits for each answer up to `patience`.
pub async fn inspect(url: &Secret, patience: Duration) -> Result<RedisInspection, RedisInspectionError> {
    let config =
        AsyncConnectionConfig::new().set_connection_timeout(Some(patience)).set_response_timeout(Some(patience));
    let connected = client(url)?.get_multiplexed_async_connection_with_config(&config).await;
    let mut connection = connected.map_err(RedisLinkError::from)?;
    let asked = Instant::now();
    cmd("PING").exec_async(&mut connection).await.map_err(RedisLinkError::from)?;
    let ping = asked.elapsed();
    // A user that may not ask for the version may still be allowed all that matters.
    let info: RedisResult<InfoDict> = cmd("INFO").arg("server").query_async(&mut connection).await;
    let version = info.ok().and_then(|info| info.get::<String>("redis_version")).unwrap_or_default();
    Ok(RedisInspection { version, is_loaded: calls::is_loaded(&mut connection).await?, ping })
}
