//! Identity of the sender, which goes around all spans and metrics, and their encoding.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::metrics::v1::{Metric, ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;
use uuid::Uuid;

use super::attributes::text;
use super::conventions::{SCHEMA_URL, SERVICE_INSTANCE, SERVICE_NAME, SERVICE_VERSION};

pub(super) struct OtlpSource {
    resource: Resource,
    scope: InstrumentationScope,
}

impl OtlpSource {
    /// `service` is the service's name. A random id tells the sums of several instances apart.
    pub(super) fn new(service: &str) -> Self {
        let attributes = vec![
            text(SERVICE_NAME, service),
            text(SERVICE_VERSION, VERSION),
            text(SERVICE_INSTANCE, Uuid::now_v7().to_string()),
        ];
        Self {
            resource: Resource { attributes, ..Resource::default() },
            scope: InstrumentationScope {
                name: "valetkey".to_owned(),
                version: VERSION.to_owned(),
                ..InstrumentationScope::default()
            },
        }
    }

    pub(super) fn traces(&self, spans: Vec<Span>) -> Vec<u8> {
        let scope_spans = vec![ScopeSpans { scope: Some(self.scope.clone()), spans, schema_url: SCHEMA_URL.into() }];
        let resource = Some(self.resource.clone());
        let resource_spans = vec![ResourceSpans { resource, scope_spans, schema_url: SCHEMA_URL.into() }];
        ExportTraceServiceRequest { resource_spans }.encode_to_vec()
    }

    pub(super) fn metrics(&self, metrics: Vec<Metric>) -> Vec<u8> {
        let scope_metrics =
            vec![ScopeMetrics { scope: Some(self.scope.clone()), metrics, schema_url: SCHEMA_URL.into() }];
        let resource = Some(self.resource.clone());
        let resource_metrics = vec![ResourceMetrics { resource, scope_metrics, schema_url: SCHEMA_URL.into() }];
        ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
    }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");
