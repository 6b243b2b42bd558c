//! SIGHUP, which asks for files to be read again. Systems other than Unix have no such signal.

use std::io;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

pub(crate) struct ReloadSignal {
    #[cfg(unix)]
    hangup: Signal,
}

impl ReloadSignal {
    /// Must be called inside a runtime. Fails when the system refuses a handler.
    #[cfg_attr(not(unix), allow(clippy::unnecessary_wraps, reason = "on Unix it can fail"))]
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            hangup: signal(SignalKind::hangup())?,
        })
    }

    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        if self.hangup.recv().await.is_some() {
            return;
        }
        // Without a signal, and after the end of its stream, the wait goes on for ever.
        std::future::pending::<()>().await;
    }
}
