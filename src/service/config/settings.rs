//! The table of all settings. Everything outside is made from it: flags, keys of the file, help, `docs/SETTINGS.md`,
//! `/admin/config` and what a reload may change. [`reader`](super::reader) reads each row into the settings of its owner.

mod file_rows;
mod setting;

use self::file_rows::{count, with_files};
pub use self::setting::{Setting, Shown};

/// A row: the help, the name, the concern (its heading in `docs/SETTINGS.md`), and what differs from [`Setting::plain`].
macro_rules! table {
    ($(#[doc = $help:literal] $name:ident: $concern:ident { $($field:ident: $value:expr),* })*) => {
        $(
            #[doc = $help]
            pub const $name: Setting =
                Setting {
                    $($field: $value,)*
                    ..Setting::plain((stringify!($name), concat!(stringify!($name), "_FILE")), $help, $concern)
                };
        )*

        const ROWS: &[Setting] = &[$($name),*];

        /// All settings, in the order of the help. Behind each secret is the setting that names its file.
        pub const ALL: &[Setting] = &with_files::<{ count(ROWS) }>(ROWS);
    };
}

table! {
    /// File with settings, TOML: keys are the variables' names in lower case, flags and variables go over it
    CONFIG_FILE: CONFIGURATION { flag: Some("config") }
    /// Folder with secrets, each in a file with the name of its setting in lower case, as `anthropic_api_key`; systemd sets it for `LoadCredential`
    CREDENTIALS_DIRECTORY: CONFIGURATION {}
    /// TCP port for clients; 0 lets the system choose
    PORT: LISTENERS { default: Some("3001") }
    /// Address to listen on; beyond loopback `JWT_SECRET` and `BOOTSTRAP_MODE` are required
    HOST: LISTENERS { default: Some("127.0.0.1") }
    /// Hosts that clients and administrators may name, as host or host:port, separated by commas, beside loopback and that of `PROXY_BASE_URL`; default none on loopback, all beyond it
    ALLOWED_HOSTS: LISTENERS { is_list: true, is_reloadable: true }
    /// PEM file with the certificate of this service and those that vouch for it; with `TLS_KEY_FILE` clients are served TLS
    TLS_CERT_FILE: LISTENERS {}
    /// PEM file with its private key, not encrypted; a change of either file, or SIGHUP, takes effect without a restart
    TLS_KEY_FILE: LISTENERS { names_secret_file: true }
    /// Longest TLS handshake, in ms
    TLS_HANDSHAKE_TIMEOUT: LISTENERS { default: Some("10000") }
    /// The real key; better given as a variable than as a flag, which others on the machine can see
    ANTHROPIC_API_KEY: UPSTREAM { shown: Shown::Secret, is_reloadable: true }
    /// Command that prints the real key, for Vault and the like; the shell runs it at the start, at intervals, at SIGHUP, and when the upstream refuses the key
    ANTHROPIC_API_KEY_COMMAND: UPSTREAM { shown: Shown::Secret, file_name: None }
    /// Longest time that the command may take, in ms
    ANTHROPIC_API_KEY_COMMAND_TIMEOUT: UPSTREAM { default: Some("10000") }
    /// Time from one run of the command to the next, in ms
    ANTHROPIC_API_KEY_COMMAND_INTERVAL: UPSTREAM { default: Some("300000") }
    /// Where requests go
    ANTHROPIC_BASE_URL: UPSTREAM { default: Some("https://api.anthropic.com") }
    /// Header for the real key: x-api-key or authorization
    UPSTREAM_AUTH_HEADER: UPSTREAM { default: Some("x-api-key") }
    /// HTTP version towards the upstream: auto, 1.1 or 2
    UPSTREAM_HTTP_VERSION: UPSTREAM { default: Some("auto") }
    /// PEM file with certificates to trust beside the system's
    UPSTREAM_CA_FILE: UPSTREAM {}
    /// Longest time to connect to the upstream, in ms
    UPSTREAM_CONNECT_TIMEOUT: UPSTREAM { default: Some("10000") }
    /// Longest wait for the head of the upstream's response, in ms
    UPSTREAM_FIRST_BYTE_TIMEOUT: UPSTREAM { default: Some("600000") }
    /// Longest silence inside the upstream's response, in ms
    UPSTREAM_IDLE_TIMEOUT: UPSTREAM { default: Some("300000") }
    /// Secret that signs wrapper tokens, at least 32 bytes; on loopback a random one is made and kept
    JWT_SECRET: TOKENS { shown: Shown::Secret }
    /// Secrets that sign and verify, as kid:secret separated by commas: the first signs, all verify
    JWT_SECRETS: TOKENS { shown: Shown::Secret, is_list: true, file_name: None }
    /// File with such secrets, one a line; a change of it, or SIGHUP, takes effect without a restart
    JWT_SECRETS_FILE: TOKENS { names_secret_file: true }
    /// Life of a wrapper token, in hours
    JWT_EXPIRATION_HOURS: TOKENS { default: Some("24") }
    /// Life of a wrapper token in seconds; takes precedence over the hours
    TOKEN_TTL_SECONDS: TOKENS {}
    /// The iss and aud of wrapper tokens, and a part of the names in Redis; name it after the deployment when there are several
    TOKEN_ISSUER: TOKENS { default: Some("valetkey") }
    /// Who gets a token: open, enrolment or closed; on loopback the default is open
    BOOTSTRAP_MODE: TOKENS {}
    /// Tokens that allow a device to enrol, separated by commas, at least 16 characters each
    ENROLMENT_TOKENS: TOKENS { shown: Shown::Part, is_list: true, is_reloadable: true }
    /// Requests for a first token from one address (of IPv6 one /48) in any hour, failed ones too, those of known and of revoked devices not; loopback has no limit; 0 means none
    BOOTSTRAP_RATE_MAX: TOKENS { default: Some("2400") }
    /// Requests for a first token with a proof of a device's key from one address in any hour: of known devices, which do not count above; 0 means no limit
    BOOTSTRAP_KNOWN_RATE_MAX: TOKENS { default: Some("12000") }
    /// New devices that get a token in any hour, wherever they are; each instance counts for itself; 0 means no limit
    BOOTSTRAP_NEW_DEVICES_PER_HOUR: TOKENS { default: Some("0") }
    /// Whether a device's id is tied to the first key that is proved with it: off, bind, or require, which gives tokens to nobody without a key
    DEVICE_KEYS: TOKENS { default: Some("bind") }
    /// Models that devices may ask for, separated by commas; claude-haiku-* stands for all that begin so; default all
    ALLOWED_MODELS: LIMITS { is_list: true, is_reloadable: true }
    /// Features that devices may use, separated by commas: `server_tools=web_fetch+web_search,fast_mode=off,max_tokens=8192`; default all
    DEVICE_FEATURES: LIMITS { is_list: true, is_reloadable: true }
    /// Address of this service as clients reach it; default is where they asked for the token
    PROXY_BASE_URL: LISTENERS { is_reloadable: true }
    /// Base URLs of all regions of the service, separated by commas, at most 8: apps use another one when theirs fails; they share the signing secrets
    REGIONS: LISTENERS { is_list: true, is_reloadable: true }
    /// Largest request body, in bytes
    MAX_PAYLOAD_SIZE: CAPACITY { default: Some("33554432") }
    /// Whether devices may use message batches and files, each its own ones: on or off
    BATCHES_AND_FILES: LIMITS { default: Some("off") }
    /// Largest message batch, in bytes
    MAX_BATCH_SIZE: LIMITS { default: Some("268435456") }
    /// Largest file, in bytes, with what its upload has around it
    MAX_FILE_SIZE: LIMITS { default: Some("524288000") }
    /// Ids of custom skills of the account that all devices may use, separated by commas; default none
    SHARED_SKILLS: LIMITS { is_list: true }
    /// Connections at once
    MAX_CONNECTIONS: CAPACITY { default: Some("10000") }
    /// Longest wait for a request's head, and for the next piece of its body, in ms
    REQUEST_TIMEOUT: CAPACITY { default: Some("60000") }
    /// Longest wait for a client to take the next piece of its answer, in ms
    CLIENT_READ_TIMEOUT: CAPACITY { default: Some("300000") }
    /// Threads that serve requests; default one for each core
    WORKERS: CAPACITY {}
    /// How long the service goes on after SIGTERM as before, while /readyz answers 503, in ms: longer than a load balancer takes to notice
    LAME_DUCK: CAPACITY { default: Some("0") }
    /// How long open requests may go on after that, in ms
    DRAIN_TIMEOUT: CAPACITY { default: Some("30000") }
    /// Web origins that may read answers, separated by commas; default none
    CORS_ORIGINS: LISTENERS { is_list: true }
    /// off, error, warn, info, debug or trace
    LOG_LEVEL: LOGS { default: Some("info"), is_reloadable: true }
    /// json, human, or auto: human on a terminal
    LOG_FORMAT: LOGS { default: Some("auto") }
    /// Where devices, usage, revocations and the audit trail are kept: a SQLite file as sqlite:FILE, or PostgreSQL as a postgres URL
    DATABASE_URL: STORES { default: Some("sqlite:valetkey.db"), shown: Shown::Part }
    /// Folder for usage that the database does not take, of this database alone; default is beside the SQLite file, with PostgreSQL in the working folder
    USAGE_SPILL_DIR: STORES {}
    /// Days after which the record of a request is deleted; 0 keeps it for ever
    USAGE_RETENTION_DAYS: STORES { default: Some("0") }
    /// Days after which an entry of the audit trail is deleted; 0 keeps it for ever
    AUDIT_RETENTION_DAYS: STORES { default: Some("0") }
    /// Requests of one device in any window; 0 means no limit
    RATE_LIMIT_MAX: LIMITS { default: Some("100"), is_reloadable: true }
    /// Window of the rate limit, in ms
    RATE_LIMIT_WINDOW: LIMITS { default: Some("60000"), is_reloadable: true }
    /// Tokens of one device in any minute, input and output together; 0 means no limit
    TOKENS_PER_MINUTE: LIMITS { default: Some("0"), is_reloadable: true }
    /// Requests of one device at the same time; 0 means no limit
    CONCURRENT_REQUESTS: LIMITS { default: Some("0"), is_reloadable: true }
    /// Dollars that each device may spend, by day, week and month (UTC), separated by commas: 5/day,20/week,50.50/month; default no limit
    DEVICE_BUDGET: LIMITS { is_list: true, is_reloadable: true }
    /// Dollars that each user may spend over all devices, likewise; for single users, devices and organisations see `valetkey admin budgets`
    USER_BUDGET: LIMITS { is_list: true, is_reloadable: true }
    /// Dollars that each organisation may spend over all users, likewise
    ORG_BUDGET: LIMITS { is_list: true, is_reloadable: true }
    /// Redis that several instances share, as redis and rediss URLs name it; without it each instance counts for itself
    REDIS_URL: LIMITS { shown: Shown::Secret }
    /// Address of the admin listener
    ADMIN_HOST: STORES { default: Some("127.0.0.1") }
    /// Port of the admin listener; 0 lets the system choose
    ADMIN_PORT: STORES { default: Some("3002") }
    /// Bearer token for /admin, at least 32 bytes; without it only /metrics is served there
    ADMIN_TOKEN: STORES { shown: Shown::Secret, is_reloadable: true }
    /// Port of a listener with /metrics alone, for Prometheus; 0 lets the system choose; by default only the admin listener has /metrics
    METRICS_PORT: STORES {}
    /// Address of that listener; default is `ADMIN_HOST`
    METRICS_HOST: STORES {}
    /// How long requests are served while the database cannot tell who is revoked, in ms
    REVOCATION_MAX_STALENESS: STORES { default: Some("300000") }
    /// Proxies in front of the service whose X-Forwarded-For is believed: addresses or CIDRs, separated by commas
    TRUSTED_PROXIES: LISTENERS { is_list: true }
    /// When a device is used in two places at once: off, observe, refresh or revoke
    LEAK_DETECTION: LEAKS { default: Some("observe") }
    /// Networks that prove nothing about a device's place, such as exits of a company's VPN: addresses or CIDRs, separated by commas
    LEAK_KNOWN_NETWORKS: LEAKS { is_list: true }
    /// File with prices that go over the built-in list, TOML; a change of it, or SIGHUP, takes effect without a restart
    PRICES_FILE: STORES { is_reloadable: true }
    /// Address of an OpenTelemetry collector for traces and metrics, which takes OTLP over HTTP, usually on port 4318; default none
    OTEL_EXPORTER_OTLP_ENDPOINT: REPORTS {}
    /// Headers for the collector: name=value, separated by commas, with percent-encoded values
    OTEL_EXPORTER_OTLP_HEADERS: REPORTS { shown: Shown::Secret, is_list: true }
    /// Name of this service in traces and metrics
    OTEL_SERVICE_NAME: REPORTS { default: Some("valetkey") }
    /// Share of the requests that are traced where the client has not decided, from 0 to 1
    OTEL_TRACES_SAMPLER_ARG: REPORTS { default: Some("1") }
    /// Sentry project for panics and for errors that are the fault of the service itself, as a DSN; default none
    SENTRY_DSN: REPORTS { shown: Shown::Secret }
    /// Name of this deployment in Sentry
    SENTRY_ENVIRONMENT: REPORTS { default: Some("production") }
    /// Whether a crash may leave a core dump, which holds the real key, and on Linux a debugger may look into the process: on or off
    CORE_DUMPS: REPORTS { default: Some("off") }
}

// The headings of `docs/SETTINGS.md`.
const CONFIGURATION: &str = "Configuration file";
const LISTENERS: &str = "Listeners";
const UPSTREAM: &str = "Upstream";
const TOKENS: &str = "Tokens and device keys";
const LIMITS: &str = "Models, limits, budgets, batches and files";
const CAPACITY: &str = "Capacity and timeouts";
const LOGS: &str = "Logs";
const STORES: &str = "Database, admin API and prices";
const LEAKS: &str = "Leak detection";
const REPORTS: &str = "Traces, metrics and reports";
