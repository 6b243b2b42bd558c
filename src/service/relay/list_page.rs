//! The answer to a request for a list whose entries the service has chosen.

use bytes::Bytes;
use http::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};

use crate::transport::reply::Reply;

/// A page with these entries, each with its id, in the shape of the API. Their bytes are sent as they are.
pub(super) fn list_page(entries: &[(String, Bytes)], has_more: bool) -> Response<Reply> {
    let id = |entry: Option<&(String, Bytes)>| serde_json::json!(entry.map(|(id, _)| id)).to_string();
    let (first, last) = (id(entries.first()), id(entries.last()));
    let bodies: Vec<_> = entries.iter().map(|(_, body)| &body[..]).collect();
    let end = format!(r#"],"has_more":{has_more},"first_id":{first},"last_id":{last}}}"#);
    let page = [br#"{"data":["#.as_slice(), &bodies.join(&b',')[..], end.as_bytes()].concat();
    let mut response = Response::new(Reply::from(page));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
