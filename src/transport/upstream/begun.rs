//! Whether a request may have reached the upstream.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::Request;

/// An extension of a request by which its sender learns whether bytes of it may have been written. As long as none were, the
/// request can go elsewhere: it was not processed (RFC 9110 §9.2.2).
#[derive(Debug, Clone, Default)]
pub struct Begun(Arc<AtomicBool>);

impl Begun {
    /// Whether bytes of the request may have been written.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Tells the sender of `request`, if it wants to know.
    pub(super) fn tell<B>(request: &Request<B>, is_begun: bool) {
        if let Some(Self(begun)) = request.extensions().get() {
            begun.store(is_begun, Ordering::Relaxed);
        }
    }
}
