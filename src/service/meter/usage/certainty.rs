//! How sure the cost of a request is.

use serde::{Deserialize, Serialize};

use crate::service::base::enum_names::enum_names;

/// The later value is the less certain one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CostCertainty {
    /// The upstream said all that decides the cost, and the price list has it; or the request costs nothing.
    Exact,
    /// Something that decides the cost was assumed.
    Estimated,
    /// The upstream may charge for the request and never said what it used. A cost on record is then the least that it
    /// can be: that of the text that passed.
    Unknown,
}

enum_names!(CostCertainty { Exact = "exact", Estimated = "estimated", Unknown = "unknown" });
