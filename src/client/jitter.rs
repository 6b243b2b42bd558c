//! Chance, which keeps the devices of a fleet out of step.

use crate::random::random;

/// A random number from 0 to 1.
#[must_use]
pub(super) fn random_fraction() -> f64 {
    f64::from(u32::from_ne_bytes(random())) / f64::from(u32::MAX)
}
