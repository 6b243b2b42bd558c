//! The signals that stop the service: SIGTERM and SIGINT, or Ctrl+C and shutdown on Windows.

pub use self::imp::StopSignals;

#[cfg(unix)]
mod imp {
    use std::io;

    use tokio::signal::unix::{Signal, SignalKind, signal};

    /// Listens from its creation on, so that a signal right after the start is not lost.
    pub struct StopSignals {
        terminate: Signal,
        interrupt: Signal,
    }

    impl StopSignals {
        /// Starts to listen. Must be called inside a runtime. Fails when the system refuses a handler.
        pub fn listen() -> io::Result<Self> {
            // Without a handler SIGHUP would end the process. The service reloads its files at SIGHUP (`reload`).
            drop(signal(SignalKind::hangup())?);
            Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
        }

        pub async fn next(&mut self) {
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

    /// Listens from its creation on, so that a signal right after the start is not lost.
    pub struct StopSignals {
        interrupt: CtrlC,
        shutdown: CtrlShutdown,
    }

    impl StopSignals {
        /// Starts to listen. Must be called inside a runtime. Fails when the system refuses a handler.
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
