//! Whether the service itself runs here, and how it is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::Value;

use super::Finding;
use super::finding::whole;
use crate::service::config::Config;
use crate::wire::names::{HEALTH_PATH, READY_PATH};

/// Asks the service at `HOST` and `PORT`, and its admin listener.
pub(super) async fn examine(config: &Config, patience: Duration) -> Vec<Finding> {
    let address = config.listen.address;
    if address.port() == 0 {
        return vec![Finding::ok(CHECK, "PORT is 0: where the service runs is not known")];
    }
    let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).tls_certs_only([]);
    let client = match client.timeout(patience).build() {
        Ok(client) => client,
        Err(error) => return vec![Finding::warning(CHECK, whole(&error), "")],
    };
    let here = Here { client, url: url(address) };
    let mut findings = vec![here.health().await];
    if findings[0].verdict == super::Verdict::Ok {
        findings.push(here.readiness().await);
        if config.admin.address.port() != 0 {
            findings.push(Here { url: url(config.admin.address), ..here }.admin().await);
        }
    }
    findings
}

/// A listener of the service.
struct Here {
    client: Client,
    url: String,
}

impl Here {
    async fn health(&self) -> Finding {
        let url = &self.url;
        let (status, body) = match self.get(HEALTH_PATH).await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() => {
                return Finding::warning(CHECK, format!("nothing runs at {url}"), "start it with valetkey serve");
            }
            Err(error) => return Finding::problem(CHECK, format!("{url}: {}", whole(&error)), "restart it"),
        };
        match (&body["status"], &body["version"]) {
            (Value::String(health), Value::String(version)) if status == StatusCode::OK && health == "ok" => {
                Finding::ok(CHECK, format!("valetkey {version} runs at {url}"))
            }
            _ => Finding::problem(CHECK, format!("something else than valetkey runs at {url}"), "choose another PORT"),
        }
    }

    async fn readiness(&self) -> Finding {
        let (status, body) = match self.get(READY_PATH).await {
            Ok(answer) => answer,
            Err(error) => return Finding::problem(READY, whole(&error), "restart it"),
        };
        match body["status"].as_str() {
            Some("ok") if status == StatusCode::OK => Finding::ok(READY, "takes requests"),
            Some("draining") => Finding::warning(READY, "is stopping", ""),
            Some("revocations_unknown") => {
                Finding::problem(READY, "nobody is served: who is revoked is not known", "look at the database")
            }
            _ => Finding::problem(READY, format!("{READY_PATH} is answered with {status}"), "look at the log"),
        }
    }

    async fn admin(&self) -> Finding {
        let url = &self.url;
        match self.get("/metrics").await {
            Ok((StatusCode::OK, _)) => Finding::ok(ADMIN, format!("is at {url}")),
            Ok((status, _)) => {
                Finding::problem(ADMIN, format!("{url}/metrics is answered with {status}"), ADMIN_ADVICE)
            }
            Err(error) => Finding::problem(ADMIN, format!("{url}: {}", whole(&error)), ADMIN_ADVICE),
        }
    }

    /// The status, and the body if it is JSON.
    async fn get(&self, path: &str) -> reqwest::Result<(StatusCode, Value)> {
        let answer = self.client.get(format!("{}{path}", self.url)).send().await?;
        let status = answer.status();
        Ok((status, serde_json::from_slice(&answer.bytes().await?).unwrap_or_default()))
    }
}

/// Where a listener is reached from this machine.
fn url(address: SocketAddr) -> String {
    let host = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(host, address.port()))
}

const CHECK: &str = "service";
const READY: &str = "readiness";
const ADMIN: &str = "admin";
const ADMIN_ADVICE: &str = "is the running service's ADMIN_PORT another one?";
