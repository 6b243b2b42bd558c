//! When a circuit opens, and for how long.

use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// How far back requests count.
    pub window: Duration,
    /// Fewer requests than this within the window decide nothing.
    pub least_volume: u32,
    /// A circuit opens when more than this percentage failed.
    pub most_failures: u32,
    /// How long a circuit stays open before a probe, and how long a probe may take before there is another.
    pub pause: Duration,
    /// The most models with a circuit of their own.
    pub most_models: usize,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(60),
            least_volume: 20,
            most_failures: 50,
            pause: Duration::from_secs(10),
            most_models: 64,
        }
    }
}
