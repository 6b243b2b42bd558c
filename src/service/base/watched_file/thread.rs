//! The thread on which files are followed: a read may wait for a disk, and workers must not.

use std::io;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::signal::ReloadSignal;

pub(crate) struct Reloading {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Reloading {
    /// Does `work` on a thread of its own. From now on SIGHUP does not end the process: `work` receives it. Fails when
    /// the system gives no thread or no signal handler.
    pub(super) fn start<F: Future<Output = ()>>(
        work: impl FnOnce(ReloadSignal) -> F + Send + 'static,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let signal = {
            let _inside = runtime.enter();
            ReloadSignal::listen()?
        };
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("reload".into()).spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    // The sender sends nothing: it is dropped.
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
