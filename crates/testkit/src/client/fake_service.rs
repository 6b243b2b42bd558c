//! A scripted service on 127.0.0.1: answers the client's five kinds of calls as told, counts them, and misbehaves.
//!
//! Without a script it is healthy, issues the tokens `canary-wrapper-1`, `-2` … and serves `/v1` to the newest.

mod answer;
mod body;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

pub use self::answer::Say;
use self::body::Body;

/// The kinds of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    Health,
    Bootstrap,
    Refresh,
    V1,
    /// `HEAD /`, by which the client proves a connection that was idle.
    Probe,
}

/// A call as it was received.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub target: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// Stops, with all its connections, when dropped.
pub struct FakeService {
    pub url: String,
    pub port: u16,
    state: Arc<State>,
    /// Dropping this ends the accept loop, and with it its connections.
    tasks: JoinSet<()>,
}

#[derive(Default)]
pub(crate) struct State {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Default)]
pub(crate) struct Inner {
    once: HashMap<Route, VecDeque<Say>>,
    always: HashMap<Route, Say>,
    seen: HashMap<Route, Vec<Seen>>,
    gone: Vec<Instant>,
    connections: usize,
    pub(crate) issued: usize,
    pub(crate) device: String,
    pub(crate) expires_in: u64,
    pub(crate) refresh_in: u64,
    pub(crate) base_url: Option<String>,
    pub(crate) regions: Vec<String>,
    oldest_good: usize,
    /// Whether it takes the tokens of other services, too.
    takes_all: bool,
}

impl FakeService {
    pub async fn start() -> Self {
        Self::start_on(0).await
    }

    /// Starts on a port that the test knows is free, as a restarted service does.
    pub async fn start_on(port: u16) -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(([127, 0, 0, 1], port).into()).unwrap();
        let listener = socket.listen(1024).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        state.lock().expires_in = 86_400;
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&state)));
        Self { url: format!("http://127.0.0.1:{port}"), port, state, tasks }
    }

    /// Answers every call of this kind with `say`, after the answers of [`once`](Self::once).
    pub fn always(&self, route: Route, say: Say) {
        self.state.lock().always.insert(route, say);
    }

    /// Answers one call of this kind with `say`; several are used in the order they were given.
    pub fn once(&self, route: Route, say: Say) {
        self.state.lock().once.entry(route).or_default().push_back(say);
    }

    /// Answers this kind of calls as at first.
    pub fn heal(&self, route: Route) {
        self.state.lock().always.remove(&route);
        self.state.lock().once.remove(&route);
    }

    /// Sets the lifetime of the tokens issued from now on, and the time after which a client should refresh them.
    pub fn issue_for(&self, expires_in: u64, refresh_in: u64) {
        let mut inner = self.state.lock();
        (inner.expires_in, inner.refresh_in) = (expires_in, refresh_in);
    }

    /// Sets the `base_url` of the tokens issued from now on.
    pub fn name_base_url(&self, url: &str) {
        self.state.lock().base_url = Some(url.to_owned());
    }

    /// Announces these regions with the tokens issued from now on.
    pub fn name_regions(&self, urls: &[&str]) {
        self.state.lock().regions = urls.iter().map(ToString::to_string).collect();
    }

    /// Takes the tokens of other services, and knows `device`, as a region does that shares their signing secrets.
    pub fn is_region_for(&self, device: &str) {
        let mut inner = self.state.lock();
        (inner.takes_all, inner.device) = (true, device.to_owned());
    }

    /// Answers `token_expired` on `/v1` to every token issued so far.
    pub fn expire_tokens(&self) {
        let mut inner = self.state.lock();
        inner.oldest_good = inner.issued + 1;
    }

    pub fn count(&self, route: Route) -> usize {
        self.seen(route).len()
    }

    /// Bootstraps and refreshes together.
    pub fn tokens_asked(&self) -> usize {
        self.count(Route::Bootstrap) + self.count(Route::Refresh)
    }

    pub fn seen(&self, route: Route) -> Vec<Seen> {
        self.state.lock().seen.get(&route).cloned().unwrap_or_default()
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.state.lock().connections
    }

    /// Returns when there were `count` calls; panics after 10 s.
    pub async fn wait_for(&self, route: Route, count: usize) {
        self.wait(&format!("{count} calls of {route:?}"), |inner| {
            (inner.seen.get(&route).map_or(0, Vec::len) >= count).then_some(())
        })
        .await;
    }

    /// Waits for a caller that leaves before its answer is whole, and returns when it left; each is reported once.
    /// Panics after 10 s.
    pub async fn wait_for_gone(&self) -> Instant {
        self.wait("a caller that leaves", |inner| inner.gone.pop()).await
    }

    async fn wait<T>(&self, what: &str, look: impl Fn(&mut Inner) -> Option<T>) -> T {
        let found = async {
            loop {
                let changed = self.state.changed.notified();
                let found = look(&mut self.state.lock());
                if let Some(found) = found {
                    return found;
                }
                changed.await;
            }
        };
        match tokio::time::timeout(Duration::from_secs(10), found).await {
            Ok(found) => found,
            Err(_) => panic!("waited for {what}; bootstraps and refreshes: {}", self.tokens_asked()),
        }
    }

    /// Stops listening and breaks all connections: new connections are refused.
    pub async fn stop(mut self) -> u16 {
        self.tasks.shutdown().await;
        self.port
    }
}

