//! Ten thousand streams that break off at any point: each leaves one record and frees its slot.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use valetkey::service::meter::usage::Ended;

use testkit::http::wire::messages;
use testkit::service::{TestService, metrics};
use testkit::upstream::{Answer, Cut, Gate, Options, Upstream};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f06_f07_f54_ten_thousand_broken_streams_leave_one_record_each_and_free_their_slots() {
    let _machine = crate::alone().await;
    let upstream = Upstream::start_with(Options { record: false, ..Options::default() });
    let service = TestService::before_with(&upstream, |flags| {
        flags.set("WORKERS", "2");
        flags.set("RATE_LIMIT_MAX", "1000000");
        flags.set("TOKENS_PER_MINUTE", "1000000000000");
        flags.set("CONCURRENT_REQUESTS", CONCURRENT.to_string());
    });
    let mut requests: Vec<Arc<[u8]>> = Vec::new();
    for device in 0..DEVICES {
        let token = service.token_for(&format!("device-{device:04}")).await;
        requests.push(messages(&token, BODY).into_bytes().into());
    }
    let gate = Gate::new(); // never opened
    let mut dice = Dice(SEED);
    for number in 0..STREAMS {
        upstream.answer_next(answer(number, &mut dice, &gate));
    }
    let broken = break_off(address(&service), &requests).await;
    println!("{broken:?}");
    assert_eq!(broken.by_client + broken.by_upstream, STREAMS);
    upstream.wait_for_open_streams(0).await;
    one_record_each(&service, &broken).await;
    nothing_is_held(&service, &upstream, &requests, &gate).await;
}

/// How streams ended, as clients saw it.
#[derive(Debug, Default)]
struct Broken {
    by_client: usize,
    by_upstream: usize,
    /// Attempts that had to wait for a slot.
    refused: usize,
}

/// How one attempt ended.
enum Outcome {
    /// The client has left.
    Left,
    /// The upstream's connection broke.
    Cut,
    /// The device has too many requests open: the slots of those it left are not free yet.
    Refused,
}

/// Makes all streams, over a few connections of each device at a time.
async fn break_off(address: SocketAddr, requests: &[Arc<[u8]>]) -> Broken {
    let left = Arc::new(AtomicUsize::new(STREAMS));
    let mut clients = JoinSet::new();
    for request in requests.iter().cycle().take(DEVICES * AT_ONCE) {
        clients.spawn(client(address, Arc::clone(request), Arc::clone(&left)));
    }
    let mut sum = Broken::default();
    let all = async {
        while let Some(broken) = clients.join_next().await {
            let broken = broken.unwrap();
            sum.by_client += broken.by_client;
            sum.by_upstream += broken.by_upstream;
            sum.refused += broken.refused;
        }
    };
    tokio::time::timeout(LIMIT, all).await.expect("all streams end in time");
    sum
}

async fn client(address: SocketAddr, request: Arc<[u8]>, left: Arc<AtomicUsize>) -> Broken {
    let mut broken = Broken::default();
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
        loop {
            match attempt(address, &request).await {
                Outcome::Left => broken.by_client += 1,
                Outcome::Cut => broken.by_upstream += 1,
                Outcome::Refused => {
                    broken.refused += 1;
                    tokio::time::sleep(Duration::from_millis(2)).await;
                    continue;
                }
            }
            break;
        }
    }
    broken
}

/// Makes a request and leaves after as many bytes of the body as the head says; if the head says nothing, the upstream
/// breaks off.
async fn attempt(address: SocketAddr, request: &[u8]) -> Outcome {
    let mut asked = Asked::open(address, request).await;
    let Some(head) = asked.head().await else { panic!("the service hung up") };
    match head.status.as_str() {
        "200" => {}
        "429" => return Outcome::Refused,
        // The upstream's connection was reset before the head was read from it.
        "503" => return Outcome::Cut,
        status => panic!("{status}"),
    }
    let Some(leave) = head.leave else {
        while asked.read().await {}
        return Outcome::Cut;
    };
    while asked.came.len() < head.length + leave {
        assert!(asked.read().await, "the answer ended before the client could leave");
    }
    Outcome::Left
}

/// One request and what came of its answer, on a connection that ends when this is dropped.
struct Asked {
    socket: TcpStream,
    came: Vec<u8>,
}

/// The parts of a head that the client reads.
struct Head {
    status: String,
    length: usize,
    /// After how many bytes of the body to leave.
    leave: Option<usize>,
}

impl Asked {
    async fn open(address: SocketAddr, request: &[u8]) -> Self {
        let mut socket = TcpStream::connect(address).await.expect("the service listens");
        socket.write_all(request).await.expect("the service reads");
        Self { socket, came: Vec::with_capacity(4096) }
    }

