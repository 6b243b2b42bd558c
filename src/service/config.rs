//! The configuration of the service, checked as a whole, with all problems reported together. `main` reads it at the
//! start, and [`reload`] again when a file of it changes.

mod file;
mod flags;
mod given;
mod reader;
mod shown;
mod sources;
mod warnings;

use std::net::IpAddr;

use http::HeaderValue;
use ipnet::IpNet;

pub use self::flags::Flags;
pub use self::given::Given;
use self::reader::Reader;
pub(super) use self::shown::shown;
pub(super) use self::sources::{Sources, differing};
use crate::service::admin::api::AdminConfig;
use crate::service::enrol::issuer::{Enrolment, Terms};
use crate::service::govern::budgets::DefaultLimits;
use crate::service::govern::leak::LeakConfig;
use crate::service::govern::limits::DeviceLimits;
use crate::service::http::listen::Listen;
use crate::service::http::tls::TlsConfig;
use crate::service::meter::prices::PriceList;
use crate::service::relay::batches::BatchesAndFiles;
use crate::service::relay::key_swap::UpstreamConfig;
use crate::service::store::stores::Stores;
use crate::service::telemetry::error_reports::SentryConfig;
use crate::service::telemetry::log::LogConfig;
use crate::service::telemetry::otlp::OtlpConfig;
use crate::service::token::keyring::SigningSecret;
use crate::service::token::verify::TokenPolicy;

#[derive(Debug)]
pub struct Config {
    pub listen: Listen,
    /// TLS to the clients; `None` serves plain HTTP, for which a proxy in front may end TLS.
    pub tls: Option<TlsConfig>,
    pub upstream: UpstreamConfig,
    /// The tokens that the service issues and accepts.
    pub tokens: TokenPolicy,
    /// The secrets that sign tokens.
    pub signing: SigningSecret,
    /// The settings that devices get with their tokens.
    pub terms: Terms,
    /// How devices get their first token.
    pub enrolment: Enrolment,
    /// Web origins that may read answers; empty means none.
    pub cors: Vec<HeaderValue>,
    pub log: LogConfig,
    /// Limits of a device without overrides.
    pub limits: DeviceLimits,
    /// Budgets without overrides of an administrator.
    pub budgets: DefaultLimits,
    pub batches_and_files: BatchesAndFiles,
    pub stores: Stores,
    pub admin: AdminConfig,
    /// `TRUSTED_PROXIES`: proxies whose headers about the client's address are trusted.
    pub trusted_proxies: Vec<IpNet>,
    pub prices: PriceList,
    pub(super) sources: Sources,
    /// `None` without an OpenTelemetry collector.
    pub otlp: Option<OtlpConfig>,
    /// `None` without error reports.
    pub sentry: Option<SentryConfig>,
    /// Detection of devices in use in two places at once.
    pub leaks: LeakConfig,
}

/// One setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {message}")]
pub struct ConfigError {
    /// The environment variable; the flag has the same name.
    pub variable: &'static str,
    /// The fault, and what would be right.
    pub message: String,
}

impl Config {
    /// Reads all settings from `flags` and from the file that they name. The error has every problem, not only the
    /// first.
    pub fn read(flags: &Flags) -> Result<Self, Vec<ConfigError>> {
        let (sources, places, problems) = Sources::read(flags);
        let flags = &sources.merged;
        let mut reader = Reader::new(problems, places);
        let host = reader.host(flags);
        let mut config = Self {
            listen: reader.listen(flags, host),
            tls: reader.tls(flags),
            upstream: reader.upstream(flags),
            tokens: reader.tokens(flags),
            signing: reader.signing(flags, host),
            terms: reader.terms(flags, host),
            enrolment: reader.enrolment(flags, host),
            cors: reader.cors(flags),
            log: reader.log(flags),
            limits: reader.limits(flags),
            budgets: reader.budgets(flags),
            batches_and_files: reader.batches_and_files(flags),
            stores: reader.stores(flags),
            admin: reader.admin(flags),
            trusted_proxies: reader.networks("TRUSTED_PROXIES", flags.trusted_proxies.as_deref()),
            leaks: reader.leaks(flags),
            prices: reader.prices(flags),
            otlp: reader.otlp(flags),
            sentry: reader.sentry(flags),
            sources,
        };
        reader.two_listeners(config.listen.address, config.admin.address);
        let warnings = warnings::of(&config);
        config.sources.warnings.extend(warnings);
        reader.finish(config)
    }

    /// Settings that work but are probably wrong.
    #[must_use]
    pub fn warnings(&self) -> &[ConfigError] {
        &self.sources.warnings
    }
}

fn is_local(host: IpAddr) -> bool {
    host.is_loopback()
}

#[cfg(test)]
mod tests;
