//! Why the limiter cannot start.

#[derive(Debug, thiserror::Error)]
pub enum LimiterError {
    /// The URL may hold a password, so it is not shown.
    #[error("REDIS_URL is not the URL of a Redis server")]
    Url,
    #[error("cannot start the limiter's thread: {0}")]
    Thread(#[source] std::io::Error),
}
