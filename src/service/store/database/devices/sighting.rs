//! Sightings of devices. A device that is not yet in the table comes into it with its first one.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::{Any, Transaction};

use crate::service::store::database::error::StoreError;
use crate::service::store::database::millis;
use crate::service::store::database::row_insert::RowInsert;
use crate::service::store::database::statement::Value;
use crate::wire::DeviceId;

/// One sighting of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceActivity {
    pub device: DeviceId,
    pub at: SystemTime,
    pub org: Option<String>,
    pub user: Option<String>,
}

/// Records sightings by a clock that says `now`, within a transaction. A sighting that lies ahead of `now` counts as one
/// of this moment: the clock was ahead and is right again.
///
/// Rows are written in the order of their ids, so that two transactions with the same devices cannot deadlock.
pub(in crate::service::store::database) async fn see(
    transaction: &mut Transaction<'static, Any>,
    seen: &[DeviceActivity],
    now: SystemTime,
) -> Result<(), StoreError> {
    let seen: Vec<_> = each_once(seen, now).into_values().collect();
    let rows: Vec<_> = seen.iter().map(Sight::values).collect();
    let ahead = [millis::from_time(now + CLOCKS_DIFFER); 3].map(Value::from);
    SEE.run(&mut *transaction, &rows, &ahead).await
}

/// All sightings of one device.
struct Sight<'a> {
    device: &'a DeviceId,
    first: SystemTime,
    last: SystemTime,
    org: Option<&'a str>,
    user: Option<&'a str>,
}

impl Sight<'_> {
    fn values(&self) -> [Value<'_>; 5] {
        let (first, last) = (millis::from_time(self.first), millis::from_time(self.last));
        [self.device.as_str().into(), first.into(), last.into(), self.org.into(), self.user.into()]
    }
}

fn each_once(seen: &[DeviceActivity], now: SystemTime) -> BTreeMap<&DeviceId, Sight<'_>> {
    let mut sights = BTreeMap::new();
    for DeviceActivity { device, at, org, user } in seen {
        let (at, org, user) = (now.min(*at), org.as_deref(), user.as_deref());
        let new = Sight { device, first: at, last: UNIX_EPOCH, org, user };
        let sight = sights.entry(device).or_insert(new);
        sight.first = sight.first.min(at);
        if at >= sight.last {
            *sight = Sight { last: at, org, user, ..*sight };
        }
    }
    sights
}

/// How far the clocks of instances may differ without a sighting of another instance counting as one ahead of time.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60);

/// Usage may come late, from a spill file: the later sighting counts, whichever is written first. One that lies ahead of
/// time, because a clock was ahead, gives way to any other. A device that only an administrator has named was seen at 0.
/// The organisation and the user are those of the last request, which may have none.
const SEE: RowInsert = RowInsert {
    into: "INSERT INTO devices (id, first_seen, last_seen, org, user_name)",
    on_conflict: "ON CONFLICT (id) DO UPDATE SET
    first_seen = CASE WHEN devices.first_seen = 0 OR excluded.first_seen < devices.first_seen
        THEN excluded.first_seen ELSE devices.first_seen END,
    last_seen = CASE WHEN excluded.last_seen >= devices.last_seen OR devices.last_seen > ?
        THEN excluded.last_seen ELSE devices.last_seen END,
    org = CASE WHEN excluded.last_seen >= devices.last_seen OR devices.last_seen > ?
        THEN excluded.org ELSE devices.org END,
    user_name = CASE WHEN excluded.last_seen >= devices.last_seen OR devices.last_seen > ?
        THEN excluded.user_name ELSE devices.user_name END",
};