    /// The head of the answer; `None` if the connection ends before it.
    async fn head(&mut self) -> Option<Head> {
        loop {
            if let Some(end) = memchr::memmem::find(&self.came, b"\r\n\r\n") {
                let text = std::str::from_utf8(&self.came[..end]).expect("a head is text");
                let leave = text.split("\r\n").find_map(|line| line.strip_prefix(LEAVE)?.strip_prefix(": "));
                let leave = leave.map(|bytes| bytes.parse().expect("a number"));
                return Some(Head { status: text[9..12].to_owned(), length: end + 4, leave });
            }
            if !self.read().await {
                return None;
            }
        }
    }

    /// Reads once, and tells whether more bytes came.
    async fn read(&mut self) -> bool {
        self.socket.read_buf(&mut self.came).await.is_ok_and(|length| length > 0)
    }
}

/// A stream that breaks off at a point of its own: cut by the upstream, or held until the client leaves.
fn answer(number: usize, dice: &mut Dice, gate: &Gate) -> Answer {
    let stream = Answer::message_stream("one two three");
    // Too many cuts, or cuts before any good answer, would open the breaker.
    if number >= GOOD_ONES && dice.below(5) == 0 {
        let how = [Cut::Fin, Cut::Reset][dice.below(2)];
        return stream.cut_after(dice.below(EVENTS + 1), how);
    }
    let sent = dice.below(EVENTS + 1);
    let leave = dice.below(sent * SHORTEST_EVENT + 1);
    stream.hold_after(sent, gate.clone()).header(LEAVE, &leave.to_string())
}

/// Asserts that each stream is on record once, with the end its client saw, in the database too.
async fn one_record_each(service: &TestService, broken: &Broken) {
    let total = async || service.admin("GET", "/admin/usage", None).await.json()["total"]["requests"].as_u64();
    service.until(async || total().await >= Some(STREAMS as u64)).await;
    service.until(async || metrics(service).await.contains("valetkey_usage_records_waiting 0\n")).await;
    assert_eq!(total().await, Some(STREAMS as u64));
    let page = metrics(service).await;
    let written = format!("valetkey_usage_records_total{{outcome=\"written\"}} {STREAMS}\n");
    let lost = "valetkey_usage_records_total{outcome=\"lost\"} 0\n";
    for line in [written.as_str(), "valetkey_usage_records_spilled 0\n", lost] {
        assert!(page.contains(line), "{line}{page}");
    }
    assert!(page.contains("valetkey_open_requests 0\n"), "{page}");
    let records = service.usage.records();
    let ids: HashSet<_> = records.iter().map(|record| record.request_id.as_str()).collect();
    assert_eq!((records.len(), ids.len()), (STREAMS, STREAMS));
    let mut ends: HashMap<&str, usize> = HashMap::new();
    for record in &records {
        *ends.entry(record.ended.as_str()).or_insert(0) += 1;
    }
    let count = |ended: Ended| ends.get(ended.as_str()).copied().unwrap_or(0);
    assert_eq!(count(Ended::Cancelled), broken.by_client, "{ends:?}");
    assert_eq!(count(Ended::UpstreamCut) + count(Ended::Error), broken.by_upstream, "{ends:?}");
}

/// Asserts that each device can open as many requests as its limit allows, and not one more.
async fn nothing_is_held(service: &TestService, upstream: &Upstream, requests: &[Arc<[u8]>], gate: &Gate) {
    upstream.answer_always(Answer::message_stream("hello").hold_after(1, gate.clone()));
    for request in requests {
        let mut open = Vec::new();
        for number in 0..=CONCURRENT {
            let mut asked = Asked::open(address(service), request).await;
            let status = asked.head().await.expect("an answer").status;
            assert_eq!(status, if number < CONCURRENT { "200" } else { "429" }, "request {number}");
            open.push(asked);
        }
    }
    service.until(async || metrics(service).await.contains("valetkey_open_requests 0\n")).await;
}

fn address(service: &TestService) -> SocketAddr {
    service.url.strip_prefix("http://").expect("plain HTTP").parse().expect("an address")
}

/// `SplitMix64`: the same numbers in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }
}

const STREAMS: usize = 10_000;
const SEED: u64 = 54;

/// The devices, and the connections of each at a time: a hundred in all.
const DEVICES: usize = 25;
const AT_ONCE: usize = 4;

/// More than the connections of a device, because a slot is freed a moment after its client has left.
const CONCURRENT: usize = 8;

/// The first answers are not cut.
const GOOD_ONES: usize = 200;

/// The events in a stream of three words, and the bytes of the shortest (a ping).
const EVENTS: usize = 9;
const SHORTEST_EVENT: usize = 35;

/// A header that the upstream sends for the client here.
const LEAVE: &str = "x-leave-after";

const LIMIT: Duration = Duration::from_secs(60);

const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;
