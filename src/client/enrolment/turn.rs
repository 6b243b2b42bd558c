//! The turns of the app's processes, and what one takes over from another.

use std::time::Duration;

use super::Enrolment;
use crate::client::credential::{Freshness, Issued, WrapperToken};
use crate::client::renewal::Wanted;
use crate::client::renewal_lock::HeldLock;
use crate::client::status::{Level, Storage};

impl Enrolment {
    /// Waits until no other process of the app renews the token, if it is stored where they find it.
    pub(super) async fn turn(&self) -> Option<HeldLock> {
        match self.session.status().storage {
            Storage::Keychain => self.store.turn().await,
            Storage::Memory => None,
        }
    }

    /// Puts the token in use that another process of the app has stored meanwhile, if it is one that is `wanted`.
    pub(super) async fn take_over(&self, wanted: Wanted) -> bool {
        if wanted == Wanted::New || self.session.status().storage == Storage::Memory {
            return false;
        }
        let device = self.identity.device(&self.ids);
        let stored = self.store.token_of(&device.id, self.clock.now()).await;
        let stored = stored.unwrap_or_else(|error| {
            self.session.keychain_failed(error);
            None
        });
        let Some(token) = stored.filter(|token| self.is_wanted(token, wanted)) else { return false };
        self.session.log(Level::Debug, "Another process of the app has renewed the token");
        // That process has learnt with it where requests go now.
        self.failover.restore(&token);
        self.session.install(Issued { token, clock_skew_ms: None });
        true
    }

    fn is_wanted(&self, stored: &WrapperToken, wanted: Wanted) -> bool {
        let in_use = self.session.token();
        let is_other = in_use.as_ref().is_none_or(|token| !token.token.matches(stored.token.expose().as_bytes()));
        let is_good = match wanted {
            Wanted::Fresh => self.session.freshness(stored) == Freshness::Fresh,
            // An older one would be rejected, too. Stored times have whole seconds.
            Wanted::Other => in_use.is_none_or(|token| stored.received_at + SECOND > token.received_at),
            Wanted::New => false,
        };
        is_other && is_good && self.is_usable(stored)
    }
}

const SECOND: Duration = Duration::from_secs(1);
