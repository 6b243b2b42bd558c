//! Warnings about settings that work but are probably wrong: credentials that cross a network in the clear, files with
//! secrets that others can read, keys that cannot be right, a region that is missing, and records that are deleted too
//! early.

use std::path::Path;

use super::error::ConfigError;
use super::flags::Flags;
use super::settings::{self, Setting};
use crate::service::admin::api::AdminConfig;
use crate::service::base::private_file;
use crate::service::enrol::issuer::Terms;
use crate::service::govern::budgets::{DefaultLimits, Period};
use crate::service::http::listen::Listen;
use crate::service::relay::key_source::KeySource;
use crate::service::relay::key_swap::UpstreamConfig;
use crate::service::store::retention::RetentionConfig;
use crate::service::token::keyring::SigningSecret;

/// An https `PROXY_BASE_URL` means that a proxy in front ends TLS.
pub(super) fn clients(listen: &Listen, has_tls: bool, terms: &Terms) -> Option<ConfigError> {
    let in_front = terms.base_url.as_ref().is_some_and(|url| url.starts_with("https://"));
    (!listen.address.ip().is_loopback() && !has_tls && !in_front).then(|| {
        let message = "other machines can connect, and this service speaks no TLS: that is fine behind a proxy that ends \
                       TLS (then set PROXY_BASE_URL); else tokens and prompts cross the network in the clear, so set \
                       TLS_CERT_FILE and TLS_KEY_FILE";
        ConfigError::new(settings::HOST, message)
    })
}

pub(super) fn administrators(admin: &AdminConfig, has_tls: bool) -> Option<ConfigError> {
    (!admin.address.ip().is_loopback() && !has_tls).then(|| {
        let message = "other machines can connect, and this service speaks no TLS: the admin token crosses the network \
                       in the clear unless a proxy in front ends TLS; set TLS_CERT_FILE and TLS_KEY_FILE, or use a tunnel";
        ConfigError::new(settings::ADMIN_HOST, message)
    })
}

/// The service's own address is one of the regions, or apps that begin here would not come back.
pub(super) fn regions(terms: &Terms) -> Option<ConfigError> {
    let own = terms.base_url.as_ref()?;
    (!terms.regions.is_empty() && !terms.regions.contains(own)).then(|| {
        let message =
            format!("does not name {own}, the PROXY_BASE_URL of this service: name all regions, this one too");
        ConfigError::new(settings::REGIONS, message)
    })
}

pub(super) fn upstream(upstream: &UpstreamConfig) -> Option<ConfigError> {
    (!upstream.origin.is_tls() && !upstream.origin.is_loopback()).then(|| {
        let message = "is plain http: the real key and prompts cross the network in the clear; use https";
        ConfigError::new(settings::ANTHROPIC_BASE_URL, message)
    })
}

/// A key that the upstream would refuse. White space in it is refused by the reader.
pub(super) fn real_key(upstream: &UpstreamConfig) -> Option<ConfigError> {
    let KeySource::Given { key, .. } = &upstream.key else { return None };
    let (key, quotes) = (key.expose(), ['"', '\'']);
    let is_default = Some(upstream.origin.as_base_url()) == settings::ANTHROPIC_BASE_URL.default;
    let message = if key.starts_with(quotes) || key.ends_with(quotes) {
        "begins or ends with a quote, which is sent as a part of the key: give the key without quotes"
    } else if is_default && !key.starts_with("sk-ant-") {
        "does not begin with sk-ant-, as all keys for https://api.anthropic.com do: is it the right key?"
    } else {
        return None;
    };
    Some(ConfigError::new(settings::ANTHROPIC_API_KEY, message))
}

/// Files with secrets that others on this machine can read or change.
pub(super) fn secret_files(given: &Flags, signing: &SigningSecret) -> Vec<ConfigError> {
    let named = settings::ALL.iter().filter(|setting| setting.names_secret_file);
    let named = named.filter_map(|setting| Some((*setting, Path::new(given.get(*setting)?))));
    let kept = match signing {
        SigningSecret::KeptIn(path) => Some((settings::JWT_SECRET, path.as_path())),
        SigningSecret::Given(_) | SigningSecret::Followed(_) => None,
    };
    named.chain(kept).filter_map(|(setting, path)| open_file(setting, path, "a secret")).collect()
}

/// Warns if others can read or change the file, which holds what `held` says.
pub(super) fn open_file(setting: Setting, path: &Path, held: &str) -> Option<ConfigError> {
    private_file::is_open_to_others(path).then(|| {
        let message = format!(
            "others on this machine can read or change {}, which holds {held}: chmod 600 it, or give it to root and a \
             group that may read it (chmod 640)",
            path.display()
        );
        ConfigError::new(setting, message)
    })
}

/// Budgets are loaded from usage records at the start, so these records must still exist.
pub(super) fn retention(ages: RetentionConfig, budgets: &DefaultLimits) -> Option<ConfigError> {
    let kept = ages.usage?.as_secs() / DAY;
    let needed = longest(budgets)?;
    (kept < needed).then(|| {
        let message = format!(
            "{kept} is less than the {needed} days that a budget looks back: after a restart it has forgotten what was \
             deleted"
        );
        ConfigError::new(settings::USAGE_RETENTION_DAYS, message)
    })
}

/// The days of the longest period with a default limit. Budgets set by administrators are not known here.
fn longest(budgets: &DefaultLimits) -> Option<u64> {
    let all = [budgets.device, budgets.user, budgets.org];
    let has = |period: Period| all.iter().any(|limits| limits.of(period).is_some());
    let periods = [(Period::Month, 31), (Period::Week, 7), (Period::Day, 1)];
    periods.into_iter().find(|(period, _)| has(*period)).map(|(_, days)| days)
}

const DAY: u64 = 24 * 3600;
