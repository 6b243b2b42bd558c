//! The names that OpenTelemetry gives to things: the semantic conventions 1.41, the last version before those for GenAI
//! moved to a repository of their own, which has no release yet. Their status is "development".

pub(super) const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.41.0";

pub(super) const SERVICE_NAME: &str = "service.name";
pub(super) const SERVICE_VERSION: &str = "service.version";
pub(super) const SERVICE_INSTANCE: &str = "service.instance.id";

pub(super) const SERVER_ADDRESS: &str = "server.address";
pub(super) const SERVER_PORT: &str = "server.port";
pub(super) const ERROR_TYPE: &str = "error.type";
pub(super) const STATUS: &str = "http.response.status_code";
pub(super) const PSEUDONYM: &str = "enduser.pseudo.id";

pub(super) const OPERATION: &str = "gen_ai.operation.name";
pub(super) const PROVIDER: &str = "gen_ai.provider.name";
pub(super) const MODEL_ASKED: &str = "gen_ai.request.model";
pub(super) const MODEL_ANSWERED: &str = "gen_ai.response.model";
pub(super) const STREAM: &str = "gen_ai.request.stream";
pub(super) const FIRST_CHUNK: &str = "gen_ai.response.time_to_first_chunk";
pub(super) const INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
pub(super) const OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
pub(super) const CACHE_WRITE_TOKENS: &str = "gen_ai.usage.cache_creation.input_tokens";
pub(super) const CACHE_READ_TOKENS: &str = "gen_ai.usage.cache_read.input_tokens";
pub(super) const TOKEN_TYPE: &str = "gen_ai.token.type";

pub(super) const DURATION_METRIC: &str = "gen_ai.client.operation.duration";
pub(super) const TOKENS_METRIC: &str = "gen_ai.client.token.usage";
pub(super) const FIRST_CHUNK_METRIC: &str = "gen_ai.client.operation.time_to_first_chunk";

/// Stands for all series beyond the cardinality limit (OpenTelemetry SDK).
pub(super) const OVERFLOW: &str = "otel.metric.overflow";

/// Ours: names the request in the log and in the admin API.
pub(super) const REQUEST_ID: &str = "valetkey.request_id";
/// Ours: the upstream's id of the request.
pub(super) const UPSTREAM_REQUEST_ID: &str = "valetkey.upstream_request_id";
/// Ours: how the response ended, as in the usage record.
pub(super) const ENDED: &str = "valetkey.ended";
/// Ours: the cost in millionths of a US dollar.
pub(super) const COST: &str = "valetkey.cost_microusd";
/// Ours: how sure the cost is, as in the usage record.
pub(super) const COST_CERTAINTY: &str = "valetkey.cost_certainty";
/// Ours: the organisation of the device.
pub(super) const ORG: &str = "valetkey.org";
/// Ours: set when the output tokens are a lower bound.
pub(super) const OUTPUT_ESTIMATED: &str = "valetkey.output_estimated";

pub(super) const CHAT: &str = "chat";
pub(super) const ANTHROPIC: &str = "anthropic";
