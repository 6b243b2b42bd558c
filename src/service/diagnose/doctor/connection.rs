//! Checks whether the upstream can be reached: TCP, a proxy in between, TLS.

use std::io;

use tokio::time::Instant;

use super::finding::whole;
use super::{Finding, certificate};
use crate::clock::Clock;
use crate::service::relay::key_swap::UpstreamConfig;
use crate::transport::connect::{ConnectError, Connector};

/// Connects once. The connector has its own timeout.
pub(super) async fn examine(config: &UpstreamConfig, connector: &Connector, clock: &dyn Clock) -> Vec<Finding> {
    let (began, url) = (Instant::now(), config.origin.as_base_url());
    let connection = match connector.connect().await {
        Ok(connection) => connection,
        Err(error) => return vec![Finding::problem(CHECK, format!("{url}: {}", whole(&error)), advice(&error))],
    };
    let way = if connector.is_proxied() { ", through a proxy" } else { "" };
    let version = if connection.is_http2 { "HTTP/2" } else { "HTTP/1.1" };
    let mut findings = vec![Finding::ok(CHECK, format!("{url} in {} ms, {version}{way}", began.elapsed().as_millis()))];
    if config.origin.is_tls() {
        findings.push(certificate::examine(config, connection.certificates(), clock));
    }
    findings
}

fn advice(error: &ConnectError) -> &'static str {
    match error {
        ConnectError::Reach(_) => {
            "look at ANTHROPIC_BASE_URL, the firewall and the proxy variables (HTTPS_PROXY, NO_PROXY)"
        }
        ConnectError::Timeout(_) => "a firewall may be dropping packets; a proxy may be needed (HTTPS_PROXY)",
        ConnectError::Tls(error) => tls_of(error).map_or(NO_TLS, certificate::advice),
    }
}

fn tls_of(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|error| error.downcast_ref())
}

pub(super) const CHECK: &str = "connection";
const NO_TLS: &str = "is this port for TLS? ANTHROPIC_BASE_URL begins with https";
