//! Settings of tokens and of enrolment.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use super::{Reader, one_of, without_password};
use crate::secret::Secret;
use crate::service::config::settings;
use crate::service::enrol::device_keys::DeviceKeyPolicy;
use crate::service::enrol::enrolment_limits::BootstrapLimits;
use crate::service::enrol::issuer::{BootstrapMode, Enrolment, Terms};
use crate::service::token::model_pattern::check_pattern;
use crate::service::token::verify::TokenPolicy;
use crate::transport::origin::Origin;

impl Reader<'_> {
    pub(in crate::service::config) fn tokens(&mut self) -> TokenPolicy {
        let hours: u64 = self.number(settings::JWT_EXPIRATION_HOURS, 1..=24 * 365);
        let seconds = self.number_or(settings::TOKEN_TTL_SECONDS, hours * 3600, 1..=24 * 365 * 3600);
        let issuer = self.text(settings::TOKEN_ISSUER).to_owned();
        if issuer.len() > 100 {
            self.wrong(settings::TOKEN_ISSUER, "is longer than 100 characters");
        }
        TokenPolicy { audience: issuer.clone(), issuer, lifetime: Duration::from_secs(seconds) }
    }

    pub(in crate::service::config) fn terms(&mut self, host: IpAddr) -> Terms {
        let base_url = self.origin(settings::PROXY_BASE_URL);
        if base_url.as_ref().is_some_and(|url| !url.is_tls() && !url.is_loopback() && !host.is_loopback()) {
            self.wrong(settings::PROXY_BASE_URL, "must be https: tokens would cross the network in the clear");
        }
        let regions = self.regions();
        let models = self.models();
        // Each token carries the list, and a token must stay far below the usual limit of a header.
        if models.iter().map(String::len).sum::<usize>() > 1000 {
            let message = "is longer than 1000 characters; use patterns such as claude-haiku-*";
            self.wrong(settings::ALLOWED_MODELS, message);
        }
        Terms { base_url: base_url.map(|url| url.as_base_url().to_owned()), regions, models }
    }

    fn regions(&mut self) -> Vec<String> {
        let mut regions = Vec::new();
        for text in self.list(settings::REGIONS) {
            match region(text) {
                Ok(region) => regions.push(region),
                Err(fault) => self.wrong(settings::REGIONS, fault),
            }
        }
        if regions.len() > MOST_REGIONS {
            self.wrong(settings::REGIONS, format!("has more than {MOST_REGIONS} addresses"));
        }
        self.show(settings::REGIONS, regions.clone());
        regions
    }

    /// An empty entry is refused instead of skipped: a list of empty entries would allow all models.
    fn models(&mut self) -> Vec<String> {
        let Some(text) = self.given(settings::ALLOWED_MODELS) else { return Vec::new() };
        let models: Vec<_> = text.split(',').map(|model| model.trim().to_owned()).collect();
        for model in &models {
            if let Err(fault) = check_pattern(model) {
                self.wrong(settings::ALLOWED_MODELS, format!("{model:?} {fault}"));
            }
        }
        models
    }

    pub(in crate::service::config) fn enrolment(&mut self, host: IpAddr) -> Enrolment {
        let mode = self.mode(host);
        let tokens: Vec<_> = self.list(settings::ENROLMENT_TOKENS).into_iter().map(Secret::new).collect();
        if mode == BootstrapMode::Enrolment && tokens.is_empty() {
            self.wrong(settings::ENROLMENT_TOKENS, "is required when BOOTSTRAP_MODE is enrolment");
        }
        if tokens.iter().any(|token| token.expose().len() < 16) {
            self.wrong(settings::ENROLMENT_TOKENS, "holds a token with fewer than 16 characters");
        }
        self.show(settings::ENROLMENT_TOKENS, tokens.len());
        let limits = BootstrapLimits {
            per_network: NonZeroU32::new(self.number(settings::BOOTSTRAP_RATE_MAX, 0..=u32::MAX)),
            proofs_per_network: NonZeroU32::new(self.number(settings::BOOTSTRAP_KNOWN_RATE_MAX, 0..=u32::MAX)),
            new_devices: NonZeroU32::new(self.number(settings::BOOTSTRAP_NEW_DEVICES_PER_HOUR, 0..=u32::MAX)),
        };
        let policies = DeviceKeyPolicy::ALL.map(|policy| (policy.as_str(), policy));
        let keys = self.choice(settings::DEVICE_KEYS, &policies);
        Enrolment { mode, tokens, limits, keys }
    }

    fn mode(&mut self, host: IpAddr) -> BootstrapMode {
        let modes = BootstrapMode::ALL.map(|mode| (mode.as_str(), mode));
        let mode = self.optional(settings::BOOTSTRAP_MODE, |text| one_of(text, &modes));
        if !host.is_loopback() && self.given(settings::BOOTSTRAP_MODE).is_none() {
            self.wrong(settings::BOOTSTRAP_MODE, "is required beyond loopback: open, enrolment or closed");
        }
        let mode = mode.unwrap_or(BootstrapMode::Open);
        self.show(settings::BOOTSTRAP_MODE, mode.as_str());
        mode
    }
}

/// The base URL of an entry of `REGIONS`, or the entry's fault.
fn region(text: &str) -> Result<String, String> {
    let shown = without_password(text);
    if !text.contains("://") {
        return Err(format!("{shown} has no scheme: give a base URL such as https://us.claude.example"));
    }
    let region = Origin::parse(text).map_err(|fault| format!("{shown} {fault}"))?;
    // Apps are given this URL, the service is not.
    if region.join("").path().ends_with("/bootstrap") {
        return Err(format!("{shown} is the URL for apps: give the base URL, without /bootstrap"));
    }
    if !region.is_tls() && !region.is_loopback() {
        return Err(format!("{shown} must be https: tokens would cross the network in the clear"));
    }
    Ok(region.as_base_url().to_owned())
}

/// As many as a client uses.
const MOST_REGIONS: usize = 8;
