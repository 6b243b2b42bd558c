//! The service's configuration: checked whole, reported together. It is read at the start, and again when a file of it
//! changes.

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
use crate::service::run::background::Stores;
use crate::service::telemetry::error_reports::SentryConfig;
use crate::service::telemetry::log::LogConfig;
use crate::service::telemetry::otlp::OtlpConfig;
use crate::service::token::keyring::SigningSecret;
use crate::service::token::verify::TokenPolicy;

/// Everything the service needs to know before it starts.
#[derive(Debug)]
pub struct Config {
    /// Where and how it listens.
    pub listen: Listen,
    /// TLS towards clients; without it whoever is in front of the service ends TLS, or nobody.
    pub tls: Option<TlsConfig>,
    /// Where requests go.
    pub upstream: UpstreamConfig,
    /// The tokens it issues and accepts.
    pub tokens: TokenPolicy,
    /// The secrets they are signed with.
    pub signing: SigningSecret,
    /// What devices are told.
    pub terms: Terms,
    /// Who gets a token.
    pub enrolment: Enrolment,
    /// Web origins that may read answers; empty means none.
    pub cors: Vec<HeaderValue>,
    /// What it writes about itself.
    pub log: LogConfig,
    /// What a device may do unless an administrator says otherwise.
    pub limits: DeviceLimits,
    /// What may be spent unless an administrator says otherwise.
    pub budgets: DefaultLimits,
    /// Whether devices may keep something upstream.
    pub batches_and_files: BatchesAndFiles,
    /// What is kept, and what instances share.
    pub stores: Stores,
    /// Who governs it.
    pub admin: AdminConfig,
    /// `TRUSTED_PROXIES`: whose word about a client's address is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// What tokens cost.
    pub prices: PriceList,
    /// Where all this comes from.
    pub(super) sources: Sources,
    /// Where traces and metrics go, if anywhere.
    pub otlp: Option<OtlpConfig>,
    /// Where faults of the service's own are reported, if anywhere.
    pub sentry: Option<SentryConfig>,
    /// What is done about devices that are in two places at once.
    pub leaks: LeakConfig,
}

/// One setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {message}")]
pub struct ConfigProblem {
    /// The environment variable; the flag has the same name.
    pub variable: &'static str,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Config {
    /// Reads all settings: `flags`, and under them the file that they name.
    ///
    /// # Errors
    /// Every [`ConfigProblem`] there is, not only the first.
    pub fn read(flags: &Flags) -> Result<Self, Vec<ConfigProblem>> {
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

    /// What is not wrong and still should be said.
    #[must_use]
    pub fn warnings(&self) -> &[ConfigProblem] {
        &self.sources.warnings
    }
}

/// Whether only this machine can connect.
fn is_local(host: IpAddr) -> bool {
    host.is_loopback()
}

#[cfg(test)]
mod tests;
