//! HTTP as tests speak it: whole answers by reqwest, and raw bytes over a socket where a library would be too polite.

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// `error.details.error_code`, after a check of the whole envelope.
    pub fn error_code(&self) -> String {
        let body = self.json();
        assert_eq!(body["type"], "error", "{body}");
        assert_eq!(body["request_id"].as_str(), self.header("request-id"), "{body}");
        assert!(matches!(self.header("x-should-retry"), Some("true" | "false")), "{:?}", self.headers);
        body["error"]["details"]["error_code"].as_str().unwrap_or_default().to_owned()
    }
}

/// A client of its own pool, never through a proxy.
pub fn client() -> Client {
    Client::builder().no_proxy().tls_certs_only([]).timeout(Duration::from_secs(30)).build().unwrap()
}

pub async fn post(url: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
    whole(with(client().post(url), headers).body(body.into())).await
}

pub async fn get(url: &str, headers: &[(&str, &str)]) -> Answer {
    whole(with(client().get(url), headers)).await
}

pub async fn request(method: &str, url: &str, headers: &[(&str, &str)]) -> Answer {
    whole(with(client().request(Method::from_bytes(method.as_bytes()).unwrap(), url), headers)).await
}

/// The head of an answer whose body is read piece by piece.
pub async fn open(url: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Response {
    with(client().post(url), headers).body(body.into()).send().await.unwrap()
}

fn with(mut request: RequestBuilder, headers: &[(&str, &str)]) -> RequestBuilder {
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request
}

pub async fn whole(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, body: response.bytes().await.unwrap().to_vec() }
}

/// Sends `bytes` as they are to the server at `url` and reads until it closes, or until `until` has come.
pub async fn raw(url: &str, bytes: &[u8], until: &str) -> String {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = async {
        let mut piece = [0; 4096];
        while !String::from_utf8_lossy(&answer).contains(until) {
            match stream.read(&mut piece).await {
                Ok(0) | Err(_) => break,
                Ok(length) => answer.extend_from_slice(&piece[..length]),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), read).await.expect("an answer within 10 s");
    String::from_utf8_lossy(&answer).into_owned()
}
