//! The parts that others are built on.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::govern::Govern;
use super::telemetry::Telemetry;
use super::tokens::Tokens;
use crate::clock::Clock;
use crate::service::govern::leak::Leaks;
use crate::service::meter::prices::Prices;
use crate::service::run::background::Opened;
use crate::service::telemetry::error_reports::ErrorReports;

pub(super) struct ServiceParts {
    pub clock: Arc<dyn Clock>,
    pub prices: Arc<ArcSwap<Prices>>,
    pub tokens: Tokens,
    pub govern: Govern,
    pub leaks: Arc<Leaks>,
    pub opened: Opened,
    pub telemetry: Telemetry,
    /// Reports of the service's own errors.
    pub reports: Option<Arc<ErrorReports>>,
}
