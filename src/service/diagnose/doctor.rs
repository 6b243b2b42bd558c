//! `valetkey doctor`: tries everything that the service needs, the way the service would, and says what is wrong and
//! what to do. It changes nothing, and every check has a time limit.

mod certificate;
mod connection;
mod database;
mod disk;
mod files;
mod finding;
mod key;
mod names;
mod running;
mod shared_limits;
mod upstream_clock;

use std::time::Duration;

pub(super) use self::finding::whole;
pub use self::finding::{Finding, Verdict};
use crate::clock::Clock;
use crate::service::config::{Config, ConfigError};
use crate::service::relay::key_swap;
use crate::service::relay::key_swap::UpstreamConfig;

/// Runs every check on `config`.
pub async fn examine(config: &Config, clock: &dyn Clock) -> Vec<Finding> {
    let (upstream, limits, database, running) = tokio::join!(
        way_up(&config.upstream, clock),
        within("redis", shared_limits::examine(config.stores.redis.as_ref(), PATIENCE)),
        within("database", database::examine(&config.stores.database)),
        running::examine(config, PATIENCE),
    );
    let disk = disk::examine(&config.stores);
    [files::examine(config, clock.now()), upstream, vec![limits, database], disk, running].concat()
}

/// The findings when the configuration cannot be read.
pub fn without_configuration(problems: &[ConfigError]) -> Vec<Finding> {
    problems.iter().map(|problem| Finding::problem(files::CHECK, problem.to_string(), "")).collect()
}

/// Each step needs the one before.
async fn way_up(config: &UpstreamConfig, clock: &dyn Clock) -> Vec<Finding> {
    let connector = match key_swap::connector(config) {
        Ok(connector) => connector,
        Err(error) => {
            let advice = "look at UPSTREAM_CA_FILE, or install the system's CA certificates";
            return vec![Finding::problem(connection::CHECK, finding::whole(&error), advice)];
        }
    };
    let mut findings = Vec::new();
    if !connector.is_proxied() {
        findings.push(names::examine(&config.origin, PATIENCE).await);
    }
    if findings.iter().all(|finding| finding.verdict != Verdict::Problem) {
        findings.extend(connection::examine(config, &connector, clock).await);
    }
    if findings.iter().all(|finding| finding.verdict != Verdict::Problem) {
        findings.extend(key::examine(config, connector, clock).await);
    }
    findings
}

async fn within(check: &'static str, examination: impl Future<Output = Finding>) -> Finding {
    let silent =
        |_| Finding::problem(check, format!("no answer within {} s", PATIENCE.as_secs()), "look at the network");
    tokio::time::timeout(PATIENCE, examination).await.unwrap_or_else(silent)
}

/// The longest wait for one answer. The upstream has a longer limit, because it may be on another continent.
const PATIENCE: Duration = Duration::from_secs(5);
