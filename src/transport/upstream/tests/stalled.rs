//! HTTP/2 connections that get nowhere, and clients that leave before a limit ends their requests.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::{Builder, handshake};
use http::{Request, Response, StatusCode};
use tokio::io::{AsyncReadExt, copy, sink};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::{Instant, advance};

use super::stand_still;
use crate::transport::buffered_body::BufferedBody;
use crate::transport::connect::{Connector, HttpVersion};
use crate::transport::origin::Origin;
use crate::transport::upstream::{Upstream, UpstreamError};

/// What the first connection does. It answers each PING, but for the last kind.
#[derive(Debug, Clone, Copy)]
enum Stall {
    TakesNoBytes,
    AnswersNothing,
    SendsNothing,
}

#[tokio::test(start_paused = true)]
async fn f80_clients_that_leave_do_not_keep_a_stalled_connection_in_use() {
    let _still = stand_still();
    let all = async {
        for stall in [Stall::TakesNoBytes, Stall::AnswersNothing, Stall::SendsNothing] {
            for seconds in [1, 3, 8] {
                at_most_two_fail(stall, Duration::from_secs(seconds)).await;
            }
        }
    };
    LocalSet::new().run_until(all).await;
}

/// Fifty requests, two in a second, whose clients leave after `stays`.
async fn at_most_two_fail(stall: Stall, stays: Duration) {
    let (upstream, mut requests, closed) = stalling(stall).await;
    let (mut failed, mut waiting) = (0, VecDeque::new());
    for _ in 0..50 {
        let asking = ask(&upstream);
        if requests.recv().await.unwrap() == 0 {
            failed += 1;
            waiting.push_back((Instant::now(), asking));
        } else {
            assert_eq!(asking.await.unwrap().unwrap(), 200, "{stall:?}, {stays:?}");
        }
        advance(Duration::from_millis(500)).await;
        while waiting.front().is_some_and(|(asked, _): &(Instant, Asking)| asked.elapsed() >= stays) {
            let (_, leaving) = waiting.pop_front().unwrap();
            leave(leaving).await;
        }
    }
    assert!(failed <= 2, "{stall:?}, {stays:?}: {failed} of 50");
    assert!(closed.await.is_err(), "the stalled connection ends");
}

#[tokio::test(start_paused = true)]
async fn f80_an_upstream_that_thinks_for_long_costs_one_connection_when_its_client_leaves() {
    let _still = stand_still();
    let all = async {
        let (upstream, mut requests, closed) = stalling(Stall::AnswersNothing).await;
        let leaves = ask(&upstream);
        assert_eq!(requests.recv().await, Some(0));
        let stays = ask(&upstream);
        assert_eq!(requests.recv().await, Some(0));
        advance(Duration::from_secs(60)).await;
        leave(leaves).await;
        for _ in 0..10 {
            let asking = ask(&upstream);
            assert_eq!(requests.recv().await, Some(1), "over the second connection");
            assert_eq!(asking.await.unwrap().unwrap(), 200);
            advance(Duration::from_secs(1)).await;
        }
        assert!(!stays.is_finished(), "the other request goes on");
        leave(stays).await;
        assert_eq!(ask(&upstream).await.unwrap().unwrap(), 200);
        advance(Duration::from_secs(2)).await;
        assert!(closed.await.is_err(), "then the first connection ends");
    };
    LocalSet::new().run_until(all).await;
}

