//! Sums of costs, from which budgets learn what was spent.

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::service::meter::money::MicroDollars;
use crate::service::store::database::column;
use crate::service::store::database::error::StoreError;
use crate::wire::DeviceId;

/// The costs of a device's requests under one user and one organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Costs {
    pub device: DeviceId,
    /// `None` sums up requests without a user; `org` does so too.
    pub user: Option<String>,
    pub org: Option<String>,
    /// Requests without a price are left out.
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

/// PostgreSQL's sum of whole numbers is not a whole number.
pub(super) const SELECT: &str = "SELECT device, user_name, org, CAST(SUM(cost_microusd) AS BIGINT) AS cost \
    FROM usage_records WHERE cost_microusd > 0 AND finished_at >= ";

pub(super) const GROUPED: &str = " GROUP BY 1, 2, 3";
