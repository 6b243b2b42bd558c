//! HTTP requests with whole answers, by reqwest. `raw` and `wire` send the bytes that reqwest would not send.

pub mod connect_proxy;
pub mod forwarder;
pub mod raw;
pub mod tls;
pub mod wire;

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Bytes, Frame};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

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

/// A client with a pool of its own and without a proxy. It trusts no certificate, so that none has to be loaded.
pub fn client() -> Client {
    Client::builder().no_proxy().tls_certs_only([]).timeout(Duration::from_secs(30)).build().unwrap()
}

/// A `POST`. `/bootstrap` takes only a body that says it is JSON, so one to it says so.
pub async fn post(url: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
    let request = with(client().post(url), headers).body(body.into());
    let is_told = headers.iter().any(|(name, _)| *name == "content-type");
    let needs_type = url.ends_with("/bootstrap") && !is_told;
    whole(if needs_type { request.header("content-type", "application/json") } else { request }).await
}

/// A `POST` whose body goes in pieces, so that it is chunked.
pub async fn post_chunked(url: &str, headers: &[(&str, &str)], pieces: Vec<Vec<u8>>) -> Answer {
    whole(with(client().post(url), headers).body(reqwest::Body::wrap(Pieces(pieces.into_iter())))).await
}

/// A body of unknown length.
struct Pieces(std::vec::IntoIter<Vec<u8>>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(|piece| Ok(Frame::data(piece.into()))))
    }
}

/// A body that goes on until the sender is dropped.
pub fn growing_body() -> (UnboundedSender<Vec<u8>>, reqwest::Body) {
    let (sender, receiver) = unbounded_channel();
    (sender, reqwest::Body::wrap(Growing(receiver)))
}

struct Growing(UnboundedReceiver<Vec<u8>>);

impl hyper::body::Body for Growing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece.into()))))
    }
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
