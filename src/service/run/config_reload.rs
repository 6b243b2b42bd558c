//! Follows the configuration file and the price file, and puts into force what can change without a restart.
//!
//! Both are read every second and at SIGHUP. A content is believed when a second look finds it unchanged, so a file that is
//! being written is left alone until it is whole. Then the whole configuration is read as at the start. If anything is wrong
//! with it, all of it is told once, counted, and nothing changes.

use std::io;
use std::path::PathBuf;

use tokio::time::MissedTickBehavior;

use crate::secret::Secret;
use crate::service::base::text_file::{TextFile, content};
use crate::service::base::watched_file::{BETWEEN_LOOKS, ReloadSignal, Reloading, SETTLE};
use crate::service::config::{Config, ConfigProblem, Flags, Sources, differing};
use crate::service::run::reload::{Live, is_changeable};

/// The files, and the parts of the service that follow them.
pub(crate) struct ConfigReload {
    /// What flags and variables say.
    given: Flags,
    /// The settings in force.
    in_force: Flags,
    /// The price file in force.
    prices: Option<TextFile>,
    /// What was there when the files were last read, good or bad.
    seen: Vec<Look>,
    live: Live,
}

/// What a look at one file finds.
struct Look {
    path: PathBuf,
    found: io::Result<Secret>,
}

impl ConfigReload {
    /// `live` is as these say. None if there is no file to follow.
    pub(crate) fn new(sources: Sources, prices: Option<TextFile>, live: Live) -> Option<Self> {
        let Sources { given, merged: in_force, file, .. } = sources;
        let seen = seen(file, prices.as_ref());
        (!seen.is_empty()).then_some(Self { given, in_force, prices, seen, live })
    }

    /// Follows the files.
    ///
    /// # Errors
    /// When the system gives no thread or no signal handler.
    pub(crate) fn start(mut self) -> io::Result<Reloading> {
        Reloading::start("config-reload", async move |mut signal: ReloadSignal| {
            self.follow(async move || signal.next().await).await;
        })
    }

    /// Looks every second, and whenever `asked` says so.
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
            // Somebody is writing; the next look is as good.
            if same(&looks, &again(&self.seen)) {
                self.reload(looks);
                due = false;
            }
        }
    }

    fn reload(&mut self, looks: Vec<Look>) {
        match Config::read(&self.given) {
            Ok(config) => self.take(config),
            Err(problems) => self.refuse(&problems, looks),
        }
    }

    fn take(&mut self, config: Config) {
        self.seen = seen(config.sources.file.clone(), config.prices.file.as_ref());
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
        self.live.take(config);
        self.live.metrics.reloaded(true);
        let changed = if changed.is_empty() { "nothing is new".to_owned() } else { changed.join(", ") };
        tracing::info!(changed, "Configuration reloaded: {changed}");
        if !waiting.is_empty() {
            let waiting = waiting.join(", ");
            tracing::warn!(waiting, "Changed, but in force only after a restart: {waiting}");
        }
    }

    /// The attempt may have been the first to name a file: when that one appears, it is tried again.
    fn refuse(&mut self, problems: &[ConfigProblem], mut looks: Vec<Look>) {
        let (attempted, ..) = Sources::read(&self.given);
        for path in attempted.paths() {
            if looks.iter().all(|look| look.path != path) {
                looks.push(Look::at(path));
            }
        }
        self.seen = looks;
        self.live.metrics.reloaded(false);
        let problems = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        tracing::error!(problems, "Configuration not reloaded, the one in use stays: {problems}");
    }
}

impl Look {
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

/// The files as they were when a configuration was read.
fn seen(file: Option<TextFile>, prices: Option<&TextFile>) -> Vec<Look> {
    let files = file.into_iter().chain(prices.cloned());
    files.map(|file| Look { path: file.path, found: Ok(file.content) }).collect()
}

/// Another look at the same files.
fn again(looks: &[Look]) -> Vec<Look> {
    looks.iter().map(|look| Look::at(look.path.clone())).collect()
}

fn same(some: &[Look], others: &[Look]) -> bool {
    some.len() == others.len() && some.iter().zip(others).all(|(one, other)| one.is_like(other))
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
