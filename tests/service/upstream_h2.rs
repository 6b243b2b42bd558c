//! HTTP/2 upstreams that do what the stand-in's library would not: they refuse streams, go away, allow few streams, and end
//! answers without ending them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::{Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use valetkey::service::config::Flags;
use valetkey::service::meter::usage::Ended;

use testkit::http::Answer;
use testkit::service::TestService;

type Server = Connection<TcpStream, Bytes>;
type Stream = (Request<RecvStream>, SendResponse<Bytes>);

/// A listener that leaves each connection to the test.
struct Raw(TcpListener);

impl Raw {
    async fn start() -> (Self, TestService) {
        Self::start_with(|_| {}).await
    }

    async fn start_with(adjust: impl FnOnce(&mut Flags)) -> (Self, TestService) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let service = TestService::start_with(&url, |flags| {
            flags.set("UPSTREAM_HTTP_VERSION", "2");
            adjust(flags);
        });
        (Self(listener), service)
    }

    /// Accepts whoever comes, and does with each stream what `each` does.
    fn serve_all(self, each: impl FnMut(usize, Stream) + Clone + Send + 'static) -> JoinHandle<()> {
        tokio::spawn(async move {
            loop {
                drive(self.accept(&Builder::new()).await, each.clone());
            }
        })
    }

    async fn accept(&self, builder: &Builder) -> Server {
        let (socket, _) = self.0.accept().await.unwrap();
        builder.handshake(socket).await.unwrap()
    }
}

/// Drives a connection until it ends, and does with each stream what `each` does, which must not wait.
fn drive(mut server: Server, mut each: impl FnMut(usize, Stream) + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut number = 0;
        while let Some(Ok(stream)) = server.accept().await {
            each(number, stream);
            number += 1;
        }
    })
}

fn answered(_: usize, stream: Stream) {
    tokio::spawn(answer(stream));
}

fn refuse((_, mut respond): Stream, reason: Reason) {
    respond.send_reset(reason);
}

async fn answer((request, mut respond): Stream) {
    let body = whole(request.into_body()).await;
    let text = format!(r#"{{"id":"msg_1","length":{}}}"#, body.len());
    let head = Response::builder().header("content-type", "application/json").body(()).unwrap();
    respond.send_response(head, false).unwrap().send_data(text.into(), true).unwrap();
}

async fn whole(mut body: RecvStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece.unwrap();
        body.flow_control().release_capacity(piece.len()).unwrap();
        bytes.extend_from_slice(&piece);
    }
    bytes
}

fn asked(service: &TestService, token: &str) -> impl Future<Output = Answer> + use<> {
    let (url, bearer) = (service.at("/v1/messages"), format!("Bearer {token}"));
    async move { testkit::http::post(&url, &[("authorization", &bearer)], BODY).await }
}

#[tokio::test]
async fn f17_a_request_that_is_refused_unprocessed_is_made_again() {
    let (raw, service) = Raw::start().await;
    let token = service.token().await;
    let first = tokio::spawn(asked(&service, &token));
    let seen = Arc::new(AtomicUsize::new(0));
    let refuses_two = move |number, stream| match seen.fetch_add(1, Ordering::Relaxed) {
        1 | 2 => refuse(stream, Reason::REFUSED_STREAM),
        _ => answered(number, stream),
    };
    let _servers = raw.serve_all(refuses_two);
    assert_eq!(first.await.unwrap().status, 200);
    let again = asked(&service, &token).await;
    assert_eq!((again.status, again.json()["length"].as_u64()), (200, Some(BODY.len() as u64)));
    assert_eq!(service.usage.wait_for(2).await.len(), 2);
}

#[tokio::test]
async fn what_is_refused_for_ever_is_asked_four_times_and_what_may_have_been_processed_once() {
    for (reason, times) in [
        (Reason::REFUSED_STREAM, 4),
        (Reason::INTERNAL_ERROR, 1),
        (Reason::CANCEL, 1),
        (Reason::NO_ERROR, 1),
        (Reason::ENHANCE_YOUR_CALM, 1),
    ] {
        let (raw, service) = Raw::start().await;
        let token = service.token().await;
        let first = tokio::spawn(asked(&service, &token));
        let count = Arc::new(AtomicUsize::new(0));
        let (counted, served) = (Arc::clone(&count), Arc::default());
        let refuses = move |number, stream| {
            if !AtomicBool::swap(&served, true, Ordering::Relaxed) {
                return answered(number, stream);
            }
            counted.fetch_add(1, Ordering::Relaxed);
            refuse(stream, reason);
        };
        let _servers = raw.serve_all(refuses);
        assert_eq!(first.await.unwrap().status, 200);
        let answer = asked(&service, &token).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (503, "upstream_dropped"), "{reason:?}");
        assert_eq!(count.load(Ordering::Relaxed), times, "{reason:?}");
    }
}

