//! Devices, divided into a fixed number of shares: as good as counting each device, in a memory that devices cannot
//! fill. A device is always in the same share; which one cannot be foreseen, so nobody can be joined on purpose.

use std::hash::{BuildHasher, RandomState};

use crate::wire::DeviceId;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share(usize);

impl Share {
    pub(super) fn of(device: &DeviceId, shares: &RandomState) -> Self {
        let hash = shares.hash_one(device) % SHARES as u64;
        Self(usize::try_from(hash).unwrap_or(0))
    }

    pub(super) fn index(self) -> usize {
        self.0
    }
}

pub(super) const SHARES: usize = 32;
