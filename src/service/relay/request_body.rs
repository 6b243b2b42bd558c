//! Reads a request's body in one walk, as it passes, and judges it on exactly the bytes that are forwarded: the model, the
//! models of tools and fallbacks, the features, what it refers to, who pays, and the values that decide the price.
//!
//! What a caller may do decides how much is read. For a caller of all models and features without a budget the walk ends
//! with the first `model`, which the breaker and the usage record go by. A budget needs everything that decides the
//! price, and a restricted caller's models and features are all judged, so their bodies are read to the end: a second
//! `model` further down could be the one that counts upstream.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;

use super::feature_check::{FeatureCheck, UNREADABLE};
use super::ownership_check::OwnershipCheck;
use super::payer_check::PayerCheck;
use crate::service::base::json::{Found, Mention, MessageDepth, MessageKey, MessageScanner};
use crate::service::base::shown::shown;
use crate::service::meter::prices::{Conditions, EstimateInput};
use crate::service::token::models::ModelRule;
use crate::transport::buffered_body::{Inspector, RefusedBodyError};
use crate::wire::ErrorCode;

/// What a body says, as far as it was read before the request goes up.
#[derive(Debug, Default)]
pub(crate) struct BodyFacts {
    pub model: RequestedModel,
    /// For a request that a budget pays. Of a body that is streamed, more of everything may come, so the estimate is the
    /// largest there is.
    pub estimate: Option<EstimateInput>,
    /// Whether a later request may refer to the message that answers it.
    pub keeps_message: bool,
    /// Whether the answer may name files that code has made.
    pub may_run_code: bool,
}

/// The model that a body names.
#[derive(Debug, Clone)]
pub(crate) enum RequestedModel {
    Known(Option<Box<str>>),
    /// The body was too long to be held, so the model may come while the request is on its way.
    Late(Arc<OnceLock<Box<str>>>),
}

pub(crate) struct RequestReader {
    scanner: MessageScanner,
    depth: MessageDepth,
    rule: ModelRule,
    features: FeatureCheck,
    model: RequestedModel,
    /// The model needs no further look: it was found, or the upstream has to judge it.
    is_settled: bool,
    /// The walk has followed all bytes so far.
    is_readable: bool,
    /// `None` for a request that no budget pays.
    estimate: Option<EstimateInput>,
    ownership: OwnershipCheck,
    payer: PayerCheck,
}

impl Default for RequestedModel {
    fn default() -> Self {
        Self::Known(None)
    }
}

impl RequestedModel {
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Known(name) => name.as_deref(),
            Self::Late(name) => name.get().map(AsRef::as_ref),
        }
    }

    pub(crate) fn into_name(self) -> Option<Box<str>> {
        match self {
            Self::Known(name) => name,
            Self::Late(name) => name.get().cloned(),
        }
    }

    fn set(&mut self, model: String) {
        match self {
            Self::Known(name) => *name = Some(model.into()),
            Self::Late(name) => drop(name.set(model.into())),
        }
    }
}

impl RequestReader {
    /// Reads the body of a request whose token is for the models of `rule`. `is_priced` says whether a budget pays.
    pub(crate) fn new(rule: ModelRule, features: FeatureCheck, is_priced: bool, ownership: OwnershipCheck) -> Self {
        let is_restricted = rule != ModelRule::Any || features.is_limited();
        let depth = match (is_restricted, is_priced) {
            (true, _) => MessageDepth::Whole,
            (false, true) => MessageDepth::Price,
            (false, false) => MessageDepth::Model,
        };
        Self {
            scanner: MessageScanner::new(depth),
            depth,
            rule,
            features,
            model: RequestedModel::default(),
            is_settled: false,
            is_readable: true,
            estimate: is_priced.then(EstimateInput::default),
            ownership,
            payer: PayerCheck::of_message(),
        }
    }

    pub(crate) fn facts(&self) -> BodyFacts {
        let estimate = self.estimate.map(|estimate| EstimateInput { kept: self.ownership.kept(), ..estimate });
        let (keeps_message, may_run_code) = (self.ownership.keeps_message(), self.ownership.may_run_code());
        BodyFacts { model: self.model.clone(), estimate, keeps_message, may_run_code }
    }

    fn read(&mut self, bytes: &[u8]) -> Result<(), RefusedBodyError> {
        if !self.is_readable || (self.is_settled && self.depth == MessageDepth::Model) {
            return Ok(());
        }
        let mut below = Vec::new();
        let read = match self.depth {
            MessageDepth::Model => self.scanner.feed_to_model(bytes),
            _ => self.scanner.feed(bytes, &mut below),
        };
        if read.is_err() {
            self.is_readable = false;
            return self.unreadable("the body is not a JSON object");
        }
        below.iter().try_for_each(|mention| self.judge_below(mention))?;
        self.judge()
    }

