//! What was spent, for budgets.

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::service::meter::money::MicroDollars;
use crate::service::store::database::column;
use crate::service::store::database::error::StoreError;
use crate::wire::DeviceId;

/// What a device has spent with one user and one organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Costs {
    /// The device.
    pub device: DeviceId,
    /// Its user, where requests have one.
    pub user: Option<String>,
    /// Its organisation, where requests have one.
    pub org: Option<String>,
    /// The sum of those requests that have a price.
    pub sum: MicroDollars,
}

impl Costs {
    pub(super) fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            device: column::parsed(row, "device", |id| DeviceId::parse(id).ok())?,
            user: row.try_get("user_name")?,
            org: row.try_get("org")?,
            sum: MicroDollars::new(column::number(row, "cost")?),
        })
    }
}

/// PostgreSQL's sum of whole numbers is no whole number.
pub(super) const SELECT: &str = "SELECT device, user_name, org, CAST(SUM(cost_microusd) AS BIGINT) AS cost \
    FROM usage_records WHERE cost_microusd > 0 AND finished_at >= ";

pub(super) const GROUPED: &str = " GROUP BY 1, 2, 3";
