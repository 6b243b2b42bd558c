//! Settings of the log, of the OpenTelemetry collector, of Sentry and of core dumps.

use std::io::IsTerminal;

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use sentry::types::Dsn;
use tracing::level_filters::LevelFilter;

use super::{Reader, default};
use crate::service::config::settings;
use crate::service::telemetry::error_reports::SentryConfig;
use crate::service::telemetry::log::LogConfig;
use crate::service::telemetry::otlp::OtlpConfig;
use crate::transport::origin::Origin;

impl Reader<'_> {
    pub(in crate::service::config) fn log(&mut self) -> LogConfig {
        let level = self.value(settings::LOG_LEVEL, |text| {
            text.parse::<LevelFilter>().map_err(|_| format!("{text:?} is none of off, error, warn, info, debug, trace"))
        });
        self.show(settings::LOG_LEVEL, level.to_string());
        let on_terminal = std::io::stderr().is_terminal();
        let formats = [("auto", !on_terminal), ("json", true), ("human", false)];
        LogConfig { level, json: self.choice(settings::LOG_FORMAT, &formats) }
    }

    pub(in crate::service::config) fn otlp(&mut self) -> Option<OtlpConfig> {
        let has_collector = self.given(settings::OTEL_EXPORTER_OTLP_ENDPOINT).is_some();
        let headers = if has_collector { self.collector_headers() } else { HeaderMap::new() };
        let sample_ratio = self.sample_ratio(has_collector);
        // The address may hold a password, so it is not shown.
        let parse = |text: &str| Origin::parse(text).map_err(|error| error.to_string());
        let endpoint = self.optional(settings::OTEL_EXPORTER_OTLP_ENDPOINT, parse)?;
        self.show(settings::OTEL_EXPORTER_OTLP_ENDPOINT, endpoint.as_base_url());
        let service_name = self.text(settings::OTEL_SERVICE_NAME).to_owned();
        Some(OtlpConfig { endpoint, headers, service_name, sample_ratio })
    }

    fn collector_headers(&mut self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (place, item) in self.list(settings::OTEL_EXPORTER_OTLP_HEADERS).into_iter().enumerate() {
            match header(item) {
                Some((name, value)) => {
                    headers.insert(name, value);
                }
                // The text may hold a secret, so it is not shown.
                None => {
                    self.wrong(settings::OTEL_EXPORTER_OTLP_HEADERS, format!("number {} is not name=value", place + 1));
                }
            }
        }
        headers
    }

    /// Without a collector the variable may be meant for another sampler, and is not read.
    fn sample_ratio(&mut self, has_collector: bool) -> f64 {
        let setting = settings::OTEL_TRACES_SAMPLER_ARG;
        let ratio = if has_collector { self.optional(setting, ratio) } else { default(setting, ratio) };
        let ratio = ratio.expect("the setting has a default");
        self.show(setting, ratio);
        ratio
    }

    pub(in crate::service::config) fn core_dumps(&mut self) -> bool {
        self.choice(settings::CORE_DUMPS, &[("on", true), ("off", false)])
    }

    pub(in crate::service::config) fn sentry(&mut self) -> Option<SentryConfig> {
        let parse = |text: &str| text.parse::<Dsn>().map_err(|error| format!("is not a DSN: {error}"));
        let dsn = self.optional(settings::SENTRY_DSN, parse)?;
        Some(SentryConfig { dsn, environment: self.text(settings::SENTRY_ENVIRONMENT).to_owned() })
    }
}

fn ratio(text: &str) -> Result<f64, String> {
    let ratio = text.parse::<f64>().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| format!("{text:?} is not a number from 0 to 1"))
}

/// One header with a percent-encoded value (OpenTelemetry, OTLP exporter configuration).
fn header(item: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = item.split_once('=')?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
    let mut value = HeaderValue::from_str(&percent_decode_str(value.trim()).decode_utf8().ok()?).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}
