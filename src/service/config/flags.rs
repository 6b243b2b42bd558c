//! The settings as they are named outside: one environment variable, one flag and one key of the configuration file each.
//!
//! A variable is its field in upper case, a key is the field unchanged. A setting of several values separated by commas
//! has the value name LIST; in the file it may be an array.

use std::fmt;

use clap::Args;

/// Makes the struct, and iterators over its fields by name, so that code for every setting is written once.
macro_rules! settings {
    ($(#[$($outer:tt)*])* pub struct $name:ident { $($(#[$($inner:tt)*])* pub $field:ident: Option<String>,)* }) => {
        $(#[$($outer)*])*
        pub struct $name { $($(#[$($inner)*])* pub $field: Option<String>,)* }

        impl $name {
            pub(crate) fn each(&self) -> impl Iterator<Item = (&'static str, Option<&str>)> {
                [$((stringify!($field), self.$field.as_deref())),*].into_iter()
            }

            pub(crate) fn each_mut(&mut self) -> impl Iterator<Item = (&'static str, &mut Option<String>)> {
                [$((stringify!($field), &mut self.$field)),*].into_iter()
            }
        }
    };
}

settings! {
/// Settings as text. They are parsed by [`Config`](super::Config), which reports all that is wrong at once.
#[derive(Clone, Default, Args)]
pub struct Flags {
    /// File with settings, TOML: keys are the variables' names in lower case, flags and variables go over it
    #[arg(long = "config", env = "CONFIG_FILE")]
    pub config_file: Option<String>,
    /// TCP port for clients; 0 lets the system choose
    #[arg(long, env = "PORT", default_value = "3001")]
    pub port: Option<String>,
    /// Address to listen on; beyond loopback `JWT_SECRET` and `BOOTSTRAP_MODE` are required
    #[arg(long, env = "HOST", default_value = "127.0.0.1")]
    pub host: Option<String>,
    /// PEM file with the certificate of this service and those that vouch for it; with `TLS_KEY_FILE` clients are served TLS
    #[arg(long, env = "TLS_CERT_FILE")]
    pub tls_cert_file: Option<String>,
    /// PEM file with its private key, not encrypted; a change of either file, or SIGHUP, takes effect without a restart
    #[arg(long, env = "TLS_KEY_FILE")]
    pub tls_key_file: Option<String>,
    /// Longest TLS handshake, in ms
    #[arg(long, env = "TLS_HANDSHAKE_TIMEOUT", default_value = "10000")]
    pub tls_handshake_timeout: Option<String>,
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
    /// Secrets that sign and verify, as kid:secret separated by commas: the first signs, all verify
    #[arg(long, env = "JWT_SECRETS", value_name = "LIST", hide_env_values = true)]
    pub jwt_secrets: Option<String>,
    /// File with such secrets, one a line; a change of it, or SIGHUP, takes effect without a restart
    #[arg(long, env = "JWT_SECRETS_FILE")]
    pub jwt_secrets_file: Option<String>,
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
    #[arg(long, env = "ENROLMENT_TOKENS", value_name = "LIST", hide_env_values = true)]
    pub enrolment_tokens: Option<String>,
    /// Requests for a first token from one address (of IPv6 one /48) in any hour, failed ones too; loopback has no limit; 0 means none
    #[arg(long, env = "BOOTSTRAP_RATE_MAX", default_value = "60")]
    pub bootstrap_rate_max: Option<String>,
    /// New devices that get a token in any hour, wherever they are; each instance counts for itself; 0 means no limit
    #[arg(long, env = "BOOTSTRAP_NEW_DEVICES_PER_HOUR", default_value = "0")]
    pub bootstrap_new_devices_per_hour: Option<String>,
    /// Whether a device's id is tied to the first key that is proved with it: off, bind, or require, which gives tokens to nobody without a key
    #[arg(long, env = "DEVICE_KEYS", default_value = "bind")]
    pub device_keys: Option<String>,
    /// Models that devices may ask for, separated by commas; claude-haiku-* stands for all that begin so; default all
    #[arg(long, env = "ALLOWED_MODELS", value_name = "LIST")]
    pub allowed_models: Option<String>,
    /// Address of this service as clients reach it; default is where they asked for the token
    #[arg(long, env = "PROXY_BASE_URL")]
    pub proxy_base_url: Option<String>,
    /// Largest request body, in bytes
    #[arg(long, env = "MAX_PAYLOAD_SIZE", default_value = "33554432")]
    pub max_payload_size: Option<String>,
    /// Whether devices may use message batches and files, each its own ones: on or off
    #[arg(long, env = "BATCHES_AND_FILES", default_value = "off")]
    pub batches_and_files: Option<String>,
    /// Largest message batch, in bytes
    #[arg(long, env = "MAX_BATCH_SIZE", default_value = "268435456")]
    pub max_batch_size: Option<String>,
    /// Largest file, in bytes, with what its upload has around it
    #[arg(long, env = "MAX_FILE_SIZE", default_value = "524288000")]
    pub max_file_size: Option<String>,
    /// Connections at once
    #[arg(long, env = "MAX_CONNECTIONS", default_value = "10000")]
    pub max_connections: Option<String>,
    /// Longest wait for a request's head, and for the next piece of its body, in ms
    #[arg(long, env = "REQUEST_TIMEOUT", default_value = "60000")]
    pub request_timeout: Option<String>,
    /// Longest wait for a client to take the next piece of its answer, in ms
    #[arg(long, env = "CLIENT_READ_TIMEOUT", default_value = "300000")]
    pub client_read_timeout: Option<String>,
    /// Threads that serve requests; default one for each core
    #[arg(long, env = "WORKERS")]
    pub workers: Option<String>,
    /// How long open requests may go on after SIGTERM, in ms
    #[arg(long, env = "DRAIN_TIMEOUT", default_value = "30000")]
    pub drain_timeout: Option<String>,
    /// Web origins that may read answers, separated by commas; default none
    #[arg(long, env = "CORS_ORIGINS", value_name = "LIST")]
    pub cors_origins: Option<String>,
    /// off, error, warn, info, debug or trace
    #[arg(long, env = "LOG_LEVEL", default_value = "info")]
    pub log_level: Option<String>,
    /// json, human, or auto: human on a terminal
    #[arg(long, env = "LOG_FORMAT", default_value = "auto")]
    pub log_format: Option<String>,
    /// Where devices, usage, revocations and the audit trail are kept: a SQLite file as sqlite:FILE, or PostgreSQL as a postgres URL
    #[arg(long, env = "DATABASE_URL", default_value = "sqlite:valetkey.db", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Days after which the record of a request is deleted; 0 keeps it for ever
    #[arg(long, env = "USAGE_RETENTION_DAYS", default_value = "0")]
    pub usage_retention_days: Option<String>,
    /// Days after which an entry of the audit trail is deleted; 0 keeps it for ever
    #[arg(long, env = "AUDIT_RETENTION_DAYS", default_value = "0")]
    pub audit_retention_days: Option<String>,
    /// Requests of one device in any window; 0 means no limit
    #[arg(long, env = "RATE_LIMIT_MAX", default_value = "100")]
    pub rate_limit_max: Option<String>,
    /// Window of the rate limit, in ms
    #[arg(long, env = "RATE_LIMIT_WINDOW", default_value = "60000")]
    pub rate_limit_window: Option<String>,
    /// Tokens of one device in any minute, input and output together; 0 means no limit
    #[arg(long, env = "TOKENS_PER_MINUTE", default_value = "0")]
    pub tokens_per_minute: Option<String>,
    /// Requests of one device at the same time; 0 means no limit
    #[arg(long, env = "CONCURRENT_REQUESTS", default_value = "0")]
    pub concurrent_requests: Option<String>,
    /// Dollars that each device may spend, by day, week and month (UTC), separated by commas: 5/day,20/week,50.50/month; default no limit
    #[arg(long, env = "DEVICE_BUDGET", value_name = "LIST")]
    pub device_budget: Option<String>,
    /// Dollars that each user may spend over all devices, likewise; for single users, devices and organisations see `valetkey admin budgets`
    #[arg(long, env = "USER_BUDGET", value_name = "LIST")]
    pub user_budget: Option<String>,
    /// Dollars that each organisation may spend over all users, likewise
    #[arg(long, env = "ORG_BUDGET", value_name = "LIST")]
    pub org_budget: Option<String>,
    /// Redis that several instances share, as redis and rediss URLs name it; without it each instance counts for itself
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<String>,
    /// Address of the admin listener
    #[arg(long, env = "ADMIN_HOST", default_value = "127.0.0.1")]
    pub admin_host: Option<String>,
    /// Port of the admin listener; 0 lets the system choose
    #[arg(long, env = "ADMIN_PORT", default_value = "3002")]
    pub admin_port: Option<String>,
    /// Bearer token for /admin, at least 32 bytes; without it only /metrics is served there
    #[arg(long, env = "ADMIN_TOKEN", hide_env_values = true)]
    pub admin_token: Option<String>,
    /// How long requests are served while the database cannot tell who is revoked, in ms
    #[arg(long, env = "REVOCATION_MAX_STALENESS", default_value = "300000")]
    pub revocation_max_staleness: Option<String>,
    /// Proxies in front of the service whose X-Forwarded-For is believed: addresses or CIDRs, separated by commas
    #[arg(long, env = "TRUSTED_PROXIES", value_name = "LIST")]
    pub trusted_proxies: Option<String>,
    /// When a device is used in two places at once: off, observe, refresh or revoke
    #[arg(long, env = "LEAK_DETECTION", default_value = "observe")]
    pub leak_detection: Option<String>,
    /// Networks that prove nothing about a device's place, such as exits of a company's VPN: addresses or CIDRs, separated by commas
    #[arg(long, env = "LEAK_KNOWN_NETWORKS", value_name = "LIST")]
    pub leak_known_networks: Option<String>,
    /// File with prices that go over the built-in list, TOML; a change of it, or SIGHUP, takes effect without a restart
    #[arg(long, env = "PRICES_FILE")]
    pub prices_file: Option<String>,
    /// Address of an OpenTelemetry collector for traces and metrics, which takes OTLP over HTTP, usually on port 4318; default none
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otel_exporter_otlp_endpoint: Option<String>,
    /// Headers for the collector: name=value, separated by commas, with percent-encoded values
    #[arg(long, env = "OTEL_EXPORTER_OTLP_HEADERS", hide_env_values = true, value_name = "LIST")]
    pub otel_exporter_otlp_headers: Option<String>,
    /// Name of this service in traces and metrics
    #[arg(long, env = "OTEL_SERVICE_NAME", default_value = "valetkey")]
    pub otel_service_name: Option<String>,
    /// Share of the requests that are traced where the client has not decided, from 0 to 1
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", default_value = "1")]
    pub otel_traces_sampler_arg: Option<String>,
    /// Sentry project for panics and for errors that are the fault of the service itself, as a DSN; default none
    #[arg(long, env = "SENTRY_DSN", hide_env_values = true)]
    pub sentry_dsn: Option<String>,
    /// Name of this deployment in Sentry
    #[arg(long, env = "SENTRY_ENVIRONMENT", default_value = "production")]
    pub sentry_environment: Option<String>,
}
}

/// Shows names only: some texts are secrets.
impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.each().filter(|(_, text)| text.is_some()).map(|(name, _)| name)).finish()
    }
}
