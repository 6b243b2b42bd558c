//! A TCP forwarder that a test cuts, closes and points elsewhere, as networks and failovers do.

use std::thread::JoinHandle;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Has a thread of its own, so that a test may block on a program that connects through it; stops when dropped.
pub struct Forwarder {
    port: u16,
    /// The target port; every change of it breaks the open connections.
    way: Option<watch::Sender<u16>>,
    thread: Option<JoinHandle<()>>,
}

impl Forwarder {
    /// Forwards to `port` of this machine.
    pub fn to(port: u16) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket can be non-blocking");
        let own_port = listener.local_addr().expect("it is bound").port();
        let (way, watched) = watch::channel(port);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                accept(&TcpListener::from_std(listener).expect("it is non-blocking"), watched).await;
            });
        });
        Self { port: own_port, way: Some(way), thread: Some(thread) }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Breaks every connection. New ones are forwarded as before.
    pub fn cut(&self) {
        self.way().send_modify(|_| {});
    }

    /// Breaks every connection. New ones go to `port`.
    pub fn lead_to(&self, port: u16) {
        self.way().send_replace(port);
    }

    fn way(&self) -> &watch::Sender<u16> {
        self.way.as_ref().expect("the forwarder runs until it is dropped")
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        drop(self.way.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Forwards connections until the [`Forwarder`] is dropped.
async fn accept(listener: &TcpListener, mut way: watch::Receiver<u16>) {
    loop {
        tokio::select! {
            changed = way.changed() => if changed.is_err() { return },
            accepted = listener.accept() => {
                if let Ok((here, _)) = accepted {
                    tokio::spawn(forward(here, way.clone()));
                }
            }
        }
    }
}

/// Forwards one connection. A client that is refused or cut sees only the end of its connection.
async fn forward(mut here: TcpStream, mut way: watch::Receiver<u16>) {
    let port = *way.borrow_and_update();
    let Ok(mut there) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    // An error here makes the connection slower, not wrong.
    let _ = (here.set_nodelay(true), there.set_nodelay(true));
    tokio::select! {
        _ = copy_bidirectional(&mut here, &mut there) => {}
        _ = way.changed() => {}
    }
}
