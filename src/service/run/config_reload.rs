//! Follows the configuration file and the price file, and applies changes that need no restart.
//!
//! Both files are read every second and at SIGHUP. A change counts only when a second look finds the same content, so a
//! half-written file is left alone. Then the whole configuration is read as at the start. If anything in it is wrong,
//! all problems are logged once and counted, and nothing changes.

use std::io;
use std::path::PathBuf;

use tokio::time::MissedTickBehavior;

use crate::secret::Secret;
use crate::service::base::text_file::{TextFile, content};
use crate::service::base::watched_file::{BETWEEN_LOOKS, ReloadSignal, Reloading, SETTLE};
use crate::service::config::settings::{self, Setting};
use crate::service::config::{Config, ConfigError, Flags, Sources, differing};
use crate::service::run::reload::Reloadable;

pub(crate) struct ConfigReload {
    /// The settings of flags and variables.
    given: Flags,
    in_force: Flags,
    prices: Option<TextFile>,
    /// The contents of the files when they were last read, good or bad.
    seen: Vec<FileRead>,
    reloadable: Reloadable,
}

/// The content of one file at one time.
struct FileRead {
    path: PathBuf,
    found: io::Result<Secret>,
}

impl ConfigReload {
    /// `reloadable` must match `sources` and `prices`. `None` without a file to follow.
    pub(crate) fn new(sources: Sources, prices: Option<TextFile>, reloadable: Reloadable) -> Option<Self> {
        let Sources { given, merged: in_force, file, .. } = sources;
        let seen = seen(file, prices.as_ref());
        (!seen.is_empty()).then_some(Self { given, in_force, prices, seen, reloadable })
    }

    /// Starts the thread that follows the files.
    ///
    /// # Errors
    /// When the system gives no thread or no signal handler.
    pub(crate) fn start(mut self) -> io::Result<Reloading> {
        Reloading::start("config-reload", async move |mut signal: ReloadSignal| {
            self.follow(async move || signal.next().await).await;
        })
    }

    /// Looks every second, and whenever `asked` resolves.
    async fn follow(&mut self, mut asked: impl AsyncFnMut()) {
        let mut ticks = tokio::time::interval(BETWEEN_LOOKS);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut due = false;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = asked() => due = true,
            }
            let looks = again(&self.seen);
            if !due && same(&looks, &self.seen) {
                continue;
            }
            tokio::time::sleep(SETTLE).await;
            // The file is still being written; the next look tries again.
            if same(&looks, &again(&self.seen)) {
                self.reload(looks);
                due = false;
            }
        }
    }

    fn reload(&mut self, looks: Vec<FileRead>) {
        match Config::read(&self.given) {
            Ok(config) => self.take(config),
            Err(problems) => self.refuse(&problems, looks),
        }
    }

    fn take(&mut self, config: Config) {
        self.seen = seen(config.sources.file.clone(), config.prices.file.as_ref());
        let differing = differing(&self.in_force, &config.sources.merged);
        let (mut changed, waiting): (Vec<_>, Vec<_>) = differing.into_iter().partition(|setting| setting.is_reloadable);
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

    /// Also watches files that the refused configuration is the first to name: when one appears, the reload is tried
    /// again.
    fn refuse(&mut self, problems: &[ConfigError], mut looks: Vec<FileRead>) {
        let (attempted, ..) = Sources::read(&self.given);
        for path in attempted.paths() {
            if looks.iter().all(|look| look.path != path) {
                looks.push(FileRead::at(path));
            }
        }
        self.seen = looks;
        self.reloadable.metrics.reloaded(false);
        let problems = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        tracing::error!(problems, "Configuration not reloaded, the one in use stays: {problems}");
    }
}

impl FileRead {
    fn at(path: PathBuf) -> Self {
        Self { found: content(&path), path }
    }

    fn is_like(&self, other: &Self) -> bool {
        let is_alike = match (&self.found, &other.found) {
            (Ok(one), Ok(other)) => one.matches(other.expose().as_bytes()),
            (Err(one), Err(other)) => one.kind() == other.kind(),
            _ => false,
        };
        is_alike && self.path == other.path
    }
}

fn seen(file: Option<TextFile>, prices: Option<&TextFile>) -> Vec<FileRead> {
    let files = file.into_iter().chain(prices.cloned());
    files.map(|file| FileRead { path: file.path, found: Ok(file.content) }).collect()
}

fn again(looks: &[FileRead]) -> Vec<FileRead> {
    looks.iter().map(|look| FileRead::at(look.path.clone())).collect()
}

fn same(some: &[FileRead], others: &[FileRead]) -> bool {
    some.len() == others.len() && some.iter().zip(others).all(|(one, other)| one.is_like(other))
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
