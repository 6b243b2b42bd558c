//! The HTTP proxy of a company: opens tunnels (`CONNECT`) to one port of this machine, whatever host it is asked for, or refuses.

use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Stops, with all its tunnels, when dropped.
pub struct ConnectProxy {
    pub port: u16,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

struct State {
    leads_to: u16,
    /// The value of `Proxy-Authorization` that it wants, if it wants one.
    wants: Option<String>,
    /// What it answers in place of opening a tunnel.
    refusal: Mutex<Option<String>>,
    /// The heads that it was sent.
    heads: Mutex<Vec<String>>,
}

impl ConnectProxy {
    /// Opens tunnels to `port` of this machine, for everybody.
    pub async fn to(port: u16) -> Self {
        Self::start(port, None).await
    }

    /// Opens tunnels for this user only (RFC 7617).
    pub async fn to_for(port: u16, user: &str, password: &str) -> Self {
        let credentials = BASE64_STANDARD.encode(format!("{user}:{password}"));
        Self::start(port, Some(format!("Basic {credentials}"))).await
    }

    async fn start(leads_to: u16, wants: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let state = Arc::new(State { leads_to, wants, refusal: Mutex::default(), heads: Mutex::default() });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&state)));
        Self { port, state, _tasks: tasks }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its address with `user`, which is percent-encoded and may have a password.
    pub fn url_for(&self, user: &str) -> String {
        format!("http://{user}@127.0.0.1:{}", self.port)
    }

    /// Answers `answer` from now on and closes; an empty one closes at once.
    pub fn refuse(&self, answer: &str) {
        *self.state.refusal.lock().expect("no test panicked with it") = Some(answer.to_owned());
    }

    /// The heads of all requests for a tunnel, also of those that were refused.
    pub fn heads(&self) -> Vec<String> {
        self.state.heads.lock().expect("no test panicked with it").clone()
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut tunnels = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        tunnels.spawn(serve(stream, Arc::clone(&state)));
        while tunnels.try_join_next().is_some() {}
    }
}

/// Serves one connection. A client that is refused or leaves sees only the end of its connection.
async fn serve(mut here: TcpStream, state: Arc<State>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if here.read_buf(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let is_known = state.wants.as_ref().is_none_or(|wanted| {
        let line = format!("proxy-authorization: {wanted}");
        head.lines().any(|found| found.eq_ignore_ascii_case(&line) && found.ends_with(wanted.as_str()))
    });
    state.heads.lock().expect("no test panicked with it").push(head);
    let refusal = state.refusal.lock().expect("no test panicked with it").clone();
    let refusal = refusal.or_else(|| (!is_known).then(|| WANTS_PASSWORD.to_owned()));
    if let Some(answer) = refusal {
        let _ = here.write_all(answer.as_bytes()).await;
        return;
    }
    let Ok(mut there) = TcpStream::connect(("127.0.0.1", state.leads_to)).await else { return };
    if here.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.is_ok() {
        let _ = copy_bidirectional(&mut here, &mut there).await;
    }
}

const WANTS_PASSWORD: &str =
    "HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\ncontent-length: 0\r\n\r\n";