#[tokio::test]
async fn f17_a_new_connection_that_refuses_its_first_request_is_no_end() {
    let (raw, service) = Raw::start().await;
    let token = service.token().await;
    let seen = Arc::new(AtomicUsize::new(0));
    let _servers = raw.serve_all(move |number, stream| match seen.fetch_add(1, Ordering::Relaxed) {
        0 => refuse(stream, Reason::REFUSED_STREAM),
        _ => answered(number, stream),
    });
    assert_eq!(asked(&service, &token).await.status, 200);
}

#[tokio::test]
async fn f17_requests_of_a_connection_that_goes_away_go_over_another_and_those_on_it_finish() {
    let (raw, service) = Raw::start().await;
    let token = service.token().await;
    let open = tokio::spawn(asked(&service, &token));
    let mut old = raw.accept(&Builder::new()).await;
    let stream = old.accept().await.unwrap().unwrap();
    old.graceful_shutdown();
    let old = drive(old, answered);
    let others: Vec<_> = (0..5).map(|_| tokio::spawn(asked(&service, &token))).collect();
    let _new = raw.serve_all(answered);
    for other in others {
        assert_eq!(other.await.unwrap().status, 200);
    }
    answer(stream).await;
    assert_eq!(open.await.unwrap().status, 200);
    old.await.unwrap();
}

#[tokio::test]
async fn f17_a_connection_that_goes_away_and_breaks_leaves_nobody_waiting() {
    let (raw, service) = Raw::start().await;
    let token = service.token().await;
    let open = tokio::spawn(asked(&service, &token));
    let mut old = raw.accept(&Builder::new()).await;
    let stream = old.accept().await.unwrap().unwrap();
    old.graceful_shutdown();
    let others: Vec<_> = (0..5).map(|_| tokio::spawn(asked(&service, &token))).collect();
    // What comes over a new connection comes from somebody who knows that the old one goes away.
    let (first_new, mut accepted) = tokio::sync::mpsc::unbounded_channel();
    let _new = tokio::spawn(async move {
        loop {
            let server = raw.accept(&Builder::new()).await;
            let _ = first_new.send(());
            drive(server, answered);
        }
    });
    tokio::select! {
        _ = old.accept() => {}
        _ = accepted.recv() => {}
    }
    drop((stream, old));
    let first = tokio::time::timeout(Duration::from_secs(5), open).await.expect("it is told at once").unwrap();
    assert_eq!(first.status, 503);
    for other in others {
        let other = tokio::time::timeout(Duration::from_secs(5), other).await.expect("it is told at once").unwrap();
        assert!(matches!(other.status, 200 | 503), "{}", other.status);
    }
}

#[tokio::test]
async fn an_upstream_that_allows_few_streams_gets_more_connections_and_nobody_waits() {
    let (raw, service) = Raw::start().await;
    let token = service.token().await;
    let mut few = Builder::new();
    few.max_concurrent_streams(1);
    let (hold, mut held) = tokio::sync::mpsc::unbounded_channel();
    // What the upstream allows is known when the first answer is there.
    let first = tokio::spawn(asked(&service, &token));
    let holds_one = move |number, stream| match number {
        1 => drop(hold.send(stream)),
        _ => answered(number, stream),
    };
    let _server = drive(raw.accept(&few).await, holds_one);
    assert_eq!(first.await.unwrap().status, 200);
    let open = tokio::spawn(asked(&service, &token));
    let stream = held.recv().await.unwrap();
    let second = tokio::spawn(asked(&service, &token));
    let _other = drive(raw.accept(&few).await, answered);
    assert_eq!(second.await.unwrap().status, 200, "while the first one is open");
    answer(stream).await;
    assert_eq!(open.await.unwrap().status, 200);
}

