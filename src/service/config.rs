//! The configuration of the service, checked as a whole, with all problems reported together. The start, `check` and a
//! reload read it the same way: flags and variables, the file under them (`Sources`), then one `Reader` for all.

mod error;
mod file;
mod flags;
mod places;
mod reader;
mod secret_files;
pub mod settings;
mod sources;
mod warnings;

use std::net::SocketAddr;

use http::HeaderValue;
use ipnet::IpNet;

pub use self::error::ConfigError;
pub use self::flags::Flags;
use self::reader::Reader;
pub(super) use self::sources::{Sources, differing, lost_credentials};
use crate::service::admin::api::{AdminConfig, SettingsInForce};
use crate::service::enrol::issuer::{Enrolment, Terms};
use crate::service::govern::budgets::DefaultLimits;
use crate::service::govern::features::FeaturePolicy;
use crate::service::govern::leak::LeakConfig;
use crate::service::govern::limits::DeviceLimits;
use crate::service::http::allowed_hosts::AllowedHosts;
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
    /// The hosts that clients and administrators may name.
    pub hosts: AllowedHosts,
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
    /// Features of a device without overrides.
    pub features: FeaturePolicy,
    /// Budgets without overrides of an administrator.
    pub budgets: DefaultLimits,
    pub batches_and_files: BatchesAndFiles,
    /// Ids of custom skills that every device may use.
    pub shared_skills: Vec<String>,
    pub stores: Stores,
    pub admin: AdminConfig,
    /// Proxies whose headers about the client's address are trusted.
    pub trusted_proxies: Vec<IpNet>,
    pub prices: PriceList,
    /// `None` without an OpenTelemetry collector.
    pub otlp: Option<OtlpConfig>,
    /// `None` without error reports.
    pub sentry: Option<SentryConfig>,
    /// Whether a crash may leave a core dump.
    pub core_dumps: bool,
    /// Detection of devices in use in two places at once.
    pub leaks: LeakConfig,
    /// All of this as administrators see it.
    pub shown: SettingsInForce,
    pub(super) sources: Sources,
}

impl Config {
    /// Reads all settings from `flags` and from the file that they name. The error has every problem, not only the
    /// first.
    pub fn read(flags: &Flags) -> Result<Self, Vec<ConfigError>> {
        let (sources, places, problems) = Sources::read(flags);
        let merged = sources.merged.clone();
        let mut reader = Reader::new(&merged, places, problems);
        let host = reader.host();
        let mut config = Self {
            listen: reader.listen(host),
            hosts: reader.allowed_hosts(),
            tls: reader.tls(),
            upstream: reader.upstream(),
            tokens: reader.tokens(),
            signing: reader.signing(host),
            terms: reader.terms(host),
            enrolment: reader.enrolment(host),
            cors: reader.cors(),
            log: reader.log(),
            limits: reader.limits(),
            features: reader.features(),
            budgets: reader.budgets(),
            batches_and_files: reader.batches_and_files(),
            shared_skills: reader.shared_skills(),
            stores: reader.stores(),
            admin: reader.admin(),
            trusted_proxies: reader.networks(settings::TRUSTED_PROXIES),
            leaks: reader.leaks(),
            prices: reader.prices(),
            otlp: reader.otlp(),
            sentry: reader.sentry(),
            core_dumps: reader.core_dumps(),
            shown: SettingsInForce::default(),
            sources,
        };
        let (clients, admin) = ((settings::PORT, config.listen.address), (settings::ADMIN_PORT, config.admin.address));
        reader.tell_apart(admin, clients);
        if let Some(metrics) = config.admin.metrics {
            reader.tell_apart((settings::METRICS_PORT, metrics), clients);
            reader.tell_apart((settings::METRICS_PORT, metrics), admin);
        }
        config.shown = reader.finish()?;
        config.warn();
        Ok(config)
    }

    /// Where clients connect, and whether they speak TLS there, for a program beside the service. Other settings may be
    /// wrong.
    pub fn client_listener(flags: &Flags) -> Result<(SocketAddr, bool), Vec<ConfigError>> {
        let (sources, places, problems) = Sources::read(flags);
        let is_file_missing = sources.given.get(settings::CONFIG_FILE).is_some() && sources.file.is_none();
        if is_file_missing {
            return Err(problems); // PORT may be in the file
        }
        let mut reader = Reader::new(&sources.merged, places, Vec::new());
        let listener = reader.client_listener();
        reader.finish()?;
        Ok(listener)
    }

    fn warn(&mut self) {
        let has_tls = self.tls.is_some();
        let warnings = [
            warnings::clients(&self.listen, has_tls, &self.terms),
            warnings::administrators(&self.admin, has_tls),
            warnings::regions(&self.terms),
            warnings::upstream(&self.upstream),
            warnings::real_key(&self.upstream),
            warnings::retention(self.stores.retention, &self.budgets),
        ];
        self.sources.warnings.extend(warnings.into_iter().flatten());
        let secret_files = warnings::secret_files(&self.sources.merged, &self.signing);
        self.sources.warnings.extend(secret_files);
    }

    /// Settings that work but are probably wrong.
    pub fn warnings(&self) -> &[ConfigError] {
        &self.sources.warnings
    }
}

#[cfg(test)]
mod tests;
