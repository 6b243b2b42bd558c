//! Settings of limits, features, budgets, batches and files, and leak detection.

use std::num::{NonZeroU32, NonZeroU64};

use super::Reader;
use crate::service::config::settings::{self, Setting};
use crate::service::enrol::issuer::BootstrapMode;
use crate::service::govern::budgets::{DefaultLimits, Limits};
use crate::service::govern::features::FeaturePolicy;
use crate::service::govern::leak::{LeakConfig, LeakMode};
use crate::service::govern::limits::DeviceLimits;
use crate::service::relay::batches::BatchesAndFiles;

impl Reader<'_> {
    pub(in crate::service::config) fn limits(&mut self) -> DeviceLimits {
        DeviceLimits {
            requests: NonZeroU32::new(self.number(settings::RATE_LIMIT_MAX, 0..=u32::MAX)),
            window: self.millis(settings::RATE_LIMIT_WINDOW),
            tokens_per_minute: NonZeroU64::new(self.number(settings::TOKENS_PER_MINUTE, 0..=u64::MAX >> 1)),
            concurrent: NonZeroU32::new(self.number(settings::CONCURRENT_REQUESTS, 0..=u32::MAX)),
            tells_requests: self.given(settings::RATE_LIMIT_MAX).is_some(),
        }
    }

    pub(in crate::service::config) fn features(&mut self) -> FeaturePolicy {
        let mut features = FeaturePolicy::default();
        for word in self.list(settings::DEVICE_FEATURES) {
            if let Err(fault) = features.add(word) {
                self.wrong(settings::DEVICE_FEATURES, format!("{word:?} {fault}"));
            }
        }
        self.show(settings::DEVICE_FEATURES, features.words());
        features
    }

    pub(in crate::service::config) fn budgets(&mut self) -> DefaultLimits {
        DefaultLimits {
            device: self.budget(settings::DEVICE_BUDGET),
            user: self.budget(settings::USER_BUDGET),
            org: self.budget(settings::ORG_BUDGET),
        }
    }

    fn budget(&mut self, setting: Setting) -> Limits {
        let mut limits = Limits::default();
        for word in self.list(setting) {
            if let Err(fault) = limits.add(word) {
                self.wrong(setting, format!("{word:?} {fault}"));
            }
        }
        self.show(setting, limits.words());
        limits
    }

    pub(in crate::service::config) fn batches_and_files(&mut self) -> BatchesAndFiles {
        BatchesAndFiles {
            offered: self.choice(settings::BATCHES_AND_FILES, &[("on", true), ("off", false)]),
            max_batch: self.number(settings::MAX_BATCH_SIZE, 1..=1 << 40),
            max_file: self.number(settings::MAX_FILE_SIZE, 1..=1 << 40),
        }
    }

    pub(in crate::service::config) fn shared_skills(&self) -> Vec<String> {
        self.list(settings::SHARED_SKILLS).into_iter().map(str::to_owned).collect()
    }

    pub(in crate::service::config) fn leaks(&mut self) -> LeakConfig {
        let modes = [LeakMode::Off, LeakMode::Observe, LeakMode::Refresh, LeakMode::Revoke];
        let mode = self.choice(settings::LEAK_DETECTION, &modes.map(|mode| (mode.as_str(), mode)));
        let is_closed = self.given(settings::BOOTSTRAP_MODE) == Some(BootstrapMode::Closed.as_str());
        if mode == LeakMode::Refresh && is_closed {
            let message = "refresh makes devices ask /bootstrap for a new token, and BOOTSTRAP_MODE=closed gives none; \
                           use observe or revoke";
            self.wrong(settings::LEAK_DETECTION, message);
        }
        LeakConfig { mode, known_networks: self.networks(settings::LEAK_KNOWN_NETWORKS) }
    }
}
