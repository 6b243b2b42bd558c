//! Warnings about settings that work but are probably wrong: credentials that cross a network in the clear, and records
//! that are deleted too early.

use super::{Config, ConfigError, DefaultLimits, is_local};
use crate::service::govern::budgets::Period;

pub(super) fn of(config: &Config) -> Vec<ConfigError> {
    [clients(config), administrators(config), upstream(config), retention(config)].into_iter().flatten().collect()
}

/// An https `PROXY_BASE_URL` means that a proxy in front ends TLS.
fn clients(config: &Config) -> Option<ConfigError> {
    let in_front = config.terms.base_url.as_ref().is_some_and(|url| url.starts_with("https://"));
    let is_clear = !is_local(config.listen.address.ip()) && config.tls.is_none() && !in_front;
    is_clear.then(|| {
        let message = "other machines can connect, and this service speaks no TLS: that is fine behind a proxy that ends \
                       TLS (then set PROXY_BASE_URL); else tokens and prompts cross the network in the clear, so set \
                       TLS_CERT_FILE and TLS_KEY_FILE";
        warning("HOST", message)
    })
}

fn administrators(config: &Config) -> Option<ConfigError> {
    (!is_local(config.admin.address.ip()) && config.tls.is_none()).then(|| {
        let message = "other machines can connect, and this service speaks no TLS: the admin token crosses the network \
                       in the clear unless a proxy in front ends TLS; set TLS_CERT_FILE and TLS_KEY_FILE, or use a tunnel";
        warning("ADMIN_HOST", message)
    })
}

fn upstream(config: &Config) -> Option<ConfigError> {
    let origin = &config.upstream.origin;
    (!origin.is_tls() && !origin.is_loopback()).then(|| {
        warning(
            "ANTHROPIC_BASE_URL",
            "is plain http: the real key and prompts cross the network in the clear; use https",
        )
    })
}

/// Budgets are loaded from usage records at the start, so these records must still exist.
fn retention(config: &Config) -> Option<ConfigError> {
    let kept = config.stores.retention.usage?.as_secs() / DAY;
    let needed = longest(&config.budgets)?;
    (kept < needed).then(|| {
        let message = format!(
            "{kept} is less than the {needed} days that a budget looks back: after a restart it has forgotten what was \
             deleted"
        );
        warning("USAGE_RETENTION_DAYS", message)
    })
}

/// The days of the longest period with a default limit. Budgets set by administrators are not known here.
fn longest(budgets: &DefaultLimits) -> Option<u64> {
    let all = [budgets.device, budgets.user, budgets.org];
    let has = |period: Period| all.iter().any(|limits| limits.of(period).is_some());
    let periods = [(Period::Month, 31), (Period::Week, 7), (Period::Day, 1)];
    periods.into_iter().find(|(period, _)| has(*period)).map(|(_, days)| days)
}

fn warning(variable: &'static str, message: impl Into<String>) -> ConfigError {
    ConfigError { variable, message: message.into() }
}

const DAY: u64 = 24 * 3600;
