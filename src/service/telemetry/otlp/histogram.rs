//! One metric: a histogram per set of labels, since the start.

use std::borrow::Cow;
use std::collections::HashMap;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Histogram as Points, HistogramDataPoint as Point, Metric,
};

use super::attributes::{flag, text};
use super::conventions as names;

/// Name and bucket bounds of a histogram. A value equal to a bound counts in the bucket below it.
pub(super) struct Definition {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) unit: &'static str,
    pub(super) bounds: &'static [f64],
}

/// The labels that tell the series of a histogram apart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Labels {
    pub(super) asked: Option<Box<str>>,
    pub(super) answered: Option<Box<str>>,
    pub(super) tokens: Option<&'static str>,
    pub(super) error: Option<Cow<'static, str>>,
    /// This series stands for all that found no room.
    pub(super) is_overflow: bool,
}

pub(super) struct Histogram {
    definition: &'static Definition,
    series: HashMap<Labels, Series>,
}

/// The values of one series.
struct Series {
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
    buckets: Vec<u64>,
}

impl Histogram {
    pub(super) fn new(definition: &'static Definition) -> Self {
        Self { definition, series: HashMap::new() }
    }

    pub(super) fn add(&mut self, labels: Labels, value: f64) {
        let bounds = self.definition.bounds;
        let fits = self.series.len() < MOST_SERIES || self.series.contains_key(&labels);
        let labels = if fits { labels } else { Labels { is_overflow: true, ..Labels::default() } };
        let seen = self.series.entry(labels).or_insert_with(|| Series::nothing(bounds));
        seen.count += 1;
        seen.sum += value;
        seen.min = seen.min.min(value);
        seen.max = seen.max.max(value);
        seen.buckets[bounds.partition_point(|bound| *bound < value)] += 1;
    }

    /// The histogram as OTLP; `None` when it has no values. `common` is on every series; `from` and `to` are in
    /// nanoseconds.
    pub(super) fn metric(&self, common: &[KeyValue], from: u64, to: u64) -> Option<Metric> {
        if self.series.is_empty() {
            return None;
        }
        let point = |(labels, seen): (&Labels, &Series)| Point {
            attributes: common.iter().cloned().chain(labels.attributes()).collect(),
            start_time_unix_nano: from,
            time_unix_nano: to,
            count: seen.count,
            sum: Some(seen.sum),
            bucket_counts: seen.buckets.clone(),
            explicit_bounds: self.definition.bounds.to_vec(),
            min: Some(seen.min),
            max: Some(seen.max),
            ..Point::default()
        };
        let points = Points {
            data_points: self.series.iter().map(point).collect(),
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
        };
        Some(Metric {
            name: self.definition.name.to_owned(),
            description: self.definition.description.to_owned(),
            unit: self.definition.unit.to_owned(),
            data: Some(Data::Histogram(points)),
            ..Metric::default()
        })
    }
}

impl Labels {
    fn attributes(&self) -> impl Iterator<Item = KeyValue> {
        [
            self.asked.as_deref().map(|model| text(names::MODEL_ASKED, model)),
            self.answered.as_deref().map(|model| text(names::MODEL_ANSWERED, model)),
            self.tokens.map(|tokens| text(names::TOKEN_TYPE, tokens)),
            self.error.as_deref().map(|error| text(names::ERROR_TYPE, error)),
            self.is_overflow.then(|| flag(names::OVERFLOW)),
        ]
        .into_iter()
        .flatten()
    }
}

impl Series {
    fn nothing(bounds: &[f64]) -> Self {
        Self { count: 0, sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY, buckets: vec![0; bounds.len() + 1] }
    }
}

/// Further series count together in one overflow series.
const MOST_SERIES: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    static DEFINITION: Definition =
        Definition { name: "a.metric", description: "For a test", unit: "s", bounds: &[1.0, 2.0] };

    fn points(histogram: &Histogram) -> Vec<Point> {
        match histogram.metric(&[], 1, 2).unwrap().data {
            Some(Data::Histogram(points)) => points.data_points,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_value_that_is_a_bound_is_in_the_bucket_below() {
        let mut histogram = Histogram::new(&DEFINITION);
        assert_eq!(histogram.metric(&[], 1, 2), None);
        for value in [0.5, 1.0, 1.5, 2.0, 9.0] {
            histogram.add(Labels::default(), value);
        }
        let point = &points(&histogram)[0];
        assert_eq!((point.bucket_counts.as_slice(), point.count), (&[2, 2, 1][..], 5));
        assert_eq!((point.sum, point.min, point.max), (Some(14.0), Some(0.5), Some(9.0)));
        assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (1, 2));
    }

    #[test]
    fn a_flood_of_labels_ends_in_one_series() {
        let mut histogram = Histogram::new(&DEFINITION);
        for number in 0..2 * MOST_SERIES {
            histogram.add(Labels { error: Some(number.to_string().into()), ..Labels::default() }, 1.0);
        }
        let points = points(&histogram);
        assert_eq!(points.len(), MOST_SERIES + 1);
        let overflow: Vec<_> = points.iter().filter(|point| point.count > 1).collect();
        assert_eq!((overflow.len(), overflow[0].count), (1, MOST_SERIES as u64));
        assert_eq!(overflow[0].attributes, [flag(names::OVERFLOW)]);
    }
}
