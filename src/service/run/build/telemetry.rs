//! The sinks of usage records: log, metrics, OpenTelemetry collector, database.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::clock::Clock;
use crate::service::config::Config;
use crate::service::meter::prices::Prices;
use crate::service::meter::usage::{UsageSink, UsageSinks};
use crate::service::run::start_error::StartError;
use crate::service::store::database::UsageWriter;
use crate::service::telemetry::metrics::{RequestMetrics, UnpricedModels};
use crate::service::telemetry::otlp::{Otlp, OtlpSettings};

pub(super) struct Telemetry {
    pub metrics: Arc<RequestMetrics>,
    pub unpriced: Arc<UnpricedModels>,
    /// `None` without a collector.
    pub otlp: Option<Arc<Otlp>>,
    /// All sinks, with the database.
    pub sink: Arc<dyn UsageSink>,
    /// All sinks but the database.
    pub sink_beside_database: Arc<dyn UsageSink>,
}

impl Telemetry {
    pub(super) fn build(
        config: &Config,
        log: Arc<dyn UsageSink>,
        database: &Arc<UsageWriter>,
        prices: &Arc<ArcSwap<Prices>>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let metrics = Arc::new(RequestMetrics::default());
        let unpriced = Arc::new(UnpricedModels::new(Arc::clone(prices)));
        let start = |to| Otlp::start(to, &config.upstream.origin, OtlpSettings::default(), Arc::clone(clock));
        let otlp = config.otlp.as_ref().map(start).transpose()?.map(Arc::new);
        let to_otlp = otlp.as_ref().map(|otlp| Arc::clone(otlp) as _);
        let own: [Arc<dyn UsageSink>; 3] = [log, Arc::clone(&metrics) as _, Arc::clone(&unpriced) as _];
        let beside: Vec<Arc<dyn UsageSink>> = own.into_iter().chain(to_otlp).collect();
        let all = beside.iter().cloned().chain([Arc::clone(database) as _]).collect();
        let (sink, beside) = (Arc::new(UsageSinks::new(all)), Arc::new(UsageSinks::new(beside)));
        Ok(Self { metrics, unpriced, otlp, sink, sink_beside_database: beside })
    }
}
