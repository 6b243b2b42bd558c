//! F20: the process restarts while its listening socket stays open, as under systemd, and no request fails. F86: what is
//! passed on is nothing that the service can listen on.

use std::net::{TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use socket2::SockRef;

use testkit::upstream::{Answer, Upstream};

use crate::process::{ONE_SOCKET, Process};

#[tokio::test]
async fn f20_no_request_fails_while_the_process_restarts_on_an_inherited_socket() {
    let upstream = Upstream::start();
    upstream.answer_always(Answer::message_stream("hello"));
    let listener = Socket::open();
    let mut running = listener.pass_to(&upstream, &[]);
    let token = crate::process::token(&running.url).await;
    let (over, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = [true, true, false, false]
        .into_iter()
        .map(|keeps_alive| {
            let (over, served, token) = (Arc::clone(&over), Arc::clone(&served), token.clone());
            tokio::spawn(ask(running.url.clone(), token, keeps_alive, over, served))
        })
        .collect();
    for _ in 0..4 {
        let before = served.load(Ordering::Relaxed);
        running.signal("TERM");
        let (status, log) = running.end().await;
        assert!(status.success(), "{log}");
        running = listener.pass_to(&upstream, &[]);
        while served.load(Ordering::Relaxed) < before + 40 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    over.store(true, Ordering::Relaxed);
    for client in clients {
        assert_eq!(client.await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn f20_a_lame_duck_serves_on_and_says_that_it_is_not_ready() {
    let upstream = Upstream::start();
    upstream.answer_always(Answer::message_stream("hello"));
    let process = Process::start(&upstream.url(), &[("LAME_DUCK", "60000")]);
    let token = crate::process::token(&process.url).await;
    let ready = format!("{}/readyz", process.url);
    assert_eq!(testkit::http::get(&ready, &[]).await.status, 200);
    process.signal("TERM");
    process.logged("Stopping", 1).await;
    let bearer = format!("Bearer {token}");
    let messages = format!("{}/v1/messages", process.url);
    let answer = testkit::http::post(&messages, &[("authorization", &bearer)], BODY).await;
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert_eq!(testkit::http::get(&ready, &[]).await.status, 503);
    process.signal("TERM");
    assert!(process.end().await.0.success());
}

#[tokio::test]
async fn an_inherited_socket_at_another_address_than_the_settings_say_is_refused() {
    let listener = Socket::open();
    let (status, log) = Process::refused_with_socket(&listener.0, ONE_SOCKET, &[("HOST", "127.0.0.2")]);
    assert!(!status.success());
    assert!(log.contains("LISTEN_FDS passes on a socket at 127.0.0.1:"), "{log}");
}

#[test]
fn f86_a_second_socket_whose_clients_would_wait_for_ever_keeps_the_service_from_starting() {
    let listener = Socket::open();
    let refused = |number: &str| {
        let variables = format!("LISTEN_FDS={number} LISTEN_PID=$$");
        let (status, log) = Process::refused_with_socket(&listener.0, &variables, &[]);
        assert!(!status.success(), "{log}");
        log
    };
    let log = refused("2");
    assert!(log.contains("LISTEN_FDS passes on 2 sockets, and the service listens on one"), "{log}");
    for number in ["-1", "two"] {
        let log = refused(number);
        let is_named = log.contains("LISTEN_FDS is ") && log.contains(number) && log.contains("no number of sockets");
        assert!(is_named, "{log}");
    }
}

#[test]
fn f86_a_passed_socket_that_takes_no_connections_by_tcp_is_named() {
    let folder = tempfile::tempdir().unwrap();
    named(&UnixListener::bind(folder.path().join("socket")).unwrap(), "passes on is a Unix socket");
    named(&UdpSocket::bind("127.0.0.1:0").unwrap(), "passes on is a UDP socket");
    named(&std::fs::File::open("/dev/null").unwrap(), "is not a socket");
}

#[cfg(target_os = "linux")]
#[test]
fn f86_a_passed_socket_that_does_not_listen_is_named() {
    use socket2::{Domain, Type};
    let bound = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    bound.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    named(&bound, "passes on does not listen");
    // As systemd passes on one connection (`Accept=yes`).
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    named(&listener.accept().unwrap().0, "passes on does not listen");
}

#[tokio::test]
async fn f86_a_socket_for_another_process_is_left_alone_and_told() {
    let upstream = Upstream::start();
    let listener = Socket::open();
    let process = Process::start_with_socket(&listener.0, "LISTEN_FDS=1 LISTEN_PID=1", &upstream.url(), &[]);
    process.logged("LISTEN_PID", 1).await;
    let port = listener.0.local_addr().unwrap().port();
    assert!(!process.url.ends_with(&format!(":{port}")), "{}", process.url);
}

/// Passes on an open file, and expects an error that says this of it.
fn named(file: &impl AsFd, words: &str) {
    SockRef::from(file).set_cloexec(false).unwrap();
    let (status, log) = Process::refused_with_socket(&file.as_fd(), ONE_SOCKET, &[]);
    assert!(!status.success(), "{log}");
    assert!(log.contains("LISTEN_FDS") && log.contains(words), "{words}: {log}");
}

/// Sends requests one after the other, and returns what failed.
async fn ask(
    url: String,
    token: String,
    keeps_alive: bool,
    over: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
) -> Vec<String> {
    let most_idle = if keeps_alive { usize::MAX } else { 0 };
    let client = reqwest::Client::builder().pool_max_idle_per_host(most_idle).build().unwrap();
    let mut failed = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let request = client.post(format!("{url}/v1/messages")).bearer_auth(&token).body(BODY);
        match request.send().await {
            Ok(answer) => {
                let status = answer.status();
                if status != 200 || answer.bytes().await.is_err() {
                    failed.push(status.to_string());
                }
            }
            Err(error) => failed.push(format!("{error:?}")),
        }
        served.fetch_add(1, Ordering::Relaxed);
    }
    failed
}

/// A listening socket that processes inherit.
struct Socket(TcpListener);

impl Socket {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        SockRef::from(&listener).set_cloexec(false).unwrap();
        Self(listener)
    }

    fn pass_to(&self, upstream: &Upstream, settings: &[(&str, &str)]) -> Process {
        Process::start_with_socket(&self.0, ONE_SOCKET, &upstream.url(), settings)
    }
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","max_tokens":16,"messages":[]}"#;
