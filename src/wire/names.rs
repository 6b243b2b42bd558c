//! Paths, header names and prefixes, spelled once.

/// Trades a device id for the first wrapper token.
pub const BOOTSTRAP_PATH: &str = "/bootstrap";
/// Trades a valid wrapper token for a newer one.
pub const REFRESH_PATH: &str = "/refresh";
/// 200 while the process lives.
pub const HEALTH_PATH: &str = "/healthz";
/// 200 while the service takes requests, 503 while it starts or drains.
pub const READY_PATH: &str = "/readyz";
/// Describes what this service accepts.
pub const PROTOCOL_PATH: &str = "/protocol";

/// Clients send a wrapper token with this prefix, so that it is told apart from a real key at a glance and secret
/// scanners find it.
pub const TOKEN_PREFIX: &str = "sk-ant-proxy-";

/// Carries a device's [proof](super::ProofClaims) that it has its key (RFC 9449 §4).
pub const PROOF_HEADER: &str = "dpop";
/// The nonce for the next proof (RFC 9449 §8).
pub const PROOF_NONCE_HEADER: &str = "dpop-nonce";

/// Carries the [`ErrorCode`](super::ErrorCode) of an error the service made itself. Stripped from upstream
/// responses, so its presence proves who speaks.
pub const ERROR_HEADER: &str = "x-valetkey-error";
/// All headers with this prefix belong to the hop and are never relayed.
pub const OWN_HEADER_PREFIX: &str = "x-valetkey-";
/// Set to `true` beside a 401 whose only fault is the token's age.
pub const TOKEN_EXPIRED_HEADER: &str = "x-proxy-token-expired";
/// Tells the Claude SDKs whether to retry; it beats the status code.
pub const SHOULD_RETRY_HEADER: &str = "x-should-retry";
/// Names a request in errors, logs and support cases.
pub const REQUEST_ID_HEADER: &str = "request-id";

/// `rejected` on the refusal of a budget that is spent. This and the next five are what Claude Code reads there.
pub const UNIFIED_STATUS_HEADER: &str = "anthropic-ratelimit-unified-status";
/// When the budget resets, in Unix seconds.
pub const UNIFIED_RESET_HEADER: &str = "anthropic-ratelimit-unified-reset";
/// The same again.
pub const OVERAGE_RESET_HEADER: &str = "anthropic-ratelimit-unified-overage-reset";
/// How much of the budget is spent; `1` is all.
pub const OVERAGE_UTILIZATION_HEADER: &str = "anthropic-ratelimit-unified-overage-utilization";
/// `daily`, `weekly` or `monthly`.
pub const OVERAGE_PERIOD_HEADER: &str = "anthropic-ratelimit-unified-overage-period";
/// `org_spend_cap_reached`.
pub const OVERAGE_DISABLED_REASON_HEADER: &str = "anthropic-ratelimit-unified-overage-disabled-reason";
