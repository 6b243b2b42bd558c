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

/// The limit of requests of a device in a window.
pub const REQUESTS_LIMIT_HEADER: &str = "anthropic-ratelimit-requests-limit";
/// How many requests are left.
pub const REQUESTS_REMAINING_HEADER: &str = "anthropic-ratelimit-requests-remaining";
/// When all requests are there again (RFC 3339).
pub const REQUESTS_RESET_HEADER: &str = "anthropic-ratelimit-requests-reset";
/// The limit of tokens of a device in a minute.
pub const TOKENS_LIMIT_HEADER: &str = "anthropic-ratelimit-tokens-limit";
/// How many tokens are left.
pub const TOKENS_REMAINING_HEADER: &str = "anthropic-ratelimit-tokens-remaining";
/// When all tokens are there again (RFC 3339).
pub const TOKENS_RESET_HEADER: &str = "anthropic-ratelimit-tokens-reset";

/// `allowed`, `allowed_warning` when most of a budget is spent, `rejected` when all of it is. Claude Code reads this header
/// and those below.
pub const UNIFIED_STATUS_HEADER: &str = "anthropic-ratelimit-unified-status";
/// When the budget resets, in Unix seconds.
pub const UNIFIED_RESET_HEADER: &str = "anthropic-ratelimit-unified-reset";
/// When the budget resets, in Unix seconds; Claude Code reads both headers.
pub const OVERAGE_RESET_HEADER: &str = "anthropic-ratelimit-unified-overage-reset";
/// The spent part of the budget, such as `0.82`; `1` means all of it.
pub const OVERAGE_UTILIZATION_HEADER: &str = "anthropic-ratelimit-unified-overage-utilization";
/// The budget's period: `daily`, `weekly` or `monthly`.
pub const OVERAGE_PERIOD_HEADER: &str = "anthropic-ratelimit-unified-overage-period";
/// Why no more can be spent: `org_spend_cap_reached`.
pub const OVERAGE_DISABLED_REASON_HEADER: &str = "anthropic-ratelimit-unified-overage-disabled-reason";
/// Whose limit the answer tells of: `overage` is a budget. Never on a refusal: with it Claude Code hides the message.
pub const UNIFIED_CLAIM_HEADER: &str = "anthropic-ratelimit-unified-representative-claim";
/// As [`UNIFIED_STATUS_HEADER`]. Never on a refusal.
pub const OVERAGE_STATUS_HEADER: &str = "anthropic-ratelimit-unified-overage-status";
/// The highest threshold that the spent part has passed, `0.75` or `0.95`; absent below.
pub const OVERAGE_THRESHOLD_HEADER: &str = "anthropic-ratelimit-unified-overage-surpassed-threshold";
