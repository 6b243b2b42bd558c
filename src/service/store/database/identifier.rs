//! Ids of rows that have no name of their own. They begin with the time, so they are also the order of making.

use std::sync::{LazyLock, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::{ContextV7, Timestamp, Uuid};

/// The next id at this time: later than every other that this process made at the same time.
pub(super) fn next(now: SystemTime) -> String {
    static CONTEXT: LazyLock<Mutex<ContextV7>> = LazyLock::new(|| Mutex::new(ContextV7::new()));
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    Uuid::new_v7(Timestamp::from_unix(&*CONTEXT, since.as_secs(), since.subsec_nanos())).to_string()
}
