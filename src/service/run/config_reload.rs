//! Follows the configuration file and the price file, and applies changes that need no restart.
//!
//! When one of them changes, the whole configuration is read as at the start. If anything in it is wrong, all problems
//! are logged once and counted, and nothing changes.

use crate::service::base::text_file::TextFile;
use crate::service::base::watched_file::{FileContent, Follower};
use crate::service::config::{Config, ConfigError, Flags, Sources, differing};
use crate::service::run::reload::{Reloadable, is_changeable};

/// `reloadable` must match `sources` and `prices`. `None` without a file to follow.
pub(crate) fn follower(sources: Sources, prices: Option<TextFile>, reloadable: Reloadable) -> Option<Follower> {
    let Sources { given, merged: in_force, file, .. } = sources;
    let seen = seen(file, prices.as_ref());
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
        match Config::read(&self.given) {
            Ok(config) => {
                *files = seen(config.sources.file.clone(), config.prices.file.as_ref());
                self.take(config);
            }
            Err(problems) => self.refuse(&problems, files),
        }
    }

    fn take(&mut self, config: Config) {
        let differing = differing(&self.in_force, &config.sources.merged);
        let (mut changed, waiting): (Vec<_>, Vec<_>) = differing.into_iter().partition(|name| is_changeable(name));
        if !same_text(self.prices.as_ref(), config.prices.file.as_ref()) && !changed.iter().any(|name| name == PRICES) {
            changed.push(PRICES.to_owned());
        }
        for ((name, text), (_, new)) in self.in_force.each_mut().zip(config.sources.merged.each()) {
            if is_changeable(&name.to_ascii_uppercase()) {
                *text = new.map(str::to_owned);
            }
        }
        self.prices.clone_from(&config.prices.file);
        for warning in config.warnings() {
            tracing::warn!("{warning}");
        }
        self.reloadable.apply(config);
        self.reloadable.metrics.reloaded(true);
        let changed = if changed.is_empty() { "nothing is new".to_owned() } else { changed.join(", ") };
        tracing::info!(changed, "Configuration reloaded: {changed}");
        if !waiting.is_empty() {
            let waiting = waiting.join(", ");
            tracing::warn!(waiting, "Changed, but in force only after a restart: {waiting}");
        }
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

fn seen(file: Option<TextFile>, prices: Option<&TextFile>) -> Vec<FileContent> {
    let files = file.into_iter().chain(prices.cloned());
    files.map(|TextFile { path, content }| FileContent { path, content: Ok(content) }).collect()
}

fn same_text(one: Option<&TextFile>, other: Option<&TextFile>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.content.matches(other.content.expose().as_bytes()),
        (one, other) => one.is_none() && other.is_none(),
    }
}

const PRICES: &str = "PRICES_FILE";

#[cfg(test)]
mod tests;
