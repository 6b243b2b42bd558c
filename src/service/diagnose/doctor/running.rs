//! Checks whether the service runs on this machine, and its state.

use std::error::Error;
use std::io;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;

use super::Finding;
use super::finding::whole;
use crate::service::admin::api;
use crate::service::config::Config;
use crate::service::diagnose::here::Here;
use crate::wire::names::{HEALTH_PATH, READY_PATH};

/// Asks the service at `HOST` and `PORT`, and its admin listener.
pub(super) async fn examine(config: &Config, patience: Duration) -> Vec<Finding> {
    let address = config.listen.address;
    if address.port() == 0 {
        return vec![Finding::ok(CHECK, "PORT is 0: where the service runs is not known")];
    }
    let here = match Here::at(address, config.tls.is_some(), patience) {
        Ok(here) => here,
        Err(error) => return vec![Finding::warning(CHECK, whole(&error), "")],
    };
    let mut findings = vec![here.health().await];
    if findings[0].verdict == super::Verdict::Ok {
        findings.push(here.readiness().await);
        if config.admin.address.port() != 0 {
            let address = config.admin.address;
            let is_tls = config.tls.is_some() && api::speaks_tls_at(address);
            findings.push(here.beside(address, is_tls).admin().await);
        }
    }
    findings
}

impl Here {
    async fn health(&self) -> Finding {
        let url = &self.url;
        let (status, body) = match self.get(HEALTH_PATH).await {
            Ok(answer) => answer,
            Err(error) if speaks_no_tls(&error) => {
                let found = format!("what runs at {url} speaks no TLS, and TLS_CERT_FILE is set: {}", whole(&error));
                return Finding::problem(CHECK, found, "restart it; or choose another PORT");
            }
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
        match self.get(READY_PATH).await {
            Ok((status, body)) => judge_readiness(status, body["status"].as_str()),
            Err(error) => Finding::problem(READY, whole(&error), "restart it"),
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
}

fn judge_readiness(status: StatusCode, says: Option<&str>) -> Finding {
    match says {
        Some("ok") if status == StatusCode::OK => Finding::ok(READY, "takes requests"),
        Some("draining") => Finding::warning(READY, "is stopping", ""),
        Some("revocations_unknown") => {
            Finding::problem(READY, "nobody is served: who is revoked is not known", "look at the database")
        }
        Some("usage_unrecorded") => {
            let advice = "make room on the disks of the database and of the spill folder";
            Finding::problem(READY, "nobody is served: usage finds no place", advice)
        }
        _ => Finding::problem(READY, format!("{READY_PATH} is answered with {status}"), "look at the log"),
    }
}

/// Whether the answer was no TLS. An I/O error does not return its inner error as its source.
fn speaks_no_tls(error: &(dyn Error + 'static)) -> bool {
    let cause = match error.downcast_ref::<io::Error>() {
        Some(error) => error.get_ref().map(|error| error as &(dyn Error + 'static)),
        None => error.source(),
    };
    matches!(error.downcast_ref(), Some(rustls::Error::InvalidMessage(_))) || cause.is_some_and(speaks_no_tls)
}

const CHECK: &str = "service";
const READY: &str = "readiness";
const ADMIN: &str = "admin";
const ADMIN_ADVICE: &str = "is the running service's ADMIN_PORT another one?";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::diagnose::doctor::Verdict;

    #[test]
    fn f38_each_reason_for_which_a_service_is_not_ready_has_a_name() {
        for (says, verdict, words) in [
            ("draining", Verdict::Warning, "is stopping"),
            ("revocations_unknown", Verdict::Problem, "who is revoked is not known"),
            ("usage_unrecorded", Verdict::Problem, "usage finds no place"),
        ] {
            let finding = judge_readiness(StatusCode::SERVICE_UNAVAILABLE, Some(says));
            assert_eq!(finding.verdict, verdict, "{finding}");
            assert!(finding.found.contains(words), "{finding}");
        }
    }
}
