//! Settings of the OpenTelemetry collector and of Sentry.

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use sentry::types::Dsn;

use super::{Reader, list, set};
use crate::service::config::Flags;
use crate::service::telemetry::error_reports::SentryConfig;
use crate::service::telemetry::otlp::OtlpConfig;
use crate::transport::origin::Origin;

impl Reader {
    pub(in crate::service::config) fn otlp(&mut self, flags: &Flags) -> Option<OtlpConfig> {
        let address = set(flags.otel_exporter_otlp_endpoint.as_deref())?;
        let headers = self.collector_headers(flags);
        let sample_ratio = self.sample_ratio(flags);
        // The address may hold a password, so it is not shown.
        let endpoint = Origin::parse(address).map_err(|error| self.wrong(ENDPOINT, error.to_string())).ok()?;
        let service_name = set(flags.otel_service_name.as_deref()).unwrap_or("valetkey").to_owned();
        Some(OtlpConfig { endpoint, headers, service_name, sample_ratio })
    }

    fn collector_headers(&mut self, flags: &Flags) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (place, item) in list(flags.otel_exporter_otlp_headers.as_deref()).iter().enumerate() {
            match header(item) {
                Some((name, value)) => {
                    headers.insert(name, value);
                }
                // The text may hold a secret, so it is not shown.
                None => self.wrong(HEADERS, format!("number {} is not name=value", place + 1)),
            }
        }
        headers
    }

    fn sample_ratio(&mut self, flags: &Flags) -> f64 {
        let Some(text) = set(flags.otel_traces_sampler_arg.as_deref()) else { return 1.0 };
        let sample_ratio = text.parse::<f64>().ok().filter(|sample_ratio| (0.0..=1.0).contains(sample_ratio));
        sample_ratio.unwrap_or_else(|| {
            self.wrong("OTEL_TRACES_SAMPLER_ARG", format!("{text:?} is not a number from 0 to 1"));
            1.0
        })
    }

    pub(in crate::service::config) fn sentry(&mut self, flags: &Flags) -> Option<SentryConfig> {
        let text = set(flags.sentry_dsn.as_deref())?;
        let dsn =
            text.parse::<Dsn>().map_err(|error| self.wrong("SENTRY_DSN", format!("is not a DSN: {error}"))).ok()?;
        let environment = set(flags.sentry_environment.as_deref()).unwrap_or("production").to_owned();
        Some(SentryConfig { dsn, environment })
    }
}

/// One header with a percent-encoded value (OpenTelemetry, OTLP exporter configuration).
fn header(item: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = item.split_once('=')?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
    let mut value = HeaderValue::from_str(&percent_decode_str(value.trim()).decode_utf8().ok()?).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
