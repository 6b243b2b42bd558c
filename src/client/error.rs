//! What can go wrong on the desktop, and what an app can do about it.

mod cause;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Serialize, Serializer};
use strum::IntoStaticStr;

pub use self::cause::Cause;
pub(super) use self::cause::system_code;
use super::keychain::KeychainError;
use crate::clock::millis;
use crate::wire::ErrorCode;

/// Every failure that an app can meet. [`code`](Self::code) is stable; the message is for people.
#[derive(Debug, Clone, thiserror::Error, IntoStaticStr)]
#[strum(prefix = "VALET_", serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum ClientError {
    /// An option is missing or cannot be used.
    #[error("{0}")]
    Config(String),
    /// The service cannot be reached: no network, no such name, a refused connection, an untrusted certificate.
    #[error("cannot reach the service: {0}")]
    Network(Cause),
    /// The HTTP proxy between this machine and the service wants a user and a password.
    #[error("cannot reach the service: {0}")]
    ProxyAuth(Cause),
    /// The certificate that was shown for the service is not trusted: that of a proxy that inspects TLS, or of a stranger.
    #[error("cannot reach the service: {0}")]
    Certificate(Cause),
    /// The service did not answer in time.
    #[error("the service did not answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// A call to the service was not answered in time.
    #[error("the service did not answer within {} ms: {way}", .limit.as_millis())]
    #[strum(to_string = "TIMEOUT")]
    NoAnswer {
        /// The host and port, and the proxy in between if there is one.
        way: String,
        /// How long the call waited.
        limit: Duration,
    },
    /// Something answers, but not a healthy valetkey service: another server, the network's login page, or a service
    /// that is draining.
    #[error("the service is not healthy: {0}")]
    Unhealthy(String),
    /// The service refuses to give this device a token.
    #[error("the service refused this device: {message}")]
    #[strum(to_string = "BOOTSTRAP_DENIED")]
    Denied {
        /// The code of the refusal.
        code: ErrorCode,
        /// The service's sentence for people.
        message: String,
    },
    /// The app, which was asked for its enrolment token, gave none.
    #[error("the app gave no enrolment token: {0}")]
    EnrolmentToken(&'static str),
    /// The device or its token was revoked.
    #[error("this device was revoked: {0}")]
    Revoked(String),
    /// The service is busy or fails for now.
    #[error("the service is not available: {message}")]
    Unavailable {
        /// The service's sentence for people.
        message: String,
        /// The wait that the service asked for, if it did.
        retry_after: Option<Duration>,
    },
    /// Another program uses the fixed port.
    #[error("port {0} on 127.0.0.1 is in use")]
    PortInUse(u16),
    /// Another program listens on the socket of `socketPath`.
    #[error("the socket {} is in use", .0.display())]
    #[strum(to_string = "PORT_IN_USE")]
    SocketInUse(PathBuf),
    /// The keychain is locked, and cannot prompt the person.
    #[error("the keychain is locked")]
    KeychainLocked,
    /// The keychain did not answer in time: it is slow, hangs, or prompts the person.
    #[error("the keychain did not answer within {} ms: it is slow, or waits to be unlocked", .0.as_millis())]
    KeychainTimeout(Duration),
    /// The keychain has not answered an earlier call.
    #[error("the keychain has not answered yet: it is slow, or waits to be unlocked")]
    #[strum(to_string = "KEYCHAIN_TIMEOUT")]
    KeychainBusy,
    /// The person dismissed the keychain's prompt, or the system keeps the app from the keychain.
    #[error("the keychain was denied to the app: its prompt was dismissed, or a rule of the system forbids it")]
    KeychainDenied,
    /// The keychain takes no value as long as the token.
    #[error("the keychain is too small: the token is longer than the values that it takes")]
    KeychainTooSmall,
    /// There is no keychain, or it does not work.
    #[error("the keychain cannot be used: {0}")]
    KeychainUnavailable(String),
    /// This machine has no usable id.
    #[error("this machine has no usable machine id")]
    NoMachineId,
    /// The app aborted the start.
    #[error("the start was aborted")]
    Aborted,
    /// The proxy is closed already.
    #[error("the proxy is closed")]
    Closed,
    /// A fault of valetkey or of the operating system.
    #[error("internal error: {0}")]
    Internal(String),
}

