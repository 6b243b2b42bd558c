//! Reads an answer of the upstream for the service itself.

use std::future::poll_fn;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::transport::problem::Problem;
use crate::transport::upstream::UpstreamBody;
use crate::wire::ErrorCode;

/// The whole body, which has a few kilobytes. Each piece has to come within `idle_timeout`.
pub(crate) async fn whole_body(body: &mut UpstreamBody, idle_timeout: Duration) -> Result<Bytes, Problem> {
    let mut whole = BytesMut::new();
    while let Some(bytes) = next_piece(body, idle_timeout).await? {
        if whole.len() + bytes.len() > MOST {
            return Err(Problem::new(ErrorCode::UpstreamInvalid, "The upstream's answer is too long"));
        }
        whole.extend_from_slice(&bytes);
    }
    Ok(whole.freeze())
}

/// The next bytes; `None` at the end.
pub(crate) async fn next_piece(body: &mut UpstreamBody, idle_timeout: Duration) -> Result<Option<Bytes>, Problem> {
    match tokio::time::timeout(idle_timeout, poll_fn(|cx| body.poll_bytes(cx))).await {
        Ok(None) => Ok(None),
        Ok(Some(Ok(bytes))) => Ok(Some(bytes)),
        Ok(Some(Err(cut))) => {
            tracing::warn!(error = &cut as &dyn std::error::Error, "The upstream's answer broke off");
            Err(Problem::new(ErrorCode::UpstreamDropped, "The upstream's answer broke off"))
        }
        Err(_) => Err(Problem::new(ErrorCode::UpstreamTimeout, "The upstream stopped sending")),
    }
}

/// The longest body. The description of a batch or a file has less than a kilobyte, that of a model about two; a list has up
/// to a thousand models.
const MOST: usize = 4 << 20;