#[tokio::test(start_paused = true)]
async fn f80_an_upload_that_is_held_does_not_cut_the_answer_that_is_silent_beside_it() {
    let _still = stand_still();
    let all = async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = upstream_at(&listener);
        let answering = async {
            let (socket, _) = listener.accept().await.unwrap();
            let builder = Builder::new().initial_window_size(0).clone();
            let mut server = builder.handshake::<_, Bytes>(socket).await.unwrap();
            let (_, mut respond) = server.accept().await.unwrap().unwrap();
            let answer = respond.send_response(Response::new(()), false).unwrap();
            let upload = server.accept().await.unwrap().unwrap();
            (server, answer, upload)
        };
        let asking = async {
            let request = Request::get("/v1/models").body(BufferedBody::default()).unwrap();
            let response = upstream.send(request, PATIENCE).await.unwrap();
            (response.into_body(), ask(&upstream))
        };
        let ((mut server, mut answer, _upload), (mut body, held)) = tokio::join!(answering, asking);
        spawn_local(async move { while let Some(Ok(_)) = server.accept().await {} });
        for _ in 0..15 {
            advance(Duration::from_secs(1)).await;
        }
        answer.send_data(Bytes::from_static(b"late"), true).unwrap();
        assert_eq!(poll_fn(|cx| body.poll_bytes(cx)).await.unwrap().unwrap(), "late");
        assert!(!held.is_finished());
        leave(held).await;
    };
    LocalSet::new().run_until(all).await;
}

type Asking = JoinHandle<Result<StatusCode, UpstreamError>>;

fn ask(upstream: &Upstream) -> Asking {
    let upstream = upstream.clone();
    spawn_local(async move {
        let request = Request::post("/v1/messages").body(BufferedBody::whole(&vec![b'x'; 40_000])).unwrap();
        Ok(upstream.send(request, PATIENCE).await?.status())
    })
}

async fn leave(asking: Asking) {
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
}

/// An upstream whose first connection stalls, the numbers of the connections over which requests come, and a channel that
/// closes with the first connection.
async fn stalling(stall: Stall) -> (Upstream, UnboundedReceiver<usize>, oneshot::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = upstream_at(&listener);
    let (came, requests) = unbounded_channel();
    let (open, closed) = oneshot::channel();
    spawn_local(async move {
        let (first, _) = listener.accept().await.unwrap();
        let stalled = came.clone();
        spawn_local(async move {
            match stall {
                Stall::TakesNoBytes => take(first, Builder::new().initial_window_size(0), &stalled).await,
                Stall::AnswersNothing => take(first, &Builder::new(), &stalled).await,
                Stall::SendsNothing => read(first, &stalled).await,
            }
            drop(open);
        });
        for number in 1.. {
            let (socket, _) = listener.accept().await.unwrap();
            spawn_local(answer(socket, number, came.clone()));
        }
    });
    (upstream, requests, closed)
}

fn upstream_at(listener: &TcpListener) -> Upstream {
    let origin = Arc::new(Origin::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap());
    Upstream::new(Connector::new(origin, None, HttpVersion::Http2, PATIENCE))
}

/// Takes requests, as far as the windows of `builder` allow, and answers none.
async fn take(socket: TcpStream, builder: &Builder, came: &UnboundedSender<usize>) {
    let mut server = builder.handshake::<_, Bytes>(socket).await.unwrap();
    let mut taken = Vec::new();
    while let Some(Ok((request, respond))) = server.accept().await {
        let _ = came.send(0);
        taken.push((spawn_local(whole(request.into_body())), respond));
    }
}

/// Reads what the client sends, and sends nothing.
async fn read(mut socket: TcpStream, came: &UnboundedSender<usize>) {
    const HEADERS: u8 = 1;
    let mut preface = [0; 24];
    socket.read_exact(&mut preface).await.unwrap();
    let mut head = [0; 9];
    while socket.read_exact(&mut head).await.is_ok() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        copy(&mut (&mut socket).take(length.into()), &mut sink()).await.unwrap();
        if head[3] == HEADERS {
            let _ = came.send(0);
        }
    }
}

async fn answer(socket: TcpStream, number: usize, came: UnboundedSender<usize>) {
    let mut server = handshake(socket).await.unwrap();
    while let Some(Ok((request, mut respond))) = server.accept().await {
        let _ = came.send(number);
        spawn_local(async move {
            whole(request.into_body()).await;
            respond.send_response(Response::new(()), true).unwrap();
        });
    }
}

/// Reads a body to its end, and opens the windows again.
async fn whole(mut body: RecvStream) {
    while let Some(Ok(piece)) = body.data().await {
        let _ = body.flow_control().release_capacity(piece.len());
    }
}

const PATIENCE: Duration = Duration::from_secs(600);
