//! Refuses a body that says who pays (`billing_policy`) or who is meant (`user_profile_id`, `workspace_id`): that is for the
//! service to say, never for a device.
//!
//! Nearly no body contains one of the names at all, which the search of
//! [`OwnershipCheck`](super::ownership_check::OwnershipCheck) tells; only the others, and bodies too long to be buffered, are
//! walked. The names may stand anywhere else, as in the schema of a tool.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::service::base::json::{Found, MessageDepth, MessageKey, MessageScanner, RequestsScanner};
use crate::transport::buffered_body::RefusedBodyError;
use crate::wire::ErrorCode;

/// Inspects a JSON body.
pub(crate) struct PayerCheck {
    form: BodyForm,
    /// `None` while the body need not be walked.
    walk: Option<PayerWalk>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyForm {
    Message,
    Batch,
}

enum PayerWalk {
    Message(Box<MessageScanner>),
    Batch(Box<RequestsScanner>),
    /// The walk could not follow the bytes.
    Lost,
}

impl PayerCheck {
    pub(crate) fn of_message() -> Self {
        Self { form: BodyForm::Message, walk: None }
    }

    pub(crate) fn of_batch() -> Self {
        Self { form: BodyForm::Batch, walk: None }
    }

    /// Sees the next piece. `is_suspicious` says whether the body so far may contain one of the names.
    pub(crate) fn piece(&mut self, bytes: &[u8], is_suspicious: bool) -> Result<(), RefusedBodyError> {
        let Some(walk) = &mut self.walk else { return Ok(()) };
        walk.read(bytes)?;
        if matches!(walk, PayerWalk::Lost) && is_suspicious {
            return Err(refusal("It cannot be told whether the body says who pays (`billing_policy`)".to_owned()));
        }
        Ok(())
    }

    /// Sees the buffered pieces, which are the `whole` body or its beginning.
    pub(crate) fn held(
        &mut self,
        pieces: &VecDeque<Bytes>,
        whole: bool,
        is_suspicious: bool,
    ) -> Result<(), RefusedBodyError> {
        if whole && !is_suspicious {
            return Ok(());
        }
        self.walk = Some(match self.form {
            BodyForm::Message => PayerWalk::Message(Box::new(MessageScanner::new(MessageDepth::Payer))),
            BodyForm::Batch => PayerWalk::Batch(Box::new(RequestsScanner::new(MessageDepth::Payer))),
        });
        pieces.iter().try_for_each(|piece| self.piece(piece, is_suspicious))
    }
}

impl PayerWalk {
    fn read(&mut self, bytes: &[u8]) -> Result<(), RefusedBodyError> {
        let mut said = Vec::new();
        let read = match self {
            Self::Message(message) => message.feed(bytes, &mut said),
            Self::Batch(batch) => batch.feed(bytes, &mut said),
            Self::Lost => return Ok(()),
        };
        let named = match self {
            Self::Message(message) => message.values().find(|(_, found)| **found != Found::Nothing).map(|(key, _)| key),
            // At this depth requests say nothing else.
            Self::Batch(_) | Self::Lost => said.first().map(|mention| mention.key),
        };
        if let Some(key) = named {
            let name = match key {
                MessageKey::UserProfile => "user_profile_id",
                MessageKey::Workspace => "workspace_id",
                _ => "billing_policy",
            };
            return Err(refusal(format!("`{name}` is for the service to say and not for a device; leave it out")));
        }
        if read.is_err() {
            *self = Self::Lost;
        }
        Ok(())
    }
}

fn refusal(message: String) -> RefusedBodyError {
    RefusedBodyError { code: ErrorCode::BodyInvalid, message }
}
