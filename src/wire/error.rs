//! The codes of errors that cross the hop, and the answer that belongs to each.

use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};

/// Every error that valetkey itself answers with. The code is in `error.details.error_code` and in the header
/// [`ERROR_HEADER`](super::names::ERROR_HEADER); a client decides by the code alone what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, IntoStaticStr, VariantArray)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorCode {
    /// The request line, a header or the framing is not acceptable.
    RequestInvalid,
    /// The request line and the headers are too long together.
    HeadTooLarge,
    /// The body does not have the form that the route takes.
    BodyInvalid,
    /// The path is not in normal form.
    PathInvalid,
    /// There is no such route, or this service does not offer it.
    RouteUnknown,
    /// The batch or file does not exist, or belongs to another device; or the model is none that the device may use. Only
    /// logs name this code: the answer is the API's own 404, so that a caller cannot tell the cases apart.
    ObjectUnknown,
    /// The message that a thread goes on from does not exist, or is another device's. The answer is the API's own 404, with the
    /// API's own code, on which the SDKs send the whole conversation.
    ThreadNotFound,
    /// The route exists, but not with this method.
    MethodNotAllowed,
    /// The body exceeds the limit.
    PayloadTooLarge,
    /// The body has a `Content-Encoding` that the model rule cannot decode.
    EncodingUnsupported,
    /// The body did not arrive within the idle timeout.
    BodyTimeout,
    /// There is no credential, or it cannot be read.
    TokenMissing,
    /// The token was not issued by this service, or was altered.
    TokenInvalid,
    /// The token is too old or was ended early. A new token helps.
    TokenExpired,
    /// This token no longer counts; the device can get another one from `/bootstrap`.
    TokenOutdated,
    /// The token's device or its group was revoked.
    TokenRevoked,
    /// This service issues no first tokens.
    BootstrapClosed,
    /// This service enrols only with an enrolment token.
    EnrolmentRequired,
    /// The enrolment token is wrong.
    EnrolmentInvalid,
    /// This service issues tokens only to devices that prove a key.
    ProofRequired,
    /// The proof lacks the nonce that comes with this answer; a proof with it is accepted (RFC 9449 §8).
    ProofNonce,
    /// The proof is malformed or does not fit the request (RFC 9449 §4.3).
    ProofInvalid,
    /// The device id is bound to a key, and the request proved no key or another one.
    DeviceKeyMismatch,
    /// The model is not on this device's list.
    ModelNotAllowed,
    /// The body does not say beyond doubt which model it asks for.
    ModelAmbiguous,
    /// The device may not use a feature that the request names.
    FeatureNotAllowed,
    /// The body does not say beyond doubt which features it uses.
    FeatureAmbiguous,
    /// The upstream cannot be reached.
    UpstreamUnreachable,
    /// The connection ended after the request was written and before the answer came. It may have been processed.
    UpstreamDropped,
    /// The upstream took too long to answer.
    UpstreamTimeout,
    /// The upstream refused the service's own API key.
    UpstreamCredential,
    /// The upstream's answer is not HTTP that can be relayed safely.
    UpstreamInvalid,
    /// The device or its group is over a rate limit.
    RateLimited,
    /// A budget is spent; it resets later.
    BudgetSpent,
    /// Open requests have reserved the rest of a budget.
    BudgetReserved,
    /// The breaker is open: the upstream failed too often for this model.
    BreakerOpen,
    /// The service has too many requests open.
    Overloaded,
    /// The service is shutting down.
    ShuttingDown,
    /// A fault of valetkey itself.
    Internal,
    /// Loopback: the launch key is missing or wrong.
    LaunchKeyInvalid,
    /// The request names a host that the listener does not answer to. Loopback: or it comes from a web page.
    OriginForbidden,
    /// The service cannot read revocations, device keys or owners now, or cannot record usage. Loopback: there is no usable token yet.
    NotReady,
    /// A code that this version does not know.
    #[serde(other)]
    Unknown,
}

