//! The settings that `/admin/config` shows.

use serde::{Serialize, Serializer};
use serde_json::Value;

/// The settings in force by name, without secrets. In JSON they keep their order.
#[derive(Debug, Clone, Default)]
pub struct SettingsInForce(pub Vec<(&'static str, Value)>);

impl Serialize for SettingsInForce {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}
