//! Remembers tokens that were verified, so that a device's next request costs a look-up and no signature.
//!
//! One memory belongs to one worker. A token is found by all of its bytes, never by a part or a short hash of them, and
//! its times are judged again at every use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::auth::Caller;

/// Verified tokens and who they stand for.
#[derive(Default)]
pub(super) struct Admitted(Mutex<HashMap<Box<str>, Arc<Caller>>>);

impl Admitted {
    /// Who this exact token stands for, if it was verified before.
    pub(super) fn find(&self, token: &str) -> Option<Arc<Caller>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }

    /// Remembers a verified token. When there are too many, all are forgotten: each costs one verification again.
    pub(super) fn remember(&self, token: &str, caller: &Arc<Caller>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(token.into(), Arc::clone(caller));
    }
}

/// About 4 MB of tokens and claims.
const MOST: usize = 4096;
