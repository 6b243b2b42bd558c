//! The settings as they are named outside: one environment variable and one flag each.

use clap::Args;

/// Settings as text. They are parsed by [`Config`](super::Config), which reports all that is wrong at once.
#[derive(Debug, Clone, Default, Args)]
pub struct Flags {
    /// TCP port for clients; 0 lets the system choose
    #[arg(long, env = "PORT", default_value = "3001")]
    pub port: Option<String>,
    /// Address to listen on; beyond loopback `JWT_SECRET` and `BOOTSTRAP_MODE` are required
    #[arg(long, env = "HOST", default_value = "127.0.0.1")]
    pub host: Option<String>,
    /// The real key; better given as a variable than as a flag, which others on the machine can see
    #[arg(long, env = "ANTHROPIC_API_KEY", hide_env_values = true)]
    pub anthropic_api_key: Option<String>,
    /// Where requests go
    #[arg(long, env = "ANTHROPIC_BASE_URL", default_value = "https://api.anthropic.com")]
    pub anthropic_base_url: Option<String>,
    /// Header for the real key: x-api-key or authorization
    #[arg(long, env = "UPSTREAM_AUTH_HEADER", default_value = "x-api-key")]
    pub upstream_auth_header: Option<String>,
    /// HTTP version towards the upstream: auto, 1.1 or 2
    #[arg(long, env = "UPSTREAM_HTTP_VERSION", default_value = "auto")]
    pub upstream_http_version: Option<String>,
    /// PEM file with certificates to trust beside the system's
    #[arg(long, env = "UPSTREAM_CA_FILE")]
    pub upstream_ca_file: Option<String>,
    /// Longest time to connect to the upstream, in ms
    #[arg(long, env = "UPSTREAM_CONNECT_TIMEOUT", default_value = "10000")]
    pub upstream_connect_timeout: Option<String>,
    /// Longest wait for the head of the upstream's response, in ms
    #[arg(long, env = "UPSTREAM_FIRST_BYTE_TIMEOUT", default_value = "600000")]
    pub upstream_first_byte_timeout: Option<String>,
    /// Longest silence inside the upstream's response, in ms
    #[arg(long, env = "UPSTREAM_IDLE_TIMEOUT", default_value = "300000")]
    pub upstream_idle_timeout: Option<String>,
    /// Secret that signs wrapper tokens, at least 32 bytes; on loopback a random one is made and kept
    #[arg(long, env = "JWT_SECRET", hide_env_values = true)]
    pub jwt_secret: Option<String>,
    /// Life of a wrapper token, in hours
    #[arg(long, env = "JWT_EXPIRATION_HOURS", default_value = "24")]
    pub jwt_expiration_hours: Option<String>,
    /// Life of a wrapper token in seconds; takes precedence over the hours
    #[arg(long, env = "TOKEN_TTL_SECONDS")]
    pub token_ttl_seconds: Option<String>,
    /// The iss and aud of wrapper tokens; name it after the deployment when there are several
    #[arg(long, env = "TOKEN_ISSUER", default_value = "valetkey")]
    pub token_issuer: Option<String>,
    /// Who gets a token: open, enrolment or closed; on loopback the default is open
    #[arg(long, env = "BOOTSTRAP_MODE")]
    pub bootstrap_mode: Option<String>,
    /// Tokens that allow a device to enrol, separated by commas, at least 16 characters each
    #[arg(long, env = "ENROLMENT_TOKENS", hide_env_values = true)]
    pub enrolment_tokens: Option<String>,
    /// Models that devices may ask for, separated by commas; claude-haiku-* stands for all that begin so; default all
    #[arg(long, env = "ALLOWED_MODELS")]
    pub allowed_models: Option<String>,
    /// Address of this service as clients reach it; default is where they asked for the token
    #[arg(long, env = "PROXY_BASE_URL")]
    pub proxy_base_url: Option<String>,
    /// Largest request body, in bytes
    #[arg(long, env = "MAX_PAYLOAD_SIZE", default_value = "33554432")]
    pub max_payload_size: Option<String>,
    /// Connections at once
    #[arg(long, env = "MAX_CONNECTIONS", default_value = "10000")]
    pub max_connections: Option<String>,
    /// Longest wait for a request's head, and for the next piece of its body, in ms
    #[arg(long, env = "REQUEST_TIMEOUT", default_value = "60000")]
    pub request_timeout: Option<String>,
    /// Threads that serve requests; default one for each core
    #[arg(long, env = "WORKERS")]
    pub workers: Option<String>,
    /// How long open requests may go on after SIGTERM, in ms
    #[arg(long, env = "DRAIN_TIMEOUT", default_value = "30000")]
    pub drain_timeout: Option<String>,
    /// Web origins that may read answers, separated by commas; default none
    #[arg(long, env = "CORS_ORIGINS")]
    pub cors_origins: Option<String>,
    /// off, error, warn, info, debug or trace
    #[arg(long, env = "LOG_LEVEL", default_value = "info")]
    pub log_level: Option<String>,
    /// json, human, or auto: human on a terminal
    #[arg(long, env = "LOG_FORMAT", default_value = "auto")]
    pub log_format: Option<String>,
    /// Database; this version keeps only the signing secret beside it
    #[arg(long, env = "DATABASE_URL", default_value = "sqlite:valetkey.db")]
    pub database_url: Option<String>,
    /// Requests per window; not enforced by this version
    #[arg(long, env = "RATE_LIMIT_MAX")]
    pub rate_limit_max: Option<String>,
    /// Window in ms; not enforced by this version
    #[arg(long, env = "RATE_LIMIT_WINDOW")]
    pub rate_limit_window: Option<String>,
    /// Redis for shared state; not used by this version
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<String>,
}

impl Flags {
    /// Settings that were given and that this version does not act on.
    pub(super) fn without_effect(&self) -> Vec<&'static str> {
        let given = |name, value: Option<&String>| value.map(|_| name);
        [
            given("RATE_LIMIT_MAX", self.rate_limit_max.as_ref()),
            given("RATE_LIMIT_WINDOW", self.rate_limit_window.as_ref()),
            given("REDIS_URL", self.redis_url.as_ref()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
