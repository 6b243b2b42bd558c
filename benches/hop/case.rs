//! The four loads that are measured.

use crate::body;

/// One kind of request and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Case {
    /// A short request, a short JSON answer.
    Small,
    /// The first request of a coding agent, a short JSON answer.
    Large,
    /// All events of a stream at once, as an upstream sends them that is faster than the network.
    Burst,
    /// Many open streams with a pause between events, as models write.
    Spaced,
}

impl Case {
    /// In the order of the report.
    pub const ALL: [Self; 4] = [Self::Small, Self::Large, Self::Burst, Self::Spaced];

    /// Its name on the command line and in the JSON report.
    pub fn key(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Large => "large",
            Self::Burst => "burst",
            Self::Spaced => "spaced",
        }
    }

    /// The most CPU time that the service may use, as a multiple of nginx. The goal is 1 for every case, although nginx
    /// does neither tokens nor metering.
    pub fn bar(self) -> f64 {
        match self {
            Self::Small => 1.5,
            Self::Large | Self::Spaced => 1.1,
            Self::Burst => 1.8,
        }
    }

    /// Its name in the table.
    pub fn title(self) -> &'static str {
        match self {
            Self::Small => "small JSON",
            Self::Large => "76 kB request",
            Self::Burst => "SSE in one burst",
            Self::Spaced => "SSE with 10 ms between events",
        }
    }

    /// The unit that is counted: an event or a request.
    pub fn unit(self) -> &'static str {
        if self.is_stream() { "event" } else { "request" }
    }

    /// The body to send.
    pub fn body(self) -> Vec<u8> {
        match self {
            Self::Small => body::small("stand-in-small", false),
            Self::Large => body::large("stand-in-small"),
            Self::Burst => body::small("stand-in-burst", true),
            Self::Spaced => body::small("stand-in-spaced", true),
        }
    }

    /// Whether the answer is an event stream.
    pub fn is_stream(self) -> bool {
        matches!(self, Self::Burst | Self::Spaced)
    }

    /// Events in one answer, or the one answer.
    pub fn units(self) -> usize {
        if self.is_stream() { EVENTS } else { 1 }
    }

    /// Requests that each connection makes before a measurement, so that pools are full and pages are touched.
    pub fn warm_up(self) -> usize {
        if self == Self::Spaced { 1 } else { 10 }
    }
}

/// The number of events that the stand-in sends in a stream.
pub const EVENTS: usize = 55;
