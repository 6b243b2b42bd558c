//! A client, a service and an upstream, and the requests and checks that all tests share.

use testkit::client::{Setup, TestClient};
use testkit::http::{self, Answer};
use testkit::service::{REAL_KEY, TestService};
use testkit::upstream::{self, Upstream};

/// The whole way from an app to the upstream.
pub struct Both {
    pub upstream: Upstream,
    pub service: TestService,
    pub client: TestClient,
}

impl Both {
    pub async fn start() -> Self {
        let upstream = Upstream::start();
        let service = TestService::start(&upstream.url());
        let client = Setup::new(&service.url).start().await;
        Self { upstream, service, client }
    }

    /// `POST /v1/messages` of an app.
    pub async fn ask(&self, body: impl Into<Vec<u8>>) -> Answer {
        self.client.messages(body).await
    }

    /// The head of an answer whose body the test reads piece by piece.
    pub async fn open(&self, body: impl Into<Vec<u8>>) -> reqwest::Response {
        let bearer = self.client.bearer();
        http::open(&format!("{}/v1/messages", self.client.url()), &[("authorization", &bearer)], body).await
    }

    /// Asserts that no secret of one end was seen at another.
    pub fn assert_no_leak(&self, answer: &Answer) {
        let key = self.client.key();
        for request in self.upstream.requests() {
            let head = format!("{:?}", request.headers);
            assert!(!head.contains(&key) && !head.contains("sk-ant-proxy-"), "{head}");
            assert_eq!(request.header("x-api-key"), Some(REAL_KEY));
        }
        let seen = format!("{:?} {}", answer.headers, answer.text());
        assert!(!seen.contains(REAL_KEY) && !seen.contains("sk-ant-proxy-") && !seen.contains(&key), "{seen}");
    }
}

pub const ASK: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"max_tokens":10,"messages":[]}"#;

/// The bytes of a stream as the stand-in sends them.
pub fn stream_text(events: &[&str]) -> (upstream::Answer, String) {
    let events: Vec<String> = events.iter().map(|event| format!("{event}\n\n")).collect();
    (upstream::Answer::stream(events.clone()), events.concat())
}