impl ClientError {
    /// The code that JavaScript sees as `err.code`: `VALET_` and a name, mostly the variant's.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.into()
    }

    /// Whether the same call may succeed later, with no change by the app or the operator.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Network(_)
                | Self::Certificate(_)
                | Self::Timeout(_)
                | Self::NoAnswer { .. }
                | Self::Unhealthy(_)
                | Self::EnrolmentToken(_)
                | Self::Unavailable { .. }
                | Self::PortInUse(_)
                | Self::SocketInUse(_)
                | Self::KeychainLocked
                | Self::KeychainTimeout(_)
                | Self::KeychainBusy
        )
    }

    /// The wait that the service asked for, if it did.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// What failed beneath, where more is known of it than the message says.
    fn cause(&self) -> Option<Cause> {
        match self {
            Self::Network(cause) | Self::ProxyAuth(cause) | Self::Certificate(cause) => Some(cause.clone()),
            Self::Denied { code, message } => {
                Some(Cause { code: Some(code.as_str()), message: message.clone(), address: None })
            }
            Self::PortInUse(port) => Some(Cause {
                code: Some("EADDRINUSE"),
                message: "address already in use".into(),
                address: Some(format!("127.0.0.1:{port}")),
            }),
            Self::SocketInUse(path) => Some(Cause {
                code: Some("EADDRINUSE"),
                message: "address already in use".into(),
                address: Some(path.display().to_string()),
            }),
            _ => None,
        }
    }

    /// Whether the network or the service fails for a while, which says nothing about this device.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        self.is_unreached() || matches!(self, Self::Unavailable { .. })
    }

    /// Whether no answer came, from the service or from a server in front of it.
    #[must_use]
    pub fn is_unreached(&self) -> bool {
        matches!(
            self,
            Self::Network(_) | Self::ProxyAuth(_) | Self::Certificate(_) | Self::Timeout(_) | Self::NoAnswer { .. }
        )
    }

    /// Whether the keychain is out of use, which says nothing about the service.
    #[must_use]
    pub fn is_of_keychain(&self) -> bool {
        matches!(
            self,
            Self::KeychainLocked
                | Self::KeychainTimeout(_)
                | Self::KeychainBusy
                | Self::KeychainDenied
                | Self::KeychainTooSmall
                | Self::KeychainUnavailable(_)
        )
    }

    /// Whether the service refuses this device. That ends only when a person changes something at the service.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Denied { .. } | Self::Revoked(_))
    }
}

/// In JSON the facts of a `ValetError` of `index.d.ts`.
impl Serialize for ClientError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let facts = Facts {
            code: self.code(),
            message: self.to_string(),
            retryable: self.is_retryable(),
            retry_after_ms: self.retry_after().map(millis),
            cause: self.cause(),
        };
        facts.serialize(serializer)
    }
}

#[derive(Serialize)]
struct Facts {
    code: &'static str,
    message: String,
    retryable: bool,
    #[serde(rename = "retryAfterMs", skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Cause>,
}

impl From<KeychainError> for ClientError {
    fn from(error: KeychainError) -> Self {
        match error {
            KeychainError::Locked => Self::KeychainLocked,
            KeychainError::Late(limit) => Self::KeychainTimeout(limit),
            KeychainError::Busy => Self::KeychainBusy,
            KeychainError::Denied => Self::KeychainDenied,
            KeychainError::TooLong => Self::KeychainTooSmall,
            KeychainError::Unavailable(why) => Self::KeychainUnavailable(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_codes_are_those_of_the_javascript_interface() {
        let text = String::new;
        let errors = [
            ClientError::Config(text()),
            ClientError::Network(Cause::default()),
            ClientError::ProxyAuth(Cause::default()),
            ClientError::Certificate(Cause::default()),
            ClientError::Timeout(Duration::ZERO),
            ClientError::NoAnswer { way: text(), limit: Duration::ZERO },
            ClientError::Unhealthy(text()),
            ClientError::Denied { code: ErrorCode::BootstrapClosed, message: text() },
            ClientError::EnrolmentToken(""),
            ClientError::Revoked(text()),
            ClientError::Unavailable { message: text(), retry_after: None },
            ClientError::PortInUse(0),
            ClientError::SocketInUse(PathBuf::new()),
            ClientError::KeychainLocked,
            ClientError::KeychainTimeout(Duration::ZERO),
            ClientError::KeychainBusy,
            ClientError::KeychainDenied,
            ClientError::KeychainTooSmall,
            ClientError::KeychainUnavailable(text()),
            ClientError::NoMachineId,
            ClientError::Aborted,
            ClientError::Closed,
            ClientError::Internal(text()),
        ];
        let codes: BTreeSet<_> = errors.iter().map(ClientError::code).collect();
        let interface = include_str!("../../index.d.ts");
        let declared = interface.lines().filter_map(|line| line.trim().strip_prefix("| '")?.split('\'').next());
        // An addon that cannot be loaded says nothing itself.
        let declared = declared.filter(|code| code.starts_with("VALET_") && *code != "VALET_PLATFORM");
        let declared: BTreeSet<_> = declared.collect();
        assert_eq!(codes, declared);
    }

    #[test]
    fn an_error_shows_the_cause_beneath_it_and_never_itself() {
        let shown = |error: &ClientError| serde_json::to_value(error).unwrap()["cause"].take();
        let refused = Cause {
            code: Some("ECONNREFUSED"),
            message: "Connection refused".into(),
            address: Some("127.0.0.1:9".into()),
        };
        let expected = serde_json::json!({
            "code": "ECONNREFUSED", "message": "Connection refused", "address": "127.0.0.1:9",
        });
        assert_eq!(shown(&ClientError::Network(refused)), expected);
        let denied = ClientError::Denied { code: ErrorCode::BootstrapClosed, message: "closed".into() };
        let expected = serde_json::json!({ "code": ErrorCode::BootstrapClosed.as_str(), "message": "closed" });
        assert_eq!(shown(&denied), expected);
        assert!(shown(&ClientError::Closed).is_null());
    }

    #[test]
    fn an_error_shows_the_wait_that_the_service_asked_for_and_no_other() {
        let shown = |retry_after| {
            let busy = ClientError::Unavailable { message: String::new(), retry_after };
            serde_json::to_value(busy).unwrap().get("retryAfterMs").cloned()
        };
        assert_eq!(shown(Some(Duration::from_secs(40))), Some(40_000.into()));
        assert_eq!(shown(None), None);
        assert!(serde_json::to_value(ClientError::Closed).unwrap().get("retryAfterMs").is_none());
    }
}
