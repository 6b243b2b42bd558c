//! The id of one request, in errors, logs and support cases.

use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderValue;

use crate::random::random;

/// `req_vk_` and 24 hexadecimal digits: half random for each process, half a counter. Unique, not secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId {
    process: u64,
    number: u64,
}

impl RequestId {
    /// The next id of this process.
    #[must_use]
    pub fn next() -> Self {
        static PROCESS: LazyLock<u64> = LazyLock::new(|| u64::from_ne_bytes(random()) >> 16);
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        Self { process: *PROCESS, number: NUMBER.fetch_add(1, Ordering::Relaxed) }
    }

    /// The value of `request-id`.
    ///
    /// # Panics
    /// Never: hexadecimal digits make a header value.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        HeaderValue::try_from(self.to_string()).expect("hexadecimal digits make a header value")
    }
}

impl fmt::Display for RequestId {
    /// Writes the digits by hand: every request needs an id, and the formatting machinery takes ten times as long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = *b"req_vk_000000000000000000000000";
        let digits = &mut text[PREFIX.len()..];
        let numbers = (u128::from(self.process & NUMBER_MASK) << NUMBER_BITS) | u128::from(self.number & NUMBER_MASK);
        for (place, digit) in digits.iter_mut().rev().enumerate() {
            *digit = b"0123456789abcdef"[usize::try_from((numbers >> (4 * place)) & 0xf).unwrap_or_default()];
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or(PREFIX))
    }
}

const PREFIX: &str = "req_vk_";
const NUMBER_BITS: u32 = 48;
const NUMBER_MASK: u64 = (1 << NUMBER_BITS) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_both_numbers_in_hexadecimal() {
        let id = RequestId { process: 0x0123_4567_89ab, number: 0xff };
        assert_eq!(id.to_string(), "req_vk_0123456789ab0000000000ff");
    }
}
