//! The places where the service keeps what it must not forget.

use std::path::PathBuf;
use std::sync::Arc;

use crate::secret::Secret;
use crate::service::store::database::DatabaseUrl;
use crate::service::store::retention::RetentionConfig;

#[derive(Debug, Clone)]
pub struct Stores {
    pub database: DatabaseUrl,
    /// The folder for usage that the database does not take.
    pub spill: PathBuf,
    /// `REDIS_URL`; it may hold a password.
    pub redis: Option<Secret>,
    /// `TOKEN_ISSUER`. Several deployments may share a Redis.
    pub deployment: Arc<str>,
    pub retention: RetentionConfig,
}
