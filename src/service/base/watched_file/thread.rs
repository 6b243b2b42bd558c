//! A thread that follows files.

use std::io;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::signal::ReloadSignal;

/// Runs until it is ended.
pub(crate) struct Reloading {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Reloading {
    /// Does `work` on a thread of its own, which may wait for a disk. From now on SIGHUP does not end the process: `work`
    /// has it as a signal.
    ///
    /// # Errors
    /// When the system gives no thread or no signal handler.
    pub(crate) fn start<F: Future<Output = ()>>(
        name: &str,
        work: impl FnOnce(ReloadSignal) -> F + Send + 'static,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let signal = {
            let _inside = runtime.enter();
            ReloadSignal::listen()?
        };
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name(name.into()).spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    // The other end says nothing: it is dropped.
                    _ = stopped => {}
                    () = work(signal) => {}
                }
            });
        })?;
        Ok(Self { stop, thread })
    }

    /// Ends the thread and waits for its end.
    pub(crate) fn end(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("A thread that follows files panicked");
        }
    }
}
