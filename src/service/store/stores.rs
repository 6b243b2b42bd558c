//! The places where the service keeps what it must not forget.

use crate::secret::Secret;
use crate::service::store::database::DatabaseUrl;
use crate::service::store::retention::RetentionConfig;

#[derive(Debug, Clone)]
pub struct Stores {
    pub database: DatabaseUrl,
    /// `REDIS_URL`; it may hold a password.
    pub redis: Option<Secret>,
    pub retention: RetentionConfig,
}