impl State {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub(crate) fn caller_left(&self) {
        self.lock().gone.push(Instant::now());
        self.changed.notify_waiters();
    }

    fn note(&self, route: Route, seen: Seen) -> Say {
        let mut inner = self.lock();
        let say = inner.script(route, &seen);
        inner.seen.entry(route).or_default().push(seen);
        drop(inner);
        self.changed.notify_waiters();
        say
    }
}

impl Inner {
    fn script(&mut self, route: Route, seen: &Seen) -> Say {
        if let Some(say) = self.once.get_mut(&route).and_then(VecDeque::pop_front) {
            return say;
        }
        if let Some(say) = self.always.get(&route) {
            return say.clone();
        }
        match route {
            Route::Health => Say::json(200, r#"{"status":"ok"}"#),
            Route::Bootstrap | Route::Refresh => Say::token(),
            Route::V1 if self.knows(seen) => Say::json(200, r#"{"type":"message"}"#),
            Route::V1 => Say::error("token_expired"),
            Route::Probe => Say::bytes(200, ""),
        }
    }

    fn knows(&self, seen: &Seen) -> bool {
        let token = seen.header("authorization").and_then(|value| value.strip_prefix("Bearer sk-ant-proxy-"));
        let number = token.and_then(|token| token.strip_prefix("canary-wrapper-")?.parse::<usize>().ok());
        number.is_some_and(|number| self.takes_all || (number >= self.oldest_good && number <= self.issued))
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        state.lock().connections += 1;
        connections.spawn(serve(stream, Arc::clone(&state)));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(request, Arc::clone(&state)));
    // An error at the end of a connection is intended by the test.
    let _ = hyper::server::conn::http1::Builder::new()
        .max_buf_size(1 << 20)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(request: Request<Incoming>, state: Arc<State>) -> Result<Response<Body>, Cut> {
    let (head, body) = request.into_parts();
    let route = match head.uri.path() {
        "/healthz" => Route::Health,
        "/bootstrap" => Route::Bootstrap,
        "/refresh" => Route::Refresh,
        "/" => Route::Probe,
        _ => Route::V1,
    };
    let seen = |body| Seen {
        method: head.method.to_string(),
        target: head.uri.to_string(),
        headers: head.headers.clone(),
        body,
    };
    let early =
        route == Route::V1 && state.lock().once.get(&route).and_then(VecDeque::front).is_some_and(Say::is_early);
    let whole = if early { Bytes::new() } else { body.collect().await.map_err(|_| Cut)?.to_bytes() };
    let seen = seen(whole);
    let say = state.note(route, seen.clone());
    say.perform(&seen, &state).await.ok_or(Cut)
}

/// The error that breaks a connection.
#[derive(Debug, thiserror::Error)]
#[error("cut")]
struct Cut;
