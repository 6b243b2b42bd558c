//! Paths, header names and prefixes that both ends use.

/// `POST`: trades a device id for the first wrapper token.
pub const BOOTSTRAP_PATH: &str = "/bootstrap";
/// `POST`: trades a valid wrapper token for a newer one.
pub const REFRESH_PATH: &str = "/refresh";
/// `GET`: 200 while the process lives.
pub const HEALTH_PATH: &str = "/healthz";
/// `GET`: 200 while the service takes requests, 503 while it starts or drains.
pub const READY_PATH: &str = "/readyz";
/// `GET`: describes what this service accepts, for programs.
pub const PROTOCOL_PATH: &str = "/protocol";

/// Clients put this prefix in front of a wrapper token, so that people can tell it from a real key and secret scanners
/// find it.
pub const TOKEN_PREFIX: &str = "sk-ant-proxy-";

/// The request header with a device's [proof](super::ProofClaims) of its key (RFC 9449 §4).
pub const PROOF_HEADER: &str = "dpop";
/// The response header with the nonce for the next proof (RFC 9449 §8).
pub const PROOF_NONCE_HEADER: &str = "dpop-nonce";

/// The response header with the [`ErrorCode`](super::ErrorCode) of an error that the service made itself. It is
/// stripped from upstream responses, so its presence proves that the service answered.
pub const ERROR_HEADER: &str = "x-valetkey-error";
/// Headers with this prefix belong to this hop and are never relayed.
pub const OWN_HEADER_PREFIX: &str = "x-valetkey-";
/// `true` on a 401 whose only fault is the token's age.
pub const TOKEN_EXPIRED_HEADER: &str = "x-proxy-token-expired";
/// Tells the Claude SDKs whether to retry; it overrides the status code.
pub const SHOULD_RETRY_HEADER: &str = "x-should-retry";
/// The id of one request, in errors, logs and support cases.
pub const REQUEST_ID_HEADER: &str = "request-id";

/// `rejected` when a budget is spent. Claude Code reads this header and the five below from such a refusal.
pub const UNIFIED_STATUS_HEADER: &str = "anthropic-ratelimit-unified-status";
/// When the budget resets, in Unix seconds.
pub const UNIFIED_RESET_HEADER: &str = "anthropic-ratelimit-unified-reset";
/// When the budget resets, in Unix seconds; Claude Code reads both headers.
pub const OVERAGE_RESET_HEADER: &str = "anthropic-ratelimit-unified-overage-reset";
/// The spent part of the budget; `1` means all of it.
pub const OVERAGE_UTILIZATION_HEADER: &str = "anthropic-ratelimit-unified-overage-utilization";
/// The budget's period: `daily`, `weekly` or `monthly`.
pub const OVERAGE_PERIOD_HEADER: &str = "anthropic-ratelimit-unified-overage-period";
/// Why no more can be spent: `org_spend_cap_reached`.
pub const OVERAGE_DISABLED_REASON_HEADER: &str = "anthropic-ratelimit-unified-overage-disabled-reason";
