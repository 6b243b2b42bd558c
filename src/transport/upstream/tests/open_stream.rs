//! Shared connections with a silent stream on them, which may have died unseen.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use h2::server::handshake;
use http::{Method, Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::advance;

use super::{LONG_FOR_A_PROBE, is_pending, stand_still};
use crate::transport::buffered_body::BufferedBody;
use crate::transport::connect::{Connector, HttpVersion};
use crate::transport::origin::Origin;
use crate::transport::upstream::{ProbeRule, Upstream};

#[tokio::test(start_paused = true)]
async fn f81_a_connection_with_a_silent_stream_is_proved_and_replaced_when_it_is_dead() {
    let _still = stand_still();
    let (upstream, listener) = upstream(Duration::ZERO).await;
    let (seen, mut received) = unbounded_channel();
    let cut = Arc::new(Notify::new());
    tokio::spawn(serve(listener, seen, Arc::clone(&cut)));
    let mut open = Vec::new();
    for expected in [&["0 GET"][..], &["0 HEAD", "0 GET"], &["0 HEAD", "0 GET"]] {
        open.push(upstream.send(request(), PATIENCE).await.unwrap());
        for each in expected {
            assert_eq!(received.recv().await.unwrap(), *each);
        }
    }
    cut.notify_one();
    let mut late = pin!(upstream.send(request(), PATIENCE));
    assert!(is_pending(late.as_mut()).await);
    advance(LONG_FOR_A_PROBE).await;
    open.push(late.await.unwrap());
    assert_eq!(received.recv().await.unwrap(), "1 GET", "over a new connection");
    open.push(upstream.send(request(), PATIENCE).await.unwrap());
    assert_eq!(received.recv().await.unwrap(), "1 HEAD", "which is the pool's now");
}

#[tokio::test]
async fn f81_a_connection_over_which_something_came_of_late_needs_no_proof() {
    let (upstream, listener) = upstream(Duration::from_secs(600)).await;
    let (seen, mut received) = unbounded_channel();
    tokio::spawn(serve(listener, seen, Arc::new(Notify::new())));
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(upstream.send(request(), PATIENCE).await.unwrap());
        assert_eq!(received.recv().await.unwrap(), "0 GET");
    }
}

async fn upstream(after: Duration) -> (Upstream, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = Arc::new(Origin::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap());
    let connector = Connector::new(origin, None, HttpVersion::Http2, PATIENCE);
    (Upstream::probing(connector, ProbeRule { after, path: "/probe" }), listener)
}

fn request() -> Request<BufferedBody> {
    Request::get("/v1/models").body(BufferedBody::default()).unwrap()
}

/// Answers each `HEAD`, and begins an answer to each other request. After the `cut` the first connection is dead.
async fn serve(listener: TcpListener, seen: UnboundedSender<String>, cut: Arc<Notify>) {
    for number in 0.. {
        let (socket, _) = listener.accept().await.unwrap();
        let (seen, cut) = (seen.clone(), Arc::clone(&cut));
        tokio::spawn(async move {
            let answering = pin!(answer_on(socket, number, seen));
            tokio::select! {
                biased;
                () = cut.notified(), if number == 0 => pending::<()>().await,
                () = answering => {}
            }
        });
    }
}

async fn answer_on(socket: TcpStream, number: usize, seen: UnboundedSender<String>) {
    let mut server = handshake(socket).await.unwrap();
    let mut open = Vec::new();
    while let Some(Ok((request, mut respond))) = server.accept().await {
        let is_probe = request.method() == Method::HEAD;
        open.push(respond.send_response(Response::new(()), is_probe).unwrap());
        if seen.send(format!("{number} {}", request.method())).is_err() {
            return;
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
