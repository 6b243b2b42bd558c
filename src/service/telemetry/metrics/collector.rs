//! The way of a part's counts onto the page of metrics.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// A part of the service that counts something. Each scrape reads the part's own counts; there is no copy of them.
pub(crate) trait MetricSource: Send + Sync + 'static {
    /// Writes the families of the part. Fails only when the page cannot be written.
    fn collect(&self, page: &mut FamilyEncoder<'_>) -> fmt::Result;
}

impl<T: MetricSource> MetricSource for Arc<T> {
    fn collect(&self, page: &mut FamilyEncoder<'_>) -> fmt::Result {
        T::collect(self, page)
    }
}

/// A part that is switched off has no families.
impl<T: MetricSource> MetricSource for Option<T> {
    fn collect(&self, page: &mut FamilyEncoder<'_>) -> fmt::Result {
        self.as_ref().map_or(Ok(()), |part| part.collect(page))
    }
}

/// Writes families with their series. The registry puts its prefix before each name, `_total` stands after the names of
/// counters, and a full stop after each help text.
pub(crate) struct FamilyEncoder<'a>(DescriptorEncoder<'a>);

impl FamilyEncoder<'_> {
    pub(crate) fn counter(&mut self, name: &str, help: &str, count: u64) -> fmt::Result {
        self.metric(name, help, &ConstCounter::new(count))
    }

    /// Counters that differ in the value of `label`.
    pub(crate) fn counters<'s>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        series: impl IntoIterator<Item = (&'s str, u64)>,
    ) -> fmt::Result {
        let counters = series.into_iter().map(|(value, count)| ([(label, value)], ConstCounter::new(count)));
        self.family(name, help, counters)
    }

    pub(crate) fn gauge(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> fmt::Result {
        self.metric(name, help, &ConstGauge::new(value))
    }

    pub(crate) fn family<L: EncodeLabelSet, M: EncodeMetric + TypedMetric>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (L, M)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, &sentence(help), None, M::TYPE)?;
        for (labels, metric) in series {
            metric.encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    pub(crate) fn metric(&mut self, name: &str, help: &str, metric: &impl EncodeMetric) -> fmt::Result {
        metric.encode(self.0.encode_descriptor(name, &sentence(help), None, metric.metric_type())?)
    }

    /// As [`metric`](Self::metric), for a duration.
    pub(crate) fn seconds(&mut self, name: &str, help: &str, metric: &impl EncodeMetric) -> fmt::Result {
        metric.encode(self.0.encode_descriptor(name, &sentence(help), Some(&Unit::Seconds), metric.metric_type())?)
    }
}

fn sentence(help: &str) -> String {
    format!("{help}.")
}

/// The [`Collector`] of a source. A collector has to implement [`fmt::Debug`], which parts that hold secrets do not.
pub(super) struct SourceCollector<T>(pub(super) T);

impl<T> fmt::Debug for SourceCollector<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::any::type_name::<T>())
    }
}

impl<T: MetricSource> Collector for SourceCollector<T> {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.collect(&mut FamilyEncoder(encoder))
    }
}
