//! Follows the configuration file, the price file and the files with one secret each, and applies changes that need no
//! restart.
//!
//! When one of them changes, the whole configuration is read as at the start. If anything in it is wrong, all problems
//! are logged once and counted, and nothing changes.

use crate::service::base::text_file::TextFile;
use crate::service::base::watched_file::{FileContent, Follower};
use crate::service::config::settings::{self, Setting};
use crate::service::config::{Config, ConfigError, Flags, Sources, differing, lost_credentials};
use crate::service::run::reload::Reloadable;

/// `reloadable` must match `sources` and `prices`. `None` without a file to follow.
pub(crate) fn follower(sources: Sources, prices: Option<TextFile>, reloadable: Reloadable) -> Option<Follower> {
    let Sources { given, merged: in_force, file, secrets, .. } = sources;
    let seen = seen(file, prices.as_ref(), secrets);
    let mut config = ConfigReload { given, in_force, prices, reloadable };
    (!seen.is_empty()).then(|| Follower::of_changing(seen, move |files| config.reload(files)))
}

struct ConfigReload {
    /// The settings of flags and variables.
    given: Flags,
    in_force: Flags,
    prices: Option<TextFile>,
    reloadable: Reloadable,
}

impl ConfigReload {
    /// Leaves the files to follow from now on in `files`.
    fn reload(&mut self, files: &mut Vec<FileContent>) {
        let read = Config::read(&self.given).and_then(|config| {
            let lost = lost_credentials(&self.in_force, &config.sources.merged);
            if lost.is_empty() { Ok(config) } else { Err(lost) }
        });
        match read {
            Ok(config) => {
                *files = seen(config.sources.file.clone(), config.prices.file.as_ref(), config.sources.secrets.clone());
                self.take(config);
            }
            Err(problems) => self.refuse(&problems, files),
        }
    }

    fn take(&mut self, config: Config) {
        let differing = differing(&self.in_force, &config.sources.merged);
        let (mut changed, waiting): (Vec<_>, Vec<_>) =
            differing.into_iter().partition(|setting| self.can_change(*setting));
        let prices = settings::PRICES_FILE;
        let is_named = changed.iter().any(|setting| setting.name == prices.name);
        if !same_text(self.prices.as_ref(), config.prices.file.as_ref()) && !is_named {
            changed.push(prices);
        }
        for setting in &changed {
            self.in_force.copy(*setting, &config.sources.merged);
        }
        self.prices.clone_from(&config.prices.file);
        for warning in config.warnings() {
            tracing::warn!("{warning}");
        }
        self.reloadable.apply(config);
        self.reloadable.metrics.reloaded(true);
        let changed = if changed.is_empty() { "nothing is new".to_owned() } else { names(&changed) };
        tracing::info!(changed, "Configuration reloaded: {changed}");
        if !waiting.is_empty() {
            let waiting = names(&waiting);
            tracing::warn!(waiting, "Changed, but in force only after a restart: {waiting}");
        }
    }

    /// Whether a change takes effect without a restart. The real key's does not while a command gives the key.
    fn can_change(&self, setting: Setting) -> bool {
        // The key, and the file with it.
        let is_key = setting.name.starts_with(settings::ANTHROPIC_API_KEY.name);
        setting.is_reloadable && (self.reloadable.key.is_some() || !is_key)
    }

    /// Also watches files that the refused configuration is the first to name: when one appears, the reload is tried
    /// again.
    fn refuse(&self, problems: &[ConfigError], files: &mut Vec<FileContent>) {
        let (attempted, ..) = Sources::read(&self.given);
        for path in attempted.paths() {
            if files.iter().all(|file| file.path != path) {
                files.push(FileContent::read(path));
            }
        }
        self.reloadable.metrics.reloaded(false);
        let problems = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        tracing::error!(problems, "Configuration not reloaded, the one in use stays: {problems}");
    }
}

fn seen(file: Option<TextFile>, prices: Option<&TextFile>, secrets: Vec<TextFile>) -> Vec<FileContent> {
    let files = file.into_iter().chain(prices.cloned()).chain(secrets);
    files.map(|TextFile { path, content }| FileContent { path, content: Ok(content) }).collect()
}

fn names(settings: &[Setting]) -> String {
    settings.iter().map(|setting| setting.name).collect::<Vec<_>>().join(", ")
}

fn same_text(one: Option<&TextFile>, other: Option<&TextFile>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.content.matches(other.content.expose().as_bytes()),
        (one, other) => one.is_none() && other.is_none(),
    }
}

#[cfg(test)]
mod tests;
