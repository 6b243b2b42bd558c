//! The thread that accepts the connections of all workers.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::Semaphore;

use crate::transport::serve::{Dispatched, Dispatcher};
use crate::transport::shutdown::Shutdown;

/// Starts the thread, and returns what each of `workers` workers gets. It ends when the shutdown begins.
pub(crate) fn start(
    listener: std::net::TcpListener,
    workers: usize,
    slots: Arc<Semaphore>,
    shutdown: Shutdown,
) -> io::Result<(JoinHandle<()>, Vec<Dispatched>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (dispatcher, connections) = Dispatcher::new(slots, workers);
    let listener = {
        let _entered = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    let thread = std::thread::Builder::new()
        .name("acceptor".into())
        .spawn(move || runtime.block_on(dispatcher.run(listener, shutdown)))?;
    Ok((thread, connections))
}
