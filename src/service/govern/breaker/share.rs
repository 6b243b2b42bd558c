//! Divides devices into a fixed number of shares: as good as counting each device, in memory that devices cannot fill.
//! A device is always in the same share. The share cannot be foreseen, so a client cannot join another device's share
//! on purpose.

use std::hash::{BuildHasher, RandomState};

use crate::wire::DeviceId;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DeviceShare(usize);

impl DeviceShare {
    pub(super) fn of(device: &DeviceId, shares: &RandomState) -> Self {
        let hash = shares.hash_one(device) % SHARES as u64;
        Self(usize::try_from(hash).unwrap_or(0))
    }

    pub(super) fn index(self) -> usize {
        self.0
    }
}

pub(super) const SHARES: usize = 32;
