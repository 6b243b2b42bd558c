//! The metrics of the service, served to Prometheus as OpenMetrics text.
//!
//! Each part counts for itself and is a [`MetricSource`] of the [`MetricsPage`]; [`RequestMetrics`] are the counts of
//! requests. Labels have a fixed set of values; a name that a client chooses never becomes a label.

mod collector;
mod counters;
mod requests;
mod unpriced_models;

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use self::collector::SourceCollector;
pub(crate) use self::collector::{FamilyEncoder, MetricSource};
pub(crate) use self::counters::{Counters, Labels, counters};
pub use self::requests::RequestMetrics;
pub use self::unpriced_models::UnpricedModels;

/// The page of all parts.
pub(crate) struct MetricsPage(Registry);

impl MetricsPage {
    /// A page with the start time and the version: they show restarts and mixed versions.
    pub(crate) fn starting_now() -> Self {
        let mut registry = Registry::with_prefix("valetkey");
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let started = ConstGauge::new(since.as_secs());
        registry.register_with_unit("start_time", "When the process began, in Unix time", Unit::Seconds, started);
        registry.register("build", "What is running", Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]));
        Self(registry)
    }

    /// Adds a part, of which clones share the counts.
    pub(crate) fn with(mut self, source: &(impl MetricSource + Clone)) -> Self {
        self.0.register_collector(Box::new(SourceCollector(source.clone())));
        self
    }

    pub(crate) fn text(&self) -> String {
        let mut page = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut page, &self.0);
        page
    }
}

/// Media type of OpenMetrics 1.0.
pub(crate) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
