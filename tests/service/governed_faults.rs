//! What the service stands on fails, and requests go on (F05, F32, F34, F37).

use std::time::Duration;

use serde_json::json;
use valetkey::service::config::Flags;
use valetkey::service::store::database::DatabaseUrl;
use valetkey::service::store::database::{NewRevocation, RevocationKind};

use testkit::service::{TestService, metrics};
use testkit::stores::database::TestDatabase;
use testkit::stores::redis::Redis;
use testkit::upstream::Upstream;

/// A listener whose queue is full: what connects to it waits for ever.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn f05_an_upstream_that_swallows_connections_is_a_504_at_the_connect_limit() {
    let Some(swallowing) = Swallowing::start() else { return };
    let service = TestService::start_with(&swallowing.url(), |flags| {
        flags.set("UPSTREAM_CONNECT_TIMEOUT", "300");
    });
    let token = service.token().await;
    let asked = std::time::Instant::now();
    let answer = service.messages(&token, BODY).await;
    let waited = asked.elapsed();
    assert_eq!((answer.status, answer.error_code().as_str()), (504, "upstream_timeout"));
    assert_eq!((answer.header("x-should-retry"), answer.header("retry-after")), (Some("true"), Some("1")));
    assert!(waited >= Duration::from_millis(300) && waited < Duration::from_millis(1300), "{waited:?}");
    let record = service.usage.wait_for(1).await.remove(0);
    assert_eq!((record.ended, record.status), (valetkey::service::meter::usage::Ended::Error, Some(504)));
}

#[tokio::test]
async fn f32_a_redis_that_has_lost_everything_or_is_gone_lets_nobody_in_who_is_revoked() {
    let Some(mut redis) = Redis::start() else { return };
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, |flags| {
        flags.set("REDIS_URL", redis.url().expose().to_owned());
        flags.set("RATE_LIMIT_MAX", "1000");
    });
    let (revoked, spared) = (service.token().await, service.token_for("device-0002").await);
    let revocation = json!({ "device_id": "device-0001" });
    assert_eq!(service.admin("POST", "/admin/revocations", Some(revocation)).await.status, 201);
    for what in ["healthy", "empty", "gone"] {
        match what {
            "empty" => redis.run_command(&["FLUSHALL"]),
            "gone" => redis.kill(),
            _ => {}
        }
        assert_eq!(service.messages(&revoked, BODY).await.error_code(), "token_revoked", "{what}");
        assert_eq!(service.messages(&spared, BODY).await.status, 200, "{what}");
    }
    let page = metrics(&service).await;
    assert!(page.contains("valetkey_revocations 1\n"), "{page}");
}

#[tokio::test]
async fn f34_when_the_way_that_revocations_come_by_is_cut_it_is_made_again_and_nothing_is_missed() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, |flags| on(&database, flags));
    let (revoked, spared) = (service.token().await, service.token_for("device-0002").await);
    assert_eq!(service.messages(&revoked, BODY).await.status, 200);
    let store = database.open().await;
    database.shut().await;
    // Nobody can be asked; who is revoked by now is known from before, and how old that is can be seen.
    let is_stale = async || {
        let page = metrics(&service).await;
        page.lines().any(|line| {
            line.strip_prefix("valetkey_revocation_staleness_seconds ").is_some_and(|seconds| seconds != "0")
        })
    };
    service.until(is_stale).await;
    assert_eq!(service.messages(&revoked, BODY).await.status, 200);
    database.reopen().await;
    let new = NewRevocation {
        kind: RevocationKind::DeviceId,
        value: "device-0001".into(),
        reason: None,
        created_by: "another instance".into(),
        expires_at: None,
    };
    // The pool of this test was cut too.
    service.until(async || store.revocations().insert(&new, std::time::SystemTime::now()).await.is_ok()).await;
    service.until(async || service.messages(&revoked, BODY).await.status == 401).await;
    assert_eq!(service.messages(&spared, BODY).await.status, 200);
    service.until(async || metrics(&service).await.contains("valetkey_revocation_staleness_seconds 0\n")).await;
}

#[tokio::test]
async fn f37_requests_are_served_while_somebody_holds_the_database() {
    for database in TestDatabase::each().await {
        let upstream = Upstream::start();
        let service = TestService::before_with(&upstream, |flags| on(&database, flags));
        let token = service.token().await;
        let lock = database.lock().await;
        for _ in 0..50 {
            let asked = std::time::Instant::now();
            assert_eq!(service.messages(&token, BODY).await.status, 200, "{}", database.name);
            assert!(asked.elapsed() < Duration::from_secs(1), "{}: {:?}", database.name, asked.elapsed());
        }
        assert_eq!(service.usage.records().len(), 50);
        drop(lock);
        let sums = async || service.admin("GET", "/admin/usage", None).await.json();
        service.until(async || sums().await["total"]["requests"] == 50).await;
    }
}

/// Accepts nobody.
#[cfg(target_os = "linux")]
struct Swallowing {
    _listener: socket2::Socket,
    _waiting: Vec<std::net::TcpStream>,
    address: std::net::SocketAddr,
}

#[cfg(target_os = "linux")]
impl Swallowing {
    /// `None`, said aloud, where the system's queues have no end.
    fn start() -> Option<Self> {
        let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        listener.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let mut waiting = Vec::new();
        for _ in 0..300 {
            match std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
                Ok(stream) => waiting.push(stream),
                Err(_) => return Some(Self { _listener: listener, _waiting: waiting, address }),
            }
        }
        eprintln!("SKIPPED: a listener that accepts nobody is connected to all the same");
        None
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn on(database: &TestDatabase, flags: &mut Flags) {
    let url = match &database.url {
        DatabaseUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
        DatabaseUrl::Postgres(url) => url.expose().to_owned(),
    };
    flags.set("DATABASE_URL", url);
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","messages":[]}"#;
