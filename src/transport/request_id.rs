//! Names one request, in errors, logs and support cases.

use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderValue;

/// `req_vk_` and 24 hexadecimal digits: half drawn once for the process, half counted. Unique, not secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId {
    process: u64,
    number: u64,
}

impl RequestId {
    /// The next id of this process.
    #[must_use]
    pub fn next() -> Self {
        static PROCESS: LazyLock<u64> = LazyLock::new(|| {
            let mut bytes = [0; 8];
            // Without randomness ids of two processes may meet; that spoils a log search and nothing else.
            let _ = aws_lc_rs::rand::fill(&mut bytes);
            u64::from_ne_bytes(bytes) >> 16
        });
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        Self { process: *PROCESS, number: NUMBER.fetch_add(1, Ordering::Relaxed) }
    }

    /// The value of the header `request-id`.
    ///
    /// # Panics
    /// Never: hexadecimal digits make a header value.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        HeaderValue::try_from(self.to_string()).expect("hexadecimal digits make a header value")
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "req_vk_{:012x}{:012x}", self.process, self.number)
    }
}
