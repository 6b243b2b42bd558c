//! The body of every response that our servers send.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, SizeHint};

use super::masked::MaskedRelay;
use super::relay::{Relay, RelayError};

/// A body of our own, or an upstream's stream.
pub enum Reply {
    /// Bytes that are complete in memory.
    Whole(Full<Bytes>),
    /// Bytes that an upstream sends, as they come.
    Relayed(Box<Relay>),
    /// The same, without a secret that they may hold.
    Masked(Box<MaskedRelay>),
}

impl Reply {
    /// A body without a byte.
    #[must_use]
    pub fn empty() -> Self {
        Self::Whole(Full::default())
    }
}

impl<T: Into<Bytes>> From<T> for Reply {
    fn from(bytes: T) -> Self {
        Self::Whole(Full::new(bytes.into()))
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = RelayError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(&mut body.map_err(|never| match never {})).poll_frame(cx),
            Self::Relayed(relay) => Pin::new(relay.as_mut()).poll_frame(cx),
            Self::Masked(relay) => Pin::new(relay.as_mut()).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Relayed(relay) => relay.is_end_stream(),
            Self::Masked(relay) => relay.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Relayed(relay) => relay.size_hint(),
            Self::Masked(relay) => relay.size_hint(),
        }
    }
}
