//! Times as the database and spilled records hold them: milliseconds since 1970. Also for `#[serde(with = "millis")]`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serializer};

/// Times before 1970 become 0.
pub(super) fn from_time(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, from_duration)
}

pub(super) fn to_time(millis: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or_default())
}

pub(super) fn from_duration(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn serialize<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(from_time(*time))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
    i64::deserialize(deserializer).map(to_time)
}
