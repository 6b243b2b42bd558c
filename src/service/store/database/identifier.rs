//! Ids of rows without a name of their own. They begin with the time, so they sort by age.

use std::sync::{LazyLock, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::{ContextV7, Timestamp, Uuid};

/// Every id is later than the others that this process made for the same time.
pub(super) fn next(now: SystemTime) -> String {
    static CONTEXT: LazyLock<Mutex<ContextV7>> = LazyLock::new(|| Mutex::new(ContextV7::new()));
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    Uuid::new_v7(Timestamp::from_unix(&*CONTEXT, since.as_secs(), since.subsec_nanos())).to_string()
}
