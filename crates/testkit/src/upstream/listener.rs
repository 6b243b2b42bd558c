//! The threads that accept connections, each with its own runtime, and their end.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::ServerConfig;
use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::stage::Stage;
use super::{http1, http2};

/// Accepts until it is dropped; then all connections are closed, and its threads have ended.
pub(super) struct Listener {
    pub(super) port: u16,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl Listener {
    /// Listens on this port of 127.0.0.1.
    pub(super) fn start(
        port: u16,
        threads: usize,
        tls: Option<&Arc<ServerConfig>>,
        stage: &Arc<Stage>,
    ) -> io::Result<Self> {
        let listener = listen(port)?;
        let port = listener.local_addr()?.port();
        let stop = watch::Sender::new(false);
        let mut running = Self { port, stop, threads: Vec::new() };
        for _ in 0..threads.max(1) {
            let door = Door { stage: Arc::clone(stage), tls: tls.cloned().map(TlsAcceptor::from) };
            let (listener, stop) = (listener.try_clone()?, running.stop.subscribe());
            running.threads.push(std::thread::Builder::new().name("stand-in".into()).spawn(move || {
                run(listener, &door, stop);
            })?);
        }
        Ok(running)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        for thread in self.threads.drain(..) {
            // A thread that panicked has printed its message already.
            let _ = thread.join();
        }
    }
}

/// The shared parts that a new connection needs.
#[derive(Clone)]
struct Door {
    stage: Arc<Stage>,
    tls: Option<TlsAcceptor>,
}

impl Door {
    async fn enter(self, socket: TcpStream, number: usize) {
        let Some(tls) = self.tls else {
            return http1::serve(socket, number, self.stage).await;
        };
        // A failed handshake is the client's to report.
        let Ok(socket) = tls.accept(socket).await else {
            return;
        };
        if socket.get_ref().1.alpn_protocol() == Some(b"h2") {
            http2::serve(socket, number, self.stage).await;
        } else {
            http1::serve(socket, number, self.stage).await;
        }
    }
}

fn listen(port: u16) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    #[cfg(unix)] // on Windows the option would let two servers share a port
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn run(listener: StdListener, door: &Door, mut stop: watch::Receiver<bool>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be built");
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener).expect("the listener is non-blocking");
        tokio::select! {
            _ = stop.changed() => {}
            () = accept(&listener, door) => {}
        }
    });
}

async fn accept(listener: &TcpListener, door: &Door) {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                let number = door.stage.journal.accept();
                // Without this each small write would wait for the peer's delayed acknowledgement.
                let _ = socket.set_nodelay(true);
                tokio::spawn(door.clone().enter(socket, number));
            }
            // Out of file descriptors, which accepting again at once would not cure.
            Err(_) => tokio::time::sleep(RETRY_ACCEPT).await,
        }
    }
}

const RETRY_ACCEPT: Duration = Duration::from_millis(10);

/// More than a benchmark's clients, which all connect at once.
const BACKLOG: i32 = 1024;
