//! The signals that stop the service: SIGTERM and SIGINT, or Ctrl+C and shutdown on Windows.

use std::io;

/// Listens from its creation on, so that a signal right after the start is not lost.
pub struct StopSignals(imp::Signals);

impl StopSignals {
    /// Starts to listen. Must be called inside a runtime. Fails when the system refuses a handler.
    pub fn listen() -> io::Result<Self> {
        imp::Signals::listen().map(Self)
    }

    pub async fn next(&mut self) {
        self.0.next().await;
    }
}

#[cfg(unix)]
mod imp {
    use std::io;

    use tokio::signal::unix::{Signal, SignalKind, signal};

    pub(super) struct Signals {
        terminate: Signal,
        interrupt: Signal,
    }

    impl Signals {
        pub(super) fn listen() -> io::Result<Self> {
            // Without a handler SIGHUP would end the process. The service reloads its files at SIGHUP (`reload`).
            drop(signal(SignalKind::hangup())?);
            Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
        }

        pub(super) async fn next(&mut self) {
            tokio::select! {
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
            }
        }
    }
}

#[cfg(windows)]
mod imp {
    use std::io;

    use tokio::signal::windows::{CtrlC, CtrlShutdown, ctrl_c, ctrl_shutdown};

    pub struct Signals {
        interrupt: CtrlC,
        shutdown: CtrlShutdown,
    }

    impl Signals {
        pub fn listen() -> io::Result<Self> {
            Ok(Self { interrupt: ctrl_c()?, shutdown: ctrl_shutdown()? })
        }

        pub async fn next(&mut self) {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.shutdown.recv() => {}
            }
        }
    }
}
