//! Checks whether a request names features that its device may not use. A value that decides about a limited feature and
//! cannot be read for certain is refused.

use std::sync::Arc;

use http::HeaderMap;
use serde_json::Value;

use crate::service::base::json::{Found, MessageKey, MessageScanner};
use crate::service::govern::features::{FeaturePolicy, FeatureRefused};
use crate::transport::buffered_body::RefusedBodyError;
use crate::transport::problem::Problem;
use crate::wire::ErrorCode;

/// Judges what scanners find in a body.
pub(crate) struct FeatureCheck {
    /// `None` if nothing is limited.
    policy: Option<Arc<FeaturePolicy>>,
    /// A request that names no service tier means the default one.
    has_tier: bool,
}

impl FeatureCheck {
    /// `has_tier` says whether the route takes a service tier; counting tokens and batches have none.
    pub(crate) fn new(policy: Option<Arc<FeaturePolicy>>, has_tier: bool) -> Self {
        Self { policy, has_tier }
    }

    pub(crate) fn is_limited(&self) -> bool {
        self.policy.is_some()
    }

    /// Judges a value. One that has not come says nothing.
    pub(crate) fn judge(&self, key: MessageKey, found: &Found) -> Result<(), RefusedBodyError> {
        match &self.policy {
            Some(_) if key == MessageKey::Unreadable => Err(ambiguous(UNREADABLE)),
            Some(policy) => limited(policy, key).map_or(Ok(()), |name| judge(policy, key, &value(name, found)?, name)),
            None => Ok(()),
        }
    }

    /// Judges the values at the top level of a whole message.
    pub(crate) fn judge_top(&self, message: &MessageScanner) -> Result<(), RefusedBodyError> {
        let Some(policy) = &self.policy else { return Ok(()) };
        message.values().try_for_each(|(key, found)| self.judge(key, found))?;
        let names_tier = match message.found(MessageKey::ServiceTier) {
            Found::Nothing => false,
            Found::Value(raw) => raw.trim_ascii() != b"null",
            Found::Repeated | Found::TooLong => true,
        };
        if self.has_tier && !names_tier { Ok(policy.allow_default_tier()?) } else { Ok(()) }
    }

    /// Judges a body that cannot be read.
    pub(crate) fn unreadable(&self, reason: &str) -> Result<(), RefusedBodyError> {
        if self.is_limited() { Err(ambiguous(reason)) } else { Ok(()) }
    }
}

/// Judges the betas in the head of a request: several lines, each with values between commas (RFC 9110 §5.6.1).
pub(super) fn judge_betas(policy: &FeaturePolicy, headers: &HeaderMap) -> Result<(), Problem> {
    if !policy.limits_betas() {
        return Ok(());
    }
    for line in headers.get_all(BETA_HEADER) {
        let Ok(line) = line.to_str() else {
            return Err(ambiguous(&format!("`{BETA_HEADER}` is not plain ASCII")).into());
        };
        for beta in line.split(',').map(str::trim).filter(|beta| !beta.is_empty()) {
            policy.allow_beta(beta).map_err(RefusedBodyError::from)?;
        }
    }
    Ok(())
}

/// The name of a value that decides about a limited feature.
fn limited(policy: &FeaturePolicy, key: MessageKey) -> Option<&'static str> {
    let (name, is_limited) = match key {
        MessageKey::Model
        | MessageKey::OtherModel
        | MessageKey::BillingPolicy
        | MessageKey::UserProfile
        | MessageKey::Workspace
        | MessageKey::Unreadable => return None,
        MessageKey::ToolType => ("the `type` of a tool", policy.limits_tools()),
        MessageKey::UncappedTool => ("the `type` of a tool", policy.most_tokens().is_some()),
        MessageKey::McpServers => ("`mcp_servers`", policy.limits_mcp()),
        MessageKey::Speed => ("`speed`", policy.limits_speed()),
        MessageKey::InferenceGeo => ("`inference_geo`", policy.limits_geo()),
        MessageKey::ServiceTier => ("`service_tier`", policy.limits_tier()),
        MessageKey::Container => ("`container`", policy.limits_containers()),
        MessageKey::Thread => ("`thread`", policy.limits_threads()),
        MessageKey::Beta => ("a beta", policy.limits_betas()),
        MessageKey::MaxTokens => ("`max_tokens`", policy.most_tokens().is_some()),
    };
    is_limited.then_some(name)
}