    fn judge_below(&self, Mention { key, found }: &Mention) -> Result<(), RefusedBodyError> {
        match key {
            _ if self.rule == ModelRule::Any => self.features.judge(*key, found),
            MessageKey::Unreadable => Err(ambiguous(UNREADABLE)),
            MessageKey::OtherModel => match named(found) {
                Some(model) => self.allow(&model),
                None => Err(ambiguous("the `model` of a tool or a fallback is not one short text")),
            },
            _ => self.features.judge(*key, found),
        }
    }

    fn judge(&mut self) -> Result<(), RefusedBodyError> {
        let found = self.scanner.found(MessageKey::Model);
        let is_ambiguous = *found == Found::Repeated && self.depth != MessageDepth::Model;
        if is_ambiguous && (!self.is_settled || self.model.name().is_some()) {
            return Err(ambiguous("`model` appears more than once"));
        }
        if self.is_settled || *found == Found::Nothing {
            return Ok(());
        }
        let Some(model) = named(found) else { return self.model_unknown("`model` is not a short text") };
        self.allow(&model)?;
        self.model.set(model);
        self.is_settled = true;
        Ok(())
    }

    fn allow(&self, model: &str) -> Result<(), RefusedBodyError> {
        if self.rule.allows(model) {
            return Ok(());
        }
        let message = format!("model: {} is not available to this device", shown(model));
        Err(RefusedBodyError { code: ErrorCode::ModelNotAllowed, message })
    }

    /// Handles a body whose model cannot be read: refuses a caller of certain models, and lets the upstream judge any
    /// other.
    fn model_unknown(&mut self, reason: &str) -> Result<(), RefusedBodyError> {
        self.is_settled = true;
        if self.rule == ModelRule::Any { Ok(()) } else { Err(ambiguous(reason)) }
    }

    /// Handles a body that cannot be read: refuses a restricted caller.
    fn unreadable(&mut self, reason: &str) -> Result<(), RefusedBodyError> {
        self.model_unknown(reason)?;
        self.features.unreadable(reason)
    }

    fn end(&mut self) -> Result<(), RefusedBodyError> {
        if self.depth != MessageDepth::Whole {
            return Ok(());
        }
        if !self.scanner.is_complete() {
            return self.unreadable("the body is not a complete JSON object");
        }
        if *self.scanner.found(MessageKey::Model) == Found::Nothing {
            self.model_unknown("the body has no `model`")?;
        }
        self.features.judge_top(&self.scanner)
    }

    /// What decides the price of a whole body. A value that cannot be read for certain counts as the dearest there is.
    fn estimate(&self, length: u64) -> EstimateInput {
        if !self.is_readable || !self.scanner.is_complete() {
            // The upstream refuses such a body, most likely.
            return EstimateInput { body: Some(length), ..EstimateInput::default() };
        }
        let conditions = Conditions {
            fast: self.may_say(MessageKey::Speed, "fast"),
            us: self.may_say(MessageKey::InferenceGeo, "us"),
            ..Conditions::default()
        };
        let max_tokens = match self.scanner.found(MessageKey::MaxTokens) {
            Found::Value(raw) => serde_json::from_slice(raw).ok(),
            _ => None,
        };
        EstimateInput { body: Some(length), max_tokens, conditions, ..EstimateInput::default() }
    }

    /// Whether the value of a key is, or may be taken for, this text.
    fn may_say(&self, key: MessageKey, text: &str) -> bool {
        match self.scanner.found(key) {
            Found::Nothing => false,
            Found::Value(raw) => serde_json::from_slice::<String>(raw).is_ok_and(|said| said == text),
            Found::Repeated | Found::TooLong => true,
        }
    }
}

impl Inspector for RequestReader {
    fn piece(&mut self, bytes: &[u8]) -> Result<(), RefusedBodyError> {
        self.read(bytes)?;
        self.ownership.piece(bytes)?;
        self.payer.piece(bytes, self.ownership.may_name_payer())
    }

    fn held(&mut self, pieces: &VecDeque<Bytes>, whole: bool) -> Result<(), RefusedBodyError> {
        if !whole {
            let late = self.model.name().map_or_else(OnceLock::new, |name| OnceLock::from(Box::from(name)));
            self.model = RequestedModel::Late(Arc::new(late));
        } else if self.estimate.is_some() {
            self.estimate = Some(self.estimate(pieces.iter().map(|piece| piece.len() as u64).sum()));
        }
        self.ownership.held(pieces, whole)?;
        self.payer.held(pieces, whole, self.ownership.may_name_payer())
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RefusedBodyError>> {
        self.end()?;
        self.ownership.poll_end(cx)
    }
}

/// The model that a value names, if it is a short text.
pub(super) fn named(found: &Found) -> Option<String> {
    let Found::Value(raw) = found else { return None };
    serde_json::from_slice::<String>(raw).ok().filter(|model| model.len() <= LONGEST_NAME)
}

fn ambiguous(reason: &str) -> RefusedBodyError {
    let message = format!("The model cannot be told for certain: {reason}");
    RefusedBodyError { code: ErrorCode::ModelAmbiguous, message }
}

/// No model has a longer name. A longer one would stand in the log and in the database with each request (A48).
const LONGEST_NAME: usize = 128;

#[cfg(test)]
mod tests;
