//! The size of a run.

use crate::case::Case;

/// The counts of a run. All loads are bounded by count, not by time, so that every round does the same work.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// Rounds of each contestant for each case.
    pub rounds: usize,
    /// Connections that are busy at once.
    busy: usize,
    small: usize,
    large: usize,
    burst: usize,
    /// Streams that are open at once.
    streams: usize,
    /// Streams one after another on each connection.
    waves: usize,
    /// Single requests to each contestant for the latency.
    pub singles: usize,
    /// Whether a missed bar fails the run.
    pub enforces_bars: bool,
}

impl Scale {
    /// A run whose numbers mean something; about three minutes.
    pub const FULL: Self = Self {
        rounds: 7,
        busy: 32,
        small: 20_000,
        large: 5_000,
        burst: 2_000,
        streams: 200,
        waves: 2,
        singles: 1_500,
        enforces_bars: true,
    };

    /// Only shows that everything works.
    pub const QUICK: Self = Self {
        rounds: 1,
        busy: 32,
        small: 320,
        large: 96,
        burst: 96,
        streams: 20,
        waves: 1,
        singles: 20,
        enforces_bars: false,
    };

    /// This scale with fewer connections and half as many requests. Redis has a few milliseconds for a decision, which
    /// is too little where more processes than cores are busy without a pause.
    pub fn calmer(self) -> Self {
        Self { busy: CALM, small: self.small / 2, ..self }
    }

    /// Connections that are busy at once.
    pub fn connections(&self, case: Case) -> usize {
        match case {
            Case::Small | Case::Large | Case::Burst => self.busy,
            Case::Spaced => self.streams,
        }
    }

    /// Requests of one round, over all connections.
    pub fn requests(&self, case: Case) -> usize {
        match case {
            Case::Small => self.small,
            Case::Large => self.large,
            Case::Burst => self.burst,
            Case::Spaced => self.streams * self.waves,
        }
    }
}

const CALM: usize = 8;