/// The values of `error.type` in the Anthropic API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the Anthropic API's own")]
pub enum ErrorKind {
    InvalidRequestError,
    AuthenticationError,
    PermissionError,
    NotFoundError,
    RequestTooLarge,
    RateLimitError,
    BillingError,
    ApiError,
    TimeoutError,
    OverloadedError,
}

impl ErrorKind {
    /// The kind with which the Anthropic API answers this HTTP status.
    #[must_use]
    pub fn of_status(status: u16) -> Self {
        match status {
            401 => Self::AuthenticationError,
            402 => Self::BillingError,
            403 => Self::PermissionError,
            404 => Self::NotFoundError,
            413 => Self::RequestTooLarge,
            429 => Self::RateLimitError,
            400..=499 => Self::InvalidRequestError,
            504 => Self::TimeoutError,
            529 => Self::OverloadedError,
            _ => Self::ApiError,
        }
    }
}

impl ErrorCode {
    /// Every code, in the order in which they are declared.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// HTTP status, `error.type`, and whether an SDK should retry the same request.
    #[must_use]
    pub fn answer(self) -> (u16, ErrorKind, bool) {
        use ErrorKind as Kind;
        match self {
            Self::RequestInvalid
            | Self::BodyInvalid
            | Self::PathInvalid
            | Self::ModelNotAllowed
            | Self::ModelAmbiguous
            | Self::FeatureNotAllowed
            | Self::FeatureAmbiguous => (400, Kind::InvalidRequestError, false),
            Self::TokenMissing
            | Self::TokenInvalid
            | Self::TokenExpired
            | Self::TokenOutdated
            | Self::TokenRevoked
            | Self::LaunchKeyInvalid
            | Self::EnrolmentRequired
            | Self::EnrolmentInvalid
            | Self::ProofRequired
            | Self::ProofNonce
            | Self::ProofInvalid => (401, Kind::AuthenticationError, false),
            Self::BootstrapClosed | Self::DeviceKeyMismatch | Self::OriginForbidden => {
                (403, Kind::PermissionError, false)
            }
            Self::RouteUnknown | Self::ObjectUnknown | Self::ThreadNotFound => (404, Kind::NotFoundError, false),
            Self::MethodNotAllowed => (405, Kind::InvalidRequestError, false),
            // Not 408, which every SDK retries: a body that stalled once stalls again.
            Self::BodyTimeout => (400, Kind::InvalidRequestError, true),
            Self::HeadTooLarge => (431, Kind::InvalidRequestError, false),
            Self::PayloadTooLarge => (413, Kind::RequestTooLarge, false),
            Self::EncodingUnsupported => (415, Kind::InvalidRequestError, false),
            Self::BudgetSpent => (429, Kind::BillingError, false),
            Self::RateLimited | Self::BudgetReserved => (429, Kind::RateLimitError, true),
            Self::Internal | Self::Unknown => (500, Kind::ApiError, true),
            Self::UpstreamUnreachable | Self::UpstreamInvalid => (502, Kind::ApiError, true),
            Self::UpstreamCredential => (502, Kind::ApiError, false),
            Self::ShuttingDown | Self::NotReady | Self::BreakerOpen | Self::UpstreamDropped => {
                (503, Kind::ApiError, true)
            }
            Self::Overloaded => (503, Kind::OverloadedError, true),
            Self::UpstreamTimeout => (504, Kind::TimeoutError, true),
        }
    }

    /// Whether the answer shows that it is valetkey's own.
    #[must_use]
    pub fn is_told(self) -> bool {
        !matches!(self, Self::ObjectUnknown | Self::ThreadNotFound)
    }

    /// The code as headers and bodies spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Parses a code; one that this version does not know is [`Unknown`](Self::Unknown).
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(text);
        Self::deserialize(text).unwrap_or(Self::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_and_body_spell_a_code_alike() {
        assert!(ErrorCode::ALL.iter().map(|code| *code as usize).eq(0..43), "all codes are there");
        for &code in ErrorCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert_eq!(ErrorCode::parse(code.as_str()), code);
        }
    }

    #[test]
    fn a_code_of_a_newer_service_is_unknown_not_an_error() {
        assert_eq!(ErrorCode::parse("quota_of_the_future"), ErrorCode::Unknown);
    }
}
