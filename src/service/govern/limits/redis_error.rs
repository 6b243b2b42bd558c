//! The reasons why Redis gives no decision, as far as an operator can act on them.

use std::error::Error;
use std::io;
use std::sync::Arc;

use redis::{ErrorKind, RedisError, ServerErrorKind};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum RedisLinkError {
    /// Redis cannot be reached, or the connection broke.
    #[error("Redis cannot be reached")]
    Unreachable,
    /// This machine does not trust the certificate of Redis, or there is no TLS where `rediss://` expects it.
    #[error("Redis has no certificate that this machine trusts")]
    Untrusted,
    /// Redis took longer than a decision may take.
    #[error("Redis is too slow")]
    Slow,
    /// So many requests wait for Redis that this one did not join them.
    #[error("too many requests wait for Redis")]
    Overloaded,
    /// Redis is a replica: a failover is on its way, or `REDIS_URL` names the wrong server.
    #[error("Redis is read-only: a failover is going on, or REDIS_URL names a replica")]
    ReadOnly,
    /// Redis wants a password, another one, or gives this user too few rights.
    #[error("Redis refuses the credentials in REDIS_URL, or gives them too few rights")]
    Denied,
    #[error("Redis is out of memory")]
    OutOfMemory,
    /// A key of a device holds something else, and is deleted.
    #[error("a key in Redis holds what valetkey did not write")]
    WrongType,
    /// Redis has lost our functions, which are loaded again.
    #[error("Redis has lost valetkey's functions")]
    FunctionMissing,
    /// Redis has just started and is reading its data, or another program's script holds it up.
    #[error("Redis is busy")]
    Busy,
    /// Redis has no functions at all.
    #[error("Redis is older than 7.0")]
    TooOld,
    #[error("Redis gave an error that valetkey does not know")]
    Unknown,
}

impl RedisLinkError {
    /// Whether the fault concerns this one request and says nothing of the next.
    pub(super) fn is_passing(self) -> bool {
        matches!(self, Self::Overloaded | Self::WrongType)
    }
}

impl From<RedisError> for RedisLinkError {
    fn from(error: RedisError) -> Self {
        match error.kind() {
            ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm) => return Self::Denied,
            ErrorKind::Server(ServerErrorKind::ReadOnly) => return Self::ReadOnly,
            ErrorKind::Server(ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown) => return Self::Busy,
            _ if error.is_timeout() => return Self::Slow,
            _ if is_about_tls(&error) => return Self::Untrusted,
            _ if error.is_io_error() || error.is_connection_dropped() => return Self::Unreachable,
            _ => {}
        }
        let detail = error.detail().unwrap_or_default();
        match error.code() {
            Some("NOAUTH" | "WRONGPASS" | "NOPERM") => Self::Denied,
            Some("OOM") => Self::OutOfMemory,
            Some("WRONGTYPE") => Self::WrongType,
            Some("BUSY" | "MISCONF" | "NOREPLICAS") => Self::Busy,
            Some("ERR") if detail.contains("unknown command") => Self::TooOld,
            Some("ERR") if detail.contains("unction not found") => Self::FunctionMissing,
            _ => Self::Unknown,
        }
    }
}

/// Whether TLS failed on an open connection. The library keeps its causes in an `Arc`.
fn is_about_tls(error: &RedisError) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<Arc<dyn Error + Send + Sync>>());
    let within = cause.and_then(|cause| cause.downcast_ref::<io::Error>()).and_then(io::Error::get_ref);
    matches!(within, Some(error) if error.is::<rustls::Error>())
}
