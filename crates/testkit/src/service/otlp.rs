//! The decoded exports that a collector has received.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{HistogramDataPoint, ResourceMetrics};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use prost::Message;
use serde_json::{Value, json};

use crate::service::intake::Intake;

/// All spans that have come.
pub fn spans(collector: &Intake) -> Vec<Span> {
    let scopes = traces(collector).into_iter().flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

/// All traces that have come, with their resources and scopes.
pub fn traces(collector: &Intake) -> Vec<ResourceSpans> {
    let bodies = collector.posts().into_iter().filter(|post| post.path.ends_with("/v1/traces"));
    bodies.flat_map(|post| ExportTraceServiceRequest::decode(post.body).unwrap().resource_spans).collect()
}

/// The series of one metric in the last export.
pub fn series(collector: &Intake, name: &str) -> Vec<HistogramDataPoint> {
    let metrics = last_metrics(collector).into_iter().flat_map(|resource| resource.scope_metrics);
    let mut named = metrics.flat_map(|scope| scope.metrics).filter(|metric| metric.name == name);
    match named.next().and_then(|metric| metric.data) {
        Some(Data::Histogram(histogram)) => histogram.data_points,
        None => Vec::new(),
        other => panic!("{name}: {other:?}"),
    }
}

fn last_metrics(collector: &Intake) -> Vec<ResourceMetrics> {
    let mut posts = collector.posts().into_iter().filter(|post| post.path.ends_with("/v1/metrics"));
    let last = posts.next_back().expect("metrics have come");
    ExportMetricsServiceRequest::decode(last.body).unwrap().resource_metrics
}

/// One attribute; null when there is none.
pub fn attribute(attributes: &[KeyValue], key: &str) -> Value {
    let mut named = attributes.iter().filter(|attribute| attribute.key == key);
    let value = named.next().and_then(|attribute| attribute.value.as_ref()).and_then(|value| value.value.as_ref());
    assert!(named.next().is_none(), "{key} is there twice");
    match value {
        None => Value::Null,
        Some(Any::StringValue(text)) => json!(text),
        Some(Any::IntValue(number)) => json!(number),
        Some(Any::DoubleValue(number)) => json!(number),
        Some(Any::BoolValue(is_so)) => json!(is_so),
        Some(other) => panic!("{key}: {other:?}"),
    }
}
