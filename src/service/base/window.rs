//! A sliding window: a ring of 65 slots, each a 64th of the window long. The limiter and the enrolment limits count
//! with it.
//!
//! A slot counts until the window has passed since its *end*. So the count is never less than what happened in the
//! window, from whichever moment one looks back, and an amount is forgotten at most a 64th of the window late.

use std::time::Duration;

/// Times are nanoseconds since a moment of the caller's choice.
#[derive(Default)]
pub(crate) struct SlidingWindow {
    /// By slot number modulo [`KEPT`]; allocated at the first use.
    slots: Option<Box<[u32; KEPT]>>,
    total: u64,
    /// A slot's length; zero before the first use.
    width: u64,
    /// The number of the newest slot.
    latest: u64,
}

/// The slot that an amount was added to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    number: u64,
    width: u64,
}

impl SlidingWindow {
    /// Forgets the amounts that have left the window of this length by `now`. A `now` before the last one counts as the
    /// last one.
    pub(crate) fn advance(&mut self, now: u64, length: Duration) {
        let length = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        let width = length.div_ceil(SLOTS).max(1);
        if width != self.width {
            self.resize(now, width);
        }
        let present = now / width;
        let passed = present.saturating_sub(self.latest);
        if passed == 0 {
            return;
        }
        if let Some(slots) = &mut self.slots {
            for number in 1..=passed.min(KEPT as u64) {
                let slot = &mut slots[index(self.latest + number)];
                self.total -= u64::from(*slot);
                *slot = 0;
            }
        }
        self.latest = present;
    }

    /// Adds to the newest slot. One slot holds up to 2³² − 1.
    pub(crate) fn add(&mut self, amount: u64) -> Slot {
        let slot = &mut self.slots.get_or_insert_with(|| Box::new([0; KEPT]))[index(self.latest)];
        let added = u32::try_from(amount).unwrap_or(u32::MAX).min(u32::MAX - *slot);
        *slot += added;
        self.total += u64::from(added);
        Slot { number: self.latest, width: self.width }
    }

    /// Takes 1 back from `slot`, unless the slot is forgotten already.
    pub(crate) fn take_back(&mut self, slot: Slot) {
        let is_kept = slot.width == self.width && self.latest - slot.number < KEPT as u64;
        if let (true, Some(slots)) = (is_kept, &mut self.slots) {
            let count = &mut slots[index(slot.number)];
            let taken = (*count).min(1);
            *count -= taken;
            self.total -= u64::from(taken);
        }
    }

    /// The sum of all amounts in the window.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// How long after `now` the sum will be below `limit`; `None` when it is so already.
    pub(crate) fn wait(&self, now: u64, limit: u64) -> Option<Duration> {
        let mut excess = (self.total + 1).checked_sub(limit).filter(|&excess| excess > 0)?;
        let slots = self.slots.as_ref()?;
        let oldest = self.latest.saturating_sub(SLOTS);
        for number in oldest..=self.latest {
            let gone = u64::from(slots[index(number)]);
            if gone >= excess {
                let left = number.saturating_add(KEPT as u64).saturating_mul(self.width).saturating_sub(now);
                return Some(Duration::from_nanos(left));
            }
            excess -= gone;
        }
        None
    }

    /// Whether all amounts have left the window by `now`.
    pub(crate) fn is_over(&self, now: u64) -> bool {
        self.total == 0 || now / self.width.max(1) >= self.latest.saturating_add(KEPT as u64)
    }

    /// Counts all amounts from `now` on: the old slots say too little about their times.
    fn resize(&mut self, now: u64, width: u64) {
        let total = std::mem::take(&mut self.total);
        self.slots = None;
        self.width = width;
        self.latest = now / width;
        if total > 0 {
            self.add(total);
        }
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number % KEPT as u64).expect("it is below the number of slots")
}

const SLOTS: u64 = 64;

/// The slots of a window, and the one that has only begun.
const KEPT: usize = 65;

#[cfg(test)]
mod tests;
