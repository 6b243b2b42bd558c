//! Follows files whose changes take effect while the service runs: keys, certificates, settings.
//!
//! Files are read every second and at SIGHUP. Contents are compared, so a file may be written, replaced, or be a link
//! that now points elsewhere. A content is used when a second look finds it unchanged, so a file that is being written
//! is left alone. Files that belong together are looked at together. A follower only reads: the user of a content
//! judges all of it and swaps a pointer to what it makes of it, or reports it once and changes nothing.

mod content;
mod follower;
mod signal;
mod thread;

use std::io;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

pub(crate) use self::content::{Content, FileContent, content};
pub(crate) use self::follower::Follower;
use self::signal::ReloadSignal;
pub(crate) use self::thread::Reloading;

/// `followers` may be empty. Fails when the system gives no thread or no signal handler.
pub(crate) fn start(mut followers: Vec<Follower>) -> io::Result<Reloading> {
    Reloading::start(async move |mut signal: ReloadSignal| {
        follow(&mut followers, async move || signal.next().await).await;
    })
}

/// Looks every second, and whenever `asked` returns.
pub(crate) async fn follow(followers: &mut [Follower], mut asked: impl AsyncFnMut()) {
    let mut looks = tokio::time::interval(BETWEEN_LOOKS);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // The request goes first: when a tick is ready too, a changed file is reloaded once and not twice.
            biased;
            () = asked() => {
                if followers.is_empty() {
                    tracing::info!("SIGHUP: no file is followed, so there is nothing to read again");
                }
                followers.iter_mut().for_each(Follower::ask);
            }
            _ = looks.tick() => {}
        }
        let due: Vec<_> = followers.iter().map(Follower::due).collect();
        if due.iter().all(Option::is_none) {
            continue;
        }
        tokio::time::sleep(SETTLE).await;
        for (follower, look) in followers.iter_mut().zip(due) {
            if let Some(look) = look {
                follower.settle(look);
            }
        }
    }
}

const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// A program writes a file within this time; a person may take longer.
pub(crate) const SETTLE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests;