#[tokio::test]
async fn f06_an_answer_that_is_reset_without_an_error_before_its_end_is_a_cut() {
    let (raw, service) = Raw::start().await;
    let token = service.token().await;
    let (url, bearer) = (service.at("/v1/messages"), format!("Bearer {token}"));
    let asking = tokio::spawn(async move {
        let client = testkit::http::client();
        let response = client.post(&url).header("authorization", &bearer).body(BODY).send().await.unwrap();
        (response.status().as_u16(), response.bytes().await)
    });
    let mut server = raw.accept(&Builder::new()).await;
    let (request, mut respond) = server.accept().await.unwrap().unwrap();
    let _server = drive(server, answered);
    whole(request.into_body()).await;
    let head = Response::builder().header("content-type", "application/json").body(()).unwrap();
    let mut body = respond.send_response(head, false).unwrap();
    body.send_data(Bytes::from_static(br#"{"id":"msg_1","#), false).unwrap();
    service
        .until(async || service.admin("GET", "/metrics", None).await.text().contains("valetkey_open_requests 1\n"))
        .await;
    body.send_reset(Reason::NO_ERROR);
    let (status, body) = asking.await.unwrap();
    assert_eq!(status, 200);
    body.expect_err("half an answer does not pass for a whole one");
    assert_eq!(service.usage.wait_for(1).await[0].ended, Ended::UpstreamCut);
}

#[tokio::test]
async fn f80_an_upstream_that_takes_no_bytes_gets_two_requests_and_then_a_new_connection() {
    let (raw, service) = Raw::start_with(|flags| flags.set("UPSTREAM_FIRST_BYTE_TIMEOUT", "15000")).await;
    let token = service.token().await;
    let stalls = tokio::spawn(async move {
        // It answers each PING, and its windows stay shut.
        let stalled =
            drive(raw.accept(Builder::new().initial_window_size(0)).await, |_, stream| std::mem::forget(stream));
        (stalled, raw.serve_all(answered))
    });
    let mut asking = Vec::new();
    let mut every = tokio::time::interval(Duration::from_millis(500));
    for _ in 0..8 {
        every.tick().await;
        asking.push(tokio::spawn(asked(&service, &token)));
    }
    let mut statuses = Vec::new();
    for answer in asking {
        statuses.push(answer.await.unwrap().status);
    }
    assert!(statuses.iter().filter(|status| **status != 200).count() <= 2, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 503 | 504)), "{statuses:?}");
    let (stalled, others) = stalls.await.unwrap();
    stalled.await.unwrap();
    others.abort();
}

#[tokio::test]
async fn f80_an_upstream_that_reads_nothing_gets_two_requests_and_then_a_new_connection() {
    let (raw, service) = Raw::start().await;
    let token = service.token().await;
    let serving = tokio::spawn(async move {
        let silent = raw.0.accept().await.unwrap();
        (silent, raw.serve_all(answered))
    });
    let mut asking = Vec::new();
    let mut every = tokio::time::interval(Duration::from_millis(500));
    for _ in 0..8 {
        every.tick().await;
        asking.push(tokio::spawn(asked(&service, &token)));
    }
    let held: Vec<_> = asking.drain(..2).collect();
    for answer in asking {
        assert_eq!(answer.await.unwrap().status, 200);
    }
    drop(serving.await.unwrap().0);
    for answer in held {
        assert!(matches!(answer.await.unwrap().status, 200 | 503));
    }
}

#[tokio::test]
async fn f80_clients_that_leave_do_not_keep_an_upstream_that_answers_nothing_in_use() {
    let shut = Builder::new().initial_window_size(0).clone();
    let (takes_no_bytes, takes_requests) = tokio::join!(unanswered(shut), unanswered(Builder::new()));
    assert!(takes_no_bytes <= 2 && takes_requests <= 2, "{takes_no_bytes} and {takes_requests} of 8");
}

/// How many of eight requests, one after the other, go over the first connection, which answers nothing. Their clients
/// leave. The others are answered.
async fn unanswered(stalls: Builder) -> usize {
    let (raw, service) = Raw::start().await;
    let token = service.token().await;
    let (came, mut is_stalled) = tokio::sync::mpsc::unbounded_channel();
    let serving = tokio::spawn(async move {
        let stalled = came.clone();
        drive(raw.accept(&stalls).await, move |_, stream| {
            std::mem::forget(stream);
            let _ = stalled.send(true);
        });
        let serves = move |number, stream| {
            let _ = came.send(false);
            answered(number, stream);
        };
        raw.serve_all(serves).await.unwrap();
    });
    let mut unanswered = 0;
    for _ in 0..8 {
        let asking = tokio::spawn(asked(&service, &token));
        if is_stalled.recv().await.unwrap() {
            unanswered += 1;
            tokio::time::sleep(STAYS).await;
            asking.abort();
        } else {
            assert_eq!(asking.await.unwrap().status, 200);
        }
    }
    serving.abort();
    unanswered
}

/// A client stays for so long or longer. Two of them stay longer than a connection may be silent: half a second.
const STAYS: Duration = Duration::from_millis(300);

#[tokio::test]
async fn f16_informational_answers_without_end_are_given_up_over_http_2() {
    for (hints, status) in [(32, 200), (40, 503), (10_000, 503)] {
        let (raw, service) = Raw::start().await;
        let token = service.token().await;
        let _servers = raw.serve_all(move |number, (request, mut respond)| {
            for _ in 0..hints {
                let hint = Response::builder().status(103).header("link", "</a>").body(()).unwrap();
                respond.send_informational(hint).unwrap();
            }
            answered(number, (request, respond));
        });
        let answer = asked(&service, &token).await;
        assert_eq!((answer.status, answer.header("link")), (status, None), "{hints}");
    }
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","messages":[]}"#;
