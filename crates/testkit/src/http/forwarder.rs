//! A TCP forwarder that a test cuts, closes and points elsewhere, as networks and failovers do.

use std::thread::JoinHandle;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Has a thread of its own, so that a test may block on a program that connects through it; stops when dropped.
pub struct Forwarder {
    port: u16,
    /// Where connections lead; every change of it ends or freezes the open ones.
    way: Option<watch::Sender<Way>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone, Copy)]
struct Way {
    port: u16,
    /// Open connections stay open and carry nothing, as after a change of the network.
    freezes: bool,
}

impl Forwarder {
    /// Forwards to `port` of this machine.
    pub fn to(port: u16) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket can be non-blocking");
        let own_port = listener.local_addr().expect("it is bound").port();
        let (way, watched) = watch::channel(Way { port, freezes: false });
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
        self.way().send_modify(|way| way.freezes = false);
    }

    /// Carries nothing over the open connections any more, and leaves them open. New ones are forwarded as before.
    pub fn freeze(&self) {
        self.way().send_modify(|way| way.freezes = true);
    }

    /// Breaks every connection. New ones go to `port`.
    pub fn lead_to(&self, port: u16) {
        self.way().send_replace(Way { port, freezes: false });
    }

    fn way(&self) -> &watch::Sender<Way> {
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
async fn accept(listener: &TcpListener, mut way: watch::Receiver<Way>) {
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
async fn forward(mut here: TcpStream, mut way: watch::Receiver<Way>) {
    let port = way.borrow_and_update().port;
    let Ok(mut there) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    // An error here makes the connection slower, not wrong.
    let _ = (here.set_nodelay(true), there.set_nodelay(true));
    tokio::select! {
        _ = copy_bidirectional(&mut here, &mut there) => {}
        _ = way.changed() => {
            while way.borrow_and_update().freezes && way.changed().await.is_ok() {}
        }
    }
}
