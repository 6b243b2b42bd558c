//! Two inspectors of one body, as one.

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::{Inspector, RefusedBodyError};

/// Shows a body to two inspectors; either may refuse it. If both would, the client gets the first one's reason.
pub struct Both<A, B> {
    first: A,
    second: B,
    /// The first inspector has accepted the complete body.
    first_agrees: bool,
}

impl<A, B> Both<A, B> {
    /// Combines two inspectors; `first` always sees a piece first.
    #[must_use]
    pub fn new(first: A, second: B) -> Self {
        Self { first, second, first_agrees: false }
    }
}

impl<A: Inspector, B: Inspector> Inspector for Both<A, B> {
    fn piece(&mut self, bytes: &[u8]) -> Result<(), RefusedBodyError> {
        self.first.piece(bytes)?;
        self.second.piece(bytes)
    }

    fn held(&mut self, pieces: &VecDeque<Bytes>, whole: bool) -> Result<(), RefusedBodyError> {
        self.first.held(pieces, whole)?;
        self.second.held(pieces, whole)
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RefusedBodyError>> {
        if !self.first_agrees {
            ready!(self.first.poll_end(cx))?;
            self.first_agrees = true;
        }
        self.second.poll_end(cx)
    }
}
