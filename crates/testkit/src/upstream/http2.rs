//! One HTTP/2 connection: hyper frames it, this file ends it.

use std::io;
use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use socket2::{SockRef, Socket};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_rustls::server::TlsStream;

use super::answer::Reading;
use super::benchmark::Prepared;
use super::cut::Cut;
use super::http2_body::PlayedBody;
use super::open_answer::OpenAnswer;
use super::plan::{Framing, Plan};
use super::recording::{Received, Recording, is_service};
use super::stage::{Call, Stage};

/// Serves this connection to its end.
pub(super) async fn serve(socket: TlsStream<TcpStream>, number: usize, stage: Arc<Stage>) {
    // hyper owns the socket from here; the second handle is there to end it abnormally.
    let Ok(handle) = SockRef::from(socket.get_ref().0).try_clone() else {
        return;
    };
    let (cuts, mut cut) = unbounded_channel();
    let service = service_fn(move |request| exchange(request, number, Arc::clone(&stage), cuts.clone()));
    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .serve_connection(TokioIo::new(socket), service);
    tokio::select! {
        biased; // bytes sent before a cut leave first
        _ = connection => {} // an error here is the peer's or a test's doing
        Some(cut) = cut.recv() => end(&handle, cut),
    }
}

/// Prepares the end of the connection, which is dropped after this: its `close` then sends RST or FIN.
fn end(handle: &Socket, cut: Cut) {
    let _ = match cut {
        Cut::Reset => handle.set_linger(Some(std::time::Duration::ZERO)),
        Cut::Fin | Cut::Stream => handle.shutdown(std::net::Shutdown::Write),
    };
}

async fn exchange(
    request: Request<Incoming>,
    connection: usize,
    stage: Arc<Stage>,
    cuts: UnboundedSender<Cut>,
) -> io::Result<Response<PlayedBody>> {
    let (parts, incoming) = request.into_parts();
    let call = call(&parts, &stage);
    let received = stage.records(&call).then(|| received(&parts, &call, connection));
    let recording = Recording::start(&stage.journal, received);
    let cue = stage.cue(&call);
    let mut body = Vec::new();
    match cue.as_ref().map_or(Reading::First, |answer| answer.reading.clone()) {
        Reading::Never => drop((recording, incoming)),
        reading => {
            if let Reading::After(gate) = reading {
                gate.wait().await;
            }
            read_body(incoming, recording, &mut body).await?;
        }
    }
    let open = call.is_api().then(|| OpenAnswer::start(&stage.journal));
    let answer = cue
        .or_else(|| stage.benchmark.find(&call, &body).map(Prepared::answer))
        .unwrap_or_else(|| stage.answer(&call, &body));
    let plan = Plan::new(answer, stage.number());
    let (status, mut headers) = (plan.status, plan.headers);
    if let Framing::Length(length) = plan.framing {
        headers.push((String::from("content-length"), length.to_string()));
    }
    let mut body = PlayedBody::new(plan.steps, open, cuts);
    body.play_to_head().await?;
    response(status, &headers, body)
}

async fn read_body(mut incoming: Incoming, recording: Recording, body: &mut Vec<u8>) -> io::Result<()> {
    while let Some(frame) = incoming.frame().await {
        if let Ok(data) = frame.map_err(io::Error::other)?.into_data() {
            recording.append(&data);
            body.extend_from_slice(&data);
        }
    }
    recording.complete();
    Ok(())
}

fn call(parts: &Parts, stage: &Stage) -> Call {
    let keys = parts.headers.get_all("x-api-key").iter().map(HeaderValue::as_bytes);
    let target = parts.uri.path_and_query().map_or_else(|| parts.uri.to_string(), ToString::to_string);
    let is_key_probe = parts.headers.get("user-agent").is_some_and(|agent| is_service(agent.as_bytes()));
    Call { method: parts.method.clone(), target, admitted: stage.admits(keys), is_key_probe }
}

fn received(parts: &Parts, call: &Call, connection: usize) -> Received {
    let authority = parts.uri.authority().map(|authority| (String::from(":authority"), authority.to_string()));
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), text(value)));
    Received {
        method: call.method.to_string(),
        target: call.target.clone(),
        headers: authority.into_iter().chain(headers).collect(),
        body: Vec::new(),
        connection,
        version: parts.version,
        complete: false,
        ended: false,
    }
}

fn response(status: u16, headers: &[(String, String)], body: PlayedBody) -> io::Result<Response<PlayedBody>> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).map_err(io::Error::other)?;
    for (name, value) in headers {
        // Headers that HTTP/2 forbids stay out: answers have them for HTTP/1.1.
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(io::Error::other)?;
        if !matches!(name.as_str(), "connection" | "keep-alive" | "transfer-encoding" | "upgrade") {
            response.headers_mut().append(name, HeaderValue::from_str(value).map_err(io::Error::other)?);
        }
    }
    Ok(response)
}

/// An unread body is accepted up to a few MB, as by the buffers of a TCP connection.
const WINDOW: u32 = 4 << 20;
