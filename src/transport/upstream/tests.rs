mod open_stream;
mod stalled;

use std::io::ErrorKind;
use std::pin::{Pin, pin};
use std::task::Poll;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::advance;

use super::*;
use crate::transport::connect::{HttpVersion, Stream};

#[tokio::test]
async fn f17_an_unwritten_buffered_body_is_resent_once_over_another_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let upstream = upstream(&format!("http://{address}"));
    let (dead, far_end) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (mut dead, (mut far_end, _)) = (dead.unwrap(), far_end.unwrap());
    // The connection looks alive, because nothing can be read from it, but it takes no bytes.
    dead.shutdown().await.unwrap();
    lock(&upstream.0.idle).push_back(H1::new(Stream::Left(dead), |_| false));

    let body = vec![b'x'; 1 << 20];
    let request = Request::post("/v1/messages").body(BufferedBody::whole(&body)).unwrap();
    let mut sending = pin!(upstream.send(request, PATIENCE));
    assert!(is_pending(sending.as_mut()).await);
    assert_eq!(far_end.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    drop(far_end);
    let sent = async { sending.await.unwrap() };
    let (response, received) = tokio::join!(sent, answer_one(&listener, &body));
    assert_eq!(response.status(), 200);
    assert!(received.starts_with(b"POST /v1/messages HTTP/1.1\r\n"));
    assert_eq!(received.windows(4).filter(|bytes| bytes == b"\r\n\r\n").count(), 1);
    assert_eq!(listener.into_std().unwrap().accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[tokio::test(start_paused = true)]
async fn f81_a_pooled_connection_that_answers_is_used_and_one_that_is_silent_is_replaced() {
    let _still = stand_still();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = Arc::new(Origin::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap());
    let connector = Connector::new(origin, None, HttpVersion::Auto, PATIENCE);
    let upstream = Upstream::probing(connector, ProbeRule { after: Duration::ZERO, path: "/probe" });
    let send = || upstream.send(Request::get("/v1/models").body(BufferedBody::default()).unwrap(), PATIENCE);
    let answers = |times| async move { answer_times(listener, times).await };
    let (first, (mut socket, listener)) = tokio::join!(send(), answers(1));
    assert_eq!(first.unwrap().status(), 200);
    assert!(!upstream.has_moved());
    let (second, heads) = tokio::join!(send(), async {
        let probe = answer_on(&mut socket).await;
        [probe, answer_on(&mut socket).await]
    });
    assert_eq!(second.unwrap().status(), 200);
    assert!(heads[0].starts_with("HEAD /probe ") && heads[1].starts_with("GET /v1/models "), "{heads:?}");
    let mut third = pin!(send());
    assert!(is_pending(third.as_mut()).await);
    advance(LONG_FOR_A_PROBE).await;
    let (third, _) = tokio::join!(third, answer_times(listener, 1));
    assert_eq!(third.unwrap().status(), 200, "over a new connection, while the old one is silent");
    drop(socket);
    upstream.move_machine();
    assert!(upstream.has_moved());
}

/// Accepts a connection and answers `times` requests on it.
async fn answer_times(listener: TcpListener, times: usize) -> (TcpStream, TcpListener) {
    let (mut socket, _) = listener.accept().await.unwrap();
    for _ in 0..times {
        answer_on(&mut socket).await;
    }
    (socket, listener)
}

/// Reads one request without a body, answers it, and returns its head.
async fn answer_on(socket: &mut TcpStream) -> String {
    let mut received = Vec::new();
    while !received.ends_with(b"\r\n\r\n") {
        assert!(socket.read_buf(&mut received).await.unwrap() > 0);
    }
    socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    String::from_utf8(received).unwrap()
}

fn upstream(url: &str) -> Upstream {
    let origin = Arc::new(Origin::parse(url).unwrap());
    Upstream::new(Connector::new(origin, None, HttpVersion::Auto, PATIENCE))
}

/// Keeps the paused clock from moving by itself while tasks wait for sockets, until the returned value is dropped.
fn stand_still() -> std::sync::mpsc::Sender<()> {
    let (hold, dropped) = std::sync::mpsc::channel();
    tokio::task::spawn_blocking(move || dropped.recv());
    hold
}

/// Whether one poll of `future` leaves it pending.
async fn is_pending(mut future: Pin<&mut impl Future>) -> bool {
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

/// Accepts a connection, reads a request that ends with `body`, answers it, and returns all that was read.
async fn answer_one(listener: &TcpListener, body: &[u8]) -> Vec<u8> {
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut received = Vec::new();
    while !received.ends_with(body) {
        assert!(socket.read_buf(&mut received).await.unwrap() > 0, "it ends after {} bytes", received.len());
    }
    socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    received
}

const PATIENCE: Duration = Duration::from_secs(10);

/// A new connection is opened when a probe has no answer for so long.
const LONG_FOR_A_PROBE: Duration = Duration::from_secs(1);
