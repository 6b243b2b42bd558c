//! Follows the file with the signing keys and puts what it says into the ring.
//!
//! The file is read every second and at SIGHUP: a content is what counts, so it does not matter whether the file was
//! written, replaced by another or is a link that points elsewhere now. A content is believed when a second look finds it
//! unchanged, so a file that is being written is left alone until it is whole. What cannot be used is told once, counted,
//! and changes nothing.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::MissedTickBehavior;

use super::key_file::{KeyFile, content};
use super::reload_signal::ReloadSignal;
use super::{KeyFileFault, KeyList, KeyRing};
use crate::secret::Secret;

/// One file and the ring that follows it.
pub(in crate::service) struct KeyReload {
    path: PathBuf,
    keys: Arc<KeyRing>,
    /// What was there when the keys were last read, good or bad.
    seen: Look,
}

/// The thread that does it.
pub(in crate::service) struct Reloading {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// What a look at the file finds.
type Look = io::Result<Secret>;

impl KeyReload {
    /// `keys` holds what `file` said when it was read.
    pub(in crate::service) fn new(file: KeyFile, keys: Arc<KeyRing>) -> Self {
        Self { path: file.path, keys, seen: Ok(file.content) }
    }

    /// Follows the file on a thread of its own, which may wait for a disk.
    ///
    /// # Errors
    /// When the system gives no thread or no signal handler.
    pub(in crate::service) fn start(mut self) -> io::Result<Reloading> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut signal = {
            let _inside = runtime.enter();
            ReloadSignal::listen()?
        };
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("key-reload".into()).spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    // The other end says nothing: it is dropped.
                    _ = stopped => {}
                    () = self.follow(async move || signal.next().await) => {}
                }
            });
        })?;
        Ok(Reloading { stop, thread })
    }

    /// Looks every second, and whenever `asked` says so.
    async fn follow(&mut self, mut asked: impl AsyncFnMut()) {
        let mut looks = tokio::time::interval(BETWEEN_LOOKS);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut due = false;
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                () = asked() => due = true,
            }
            let look = content(&self.path);
            if !due && same(&look, &self.seen) {
                continue;
            }
            tokio::time::sleep(SETTLE).await;
            // Somebody is writing; the next look is as good.
            if same(&look, &content(&self.path)) {
                self.reload(look);
                due = false;
            }
        }
    }

    fn reload(&mut self, look: Look) {
        let path = self.path.display();
        let read = match &look {
            Ok(content) => KeyList::from_file(content.expose()).map_err(KeyFileFault::Keys),
            Err(error) => Err(KeyFileFault::Unreadable(io::Error::new(error.kind(), error.to_string()))),
        };
        match read {
            Ok(list) => {
                self.keys.replace(&list);
                let kids: Vec<_> = list.keys().iter().map(|key| key.kid.as_str()).collect();
                let (signs, kids) = (kids[0], kids.join(","));
                tracing::info!(%path, signs, kids, "Signing keys reloaded: {signs} signs, {kids} verify");
            }
            Err(fault) => {
                self.keys.count_failed_reload();
                tracing::error!(%path, %fault, "Signing keys not reloaded, those in use stay: {path}: {fault}");
            }
        }
        self.seen = look;
    }
}

impl Reloading {
    /// Ends the thread and waits for its end.
    pub(in crate::service) fn end(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("The thread that reloads signing keys panicked");
        }
    }
}

/// Whether two looks found the same content or the same kind of failure.
fn same(one: &Look, other: &Look) -> bool {
    match (one, other) {
        (Ok(one), Ok(other)) => one.matches(other.expose().as_bytes()),
        (Err(one), Err(other)) => one.kind() == other.kind(),
        _ => false,
    }
}

const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// A writer that is not done within this time writes by hand.
const SETTLE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests;
