//! An [`Answer`] turned into the steps that a connection performs, the same for both HTTP versions.

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::answer::Answer;
use super::answer_body::Body;
use super::cut::Cut;
use super::gate::Gate;

/// The steps of one answer, and its head.
pub(super) struct Plan {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) framing: Framing,
    pub(super) together: bool,
    pub(super) close: bool,
    pub(super) steps: Vec<Step>,
}

/// How the receiver learns where the body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// By a `content-length` header.
    Length(usize),
    /// By the version's own means: chunks, or the end of the stream.
    Stream,
    /// By a header that the answer brings itself, true or not.
    Own,
    /// There is no head at all.
    Raw,
}

/// One step of an answer.
pub(super) enum Step {
    Head,
    Piece(Bytes),
    Pause(Duration),
    Hold(Gate),
    Cut(Cut),
    End,
}

impl Plan {
    /// The steps of `answer` for the request with this number.
    pub(super) fn new(answer: Answer, number: usize) -> Self {
        let pieces = pieces(&answer, number);
        let framing = framing(&answer, pieces.iter().map(Bytes::len).sum());
        let mut steps = Vec::with_capacity(pieces.len() + 4);
        if !answer.delay.is_zero() {
            steps.push(Step::Pause(answer.delay));
        }
        steps.extend(answer.head_gate.clone().map(Step::Hold));
        if framing != Framing::Raw {
            steps.push(Step::Head);
        }
        push_pieces(&mut steps, &answer, pieces);
        let headers = headers(answer.defaults, answer.headers, number);
        Self { status: answer.status, headers, framing, together: answer.together, close: answer.close, steps }
    }
}

fn push_pieces(steps: &mut Vec<Step>, answer: &Answer, pieces: Vec<Bytes>) {
    let total = pieces.len();
    let mut pieces = pieces.into_iter();
    for sent in 0..=total {
        let here = |pieces: usize| pieces.min(total) == sent;
        steps.extend(answer.holds.iter().filter(|(pieces, _)| here(*pieces)).map(|(_, gate)| Step::Hold(gate.clone())));
        if let Some((_, cut)) = answer.cut.filter(|(pieces, _)| here(*pieces)) {
            steps.push(Step::Cut(cut));
            return;
        }
        if sent > 0 && sent < total && !answer.pause.is_zero() {
            steps.push(Step::Pause(answer.pause));
        }
        steps.extend(pieces.next().map(Step::Piece));
    }
    steps.push(Step::End);
}

fn pieces(answer: &Answer, number: usize) -> Vec<Bytes> {
    let mut pieces = match &answer.body {
        Body::Whole(bytes) | Body::Raw(bytes) => vec![bytes.clone()],
        Body::Error { kind, message } => vec![envelope(kind, message, number)],
        Body::Events(events) => events.iter().map(|event| event.clone().into_bytes()).collect(),
    };
    if answer.gzip {
        pieces = compressed(&pieces);
    }
    if let Some(size) = answer.piece_size {
        pieces = pieces.concat().chunks(size).map(<[u8]>::to_vec).collect();
    }
    // An empty piece would be the chunk that ends the body.
    pieces.into_iter().filter(|piece| !piece.is_empty()).map(Bytes::from).collect()
}

fn envelope(kind: &str, message: &str, number: usize) -> Vec<u8> {
    let error = json!({ "type": kind, "message": message });
    json!({ "type": "error", "error": error, "request_id": request_id(number) }).to_string().into_bytes()
}

fn compressed(pieces: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let mut flushed: Vec<Vec<u8>> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        encoder.write_all(piece).and_then(|()| encoder.flush()).expect("writing to memory cannot fail");
        flushed.push(std::mem::take(encoder.get_mut()));
    }
    // The trailer belongs to the last event, so that there are as many pieces as events.
    let trailer = encoder.finish().expect("writing to memory cannot fail");
    match flushed.last_mut() {
        Some(last) => last.extend(trailer),
        None => flushed.push(trailer),
    }
    flushed
}

fn framing(answer: &Answer, length: usize) -> Framing {
    let own = ["content-length", "transfer-encoding"].iter().any(|name| has_header(&answer.headers, name));
    match answer.body {
        Body::Raw(_) => Framing::Raw,
        _ if own => Framing::Own,
        Body::Events(_) => Framing::Stream,
        Body::Whole(_) | Body::Error { .. } => Framing::Length(length),
    }
}

fn headers(defaults: Vec<(String, String)>, own: Vec<(String, String)>, number: usize) -> Vec<(String, String)> {
    let id = (String::from("request-id"), request_id(number));
    let edge = EDGE_HEADERS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let by_itself = std::iter::once(id).chain(edge).chain(defaults);
    let mut headers: Vec<_> = by_itself.filter(|(name, _)| !has_header(&own, name)).collect();
    headers.extend(own);
    headers
}

fn has_header(headers: &[(String, String)], name: &str) -> bool {
    headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name))
}

fn request_id(number: usize) -> String {
    format!("req_stand_in_{number}")
}

/// Headers that the real API's edge sends with every response, and that a proxy with a shared key must not pass on.
const EDGE_HEADERS: [(&str, &str); 8] = [
    ("anthropic-organization-id", "5ca1ab1e-0000-4000-8000-0000000000aa"),
    ("anthropic-ratelimit-requests-limit", "4000"),
    ("anthropic-ratelimit-requests-remaining", "3999"),
    ("cf-ray", "8f00ba4badc0ffee-LHR"),
    ("cf-cache-status", "DYNAMIC"),
    ("server", "cloudflare"),
    ("set-cookie", "_cfuvid=stand-in; HttpOnly; SameSite=None; Secure; Path=/"),
    ("via", "1.1 google"),
];