fn value(name: &str, found: &Found) -> Result<Value, RefusedBodyError> {
    match found {
        Found::Nothing => Ok(Value::Null),
        Found::Value(raw) => serde_json::from_slice(raw).map_err(|_| ambiguous(&format!("{name} cannot be read"))),
        Found::Repeated => Err(ambiguous(&format!("{name} appears more than once"))),
        Found::TooLong => Err(ambiguous(&format!("{name} is too long"))),
    }
}

fn judge(policy: &FeaturePolicy, key: MessageKey, value: &Value, name: &str) -> Result<(), RefusedBodyError> {
    let verdict: Result<(), FeatureRefused> = match (key, value) {
        (_, Value::Null) => Ok(()),
        (MessageKey::ToolType, Value::String(kind)) => policy.allow_tool(kind),
        (MessageKey::UncappedTool, Value::String(kind)) => policy.allow_uncapped_tool(kind),
        (MessageKey::Speed, Value::String(speed)) => policy.allow_speed(speed),
        (MessageKey::InferenceGeo, Value::String(geo)) => policy.allow_geo(geo),
        (MessageKey::ServiceTier, Value::String(tier)) => policy.allow_tier(tier),
        (MessageKey::Beta, Value::String(beta)) => policy.allow_beta(beta),
        (MessageKey::McpServers, Value::Array(servers)) if servers.is_empty() => Ok(()),
        (MessageKey::McpServers, _) => policy.allow_mcp(),
        (MessageKey::Container, _) => policy.allow_container(),
        (MessageKey::Thread, _) => policy.allow_thread(),
        (MessageKey::MaxTokens, Value::Number(tokens)) => match tokens.as_u64() {
            Some(tokens) => policy.allow_tokens(tokens),
            None => return Err(ambiguous(&format!("{name} is not a whole number"))),
        },
        _ => return Err(ambiguous(&format!("{name} has another type than the API gives it"))),
    };
    Ok(verdict?)
}

impl From<FeatureRefused> for RefusedBodyError {
    fn from(refusal: FeatureRefused) -> Self {
        Self { code: ErrorCode::FeatureNotAllowed, message: refusal.to_string() }
    }
}

fn ambiguous(reason: &str) -> RefusedBodyError {
    let message = format!("It cannot be told for certain which features the request uses: {reason}");
    RefusedBodyError { code: ErrorCode::FeatureAmbiguous, message }
}

/// Why a restricted device's request is refused that has a [`MessageKey::Unreadable`].
pub(crate) const UNREADABLE: &str =
    "a list has an element that is neither an object nor a text, or stands in too many other lists";

const BETA_HEADER: &str = "anthropic-beta";

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a56_a_beta_that_cannot_be_read_is_refused_only_where_betas_are_limited() {
        let policy = |json: &str| serde_json::from_str::<FeaturePolicy>(json).unwrap();
        let code = |json: &str, lines: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(BETA_HEADER, HeaderValue::from_bytes(line).unwrap());
            }
            judge_betas(&policy(json), &headers).map_err(|problem| problem.code)
        };
        let betas = r#"{"betas":["a-*"]}"#;
        assert_eq!(code(betas, &[b"a-1, a-2\t", b",", b""]), Ok(()));
        assert_eq!(code(betas, &[b"a-1", b"a-2,b-1"]), Err(ErrorCode::FeatureNotAllowed));
        assert_eq!(code(betas, &[b"a-\xff"]), Err(ErrorCode::FeatureAmbiguous));
        for unlimited in [r#"{"threads":false}"#, r#"{"betas":["*"]}"#] {
            assert_eq!(code(unlimited, &[b"a-\xff", b"b"]), Ok(()), "{unlimited}");
        }
    }
}
