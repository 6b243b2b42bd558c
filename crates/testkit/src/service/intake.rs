//! A server that keeps all posts, and misbehaves on demand: an OpenTelemetry collector, or Sentry.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};

/// Has a thread of its own, so that a test may block on a service that ends; stops when dropped.
pub struct Intake {
    pub url: String,
    state: Arc<State>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// One request that was posted.
#[derive(Debug, Clone)]
pub struct Post {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Post {
    /// All of it as text, as far as it is text.
    pub fn text(&self) -> String {
        format!("{}\n{:?}\n{}", self.path, self.headers, String::from_utf8_lossy(&self.body))
    }
}

/// How the intake answers posts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mood {
    #[default]
    Takes,
    /// Answers 200 and these bytes.
    Says(&'static [u8]),
    Refuses(u16),
    Hangs,
}

#[derive(Default)]
struct State {
    posts: Mutex<Vec<Post>>,
    mood: Mutex<Mood>,
    changed: Notify,
}

impl Intake {
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (state, (end, ended)) = (Arc::new(State::default()), oneshot::channel::<()>());
        let serving = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                tokio::select! {
                    () = accept(TcpListener::from_std(listener).unwrap(), serving) => {}
                    _ = ended => {}
                }
            });
        });
        Self { url, state, end: Some(end), thread: Some(thread) }
    }

    /// Sets the answer to all posts from now on.
    pub fn answer(&self, mood: Mood) {
        *self.state.mood.lock().unwrap() = mood;
    }

    /// All posts so far.
    pub fn posts(&self) -> Vec<Post> {
        self.state.posts.lock().unwrap().clone()
    }

    /// Waits until there were `count` posts, and panics after 10 s.
    pub async fn wait_for(&self, count: usize) -> Vec<Post> {
        let enough = async {
            loop {
                let changed = self.state.changed.notified();
                let posts = self.posts();
                if posts.len() >= count {
                    return posts;
                }
                changed.await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(10), enough).await;
        waited.unwrap_or_else(|_| panic!("waited for {count} posts, have {}", self.posts().len()))
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A bound address on which no server listens.
pub struct Nobody {
    pub url: String,
    _socket: socket2::Socket,
}

impl Nobody {
    pub fn anywhere() -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        Self { url: format!("http://{address}"), _socket: socket }
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&state)));
            // An error at the end of a connection is intended by the test.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>, state: Arc<State>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    // A post that breaks off counts as empty.
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let post = Post { path: head.uri.path().to_owned(), headers: head.headers, body };
    state.posts.lock().unwrap().push(post);
    state.changed.notify_waiters();
    let mood = *state.mood.lock().unwrap();
    let (status, body) = match mood {
        Mood::Takes => (200, &b""[..]),
        Mood::Says(bytes) => (200, bytes),
        Mood::Refuses(status) => (status, &b""[..]),
        Mood::Hangs => std::future::pending().await,
    };
    let mut response = Response::new(Full::new(Bytes::from_static(body)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    Ok(response)
}
