//! SIGHUP, which asks for files to be read again. Systems other than Unix have no such signal.

use std::io;

pub(crate) struct ReloadSignal(imp::Hangup);

impl ReloadSignal {
    /// Must be called inside a runtime. Fails when the system refuses a handler.
    pub(crate) fn listen() -> io::Result<Self> {
        imp::Hangup::listen().map(Self)
    }

    pub(crate) async fn next(&mut self) {
        self.0.next().await;
    }
}

#[cfg(unix)]
mod imp {
    use std::io;

    use tokio::signal::unix::{self, SignalKind, signal};

    pub(super) struct Hangup(unix::Signal);

    impl Hangup {
        pub(super) fn listen() -> io::Result<Self> {
            signal(SignalKind::hangup()).map(Self)
        }

        pub(super) async fn next(&mut self) {
            // A closed stream would end the wait at once and for ever.
            if self.0.recv().await.is_none() {
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(not(unix))]
mod imp {
    use std::io;

    pub(super) struct Hangup;

    impl Hangup {
        #[allow(clippy::unnecessary_wraps, reason = "the same face as on Unix, where it can fail")]
        pub(super) fn listen() -> io::Result<Self> {
            Ok(Self)
        }

        pub(super) async fn next(&mut self) {
            std::future::pending::<()>().await;
        }
    }
}
