//! The settings in force, as `/admin/config` shows them: by the names they are set by, and no secret among them.

use ipnet::IpNet;
use serde_json::{Value, json};

use crate::service::config::{Config, DatabaseUrl, SigningSecret};

/// Every setting that an operator asks about when something is not as expected.
pub(in crate::service) fn settings(config: &Config) -> Value {
    let (listen, upstream, limits) = (&config.listen, &config.upstream, &config.limits);
    let is_set = |set: bool| if set { "set" } else { "not set" };
    json!({
        "HOST": listen.address.ip(),
        "PORT": listen.address.port(),
        "WORKERS": listen.workers,
        "MAX_CONNECTIONS": listen.max_connections,
        "MAX_PAYLOAD_SIZE": listen.max_payload,
        "REQUEST_TIMEOUT": millis(listen.request_timeout),
        "DRAIN_TIMEOUT": millis(listen.drain),
        "ANTHROPIC_BASE_URL": upstream.origin.as_base_url(),
        "ANTHROPIC_API_KEY": is_set(!upstream.key.expose().is_empty()),
        "UPSTREAM_CONNECT_TIMEOUT": millis(upstream.connect_timeout),
        "UPSTREAM_FIRST_BYTE_TIMEOUT": millis(upstream.first_byte_timeout),
        "UPSTREAM_IDLE_TIMEOUT": millis(upstream.idle_timeout),
        "TOKEN_ISSUER": config.tokens.issuer,
        "TOKEN_TTL_SECONDS": config.tokens.lifetime.as_secs(),
        "JWT_SECRET": is_set(!matches!(config.signing, SigningSecret::KeptIn(_))),
        "BOOTSTRAP_MODE": config.enrolment.mode.as_str(),
        "ENROLMENT_TOKENS": config.enrolment.tokens.len(),
        "ALLOWED_MODELS": config.terms.models,
        "PROXY_BASE_URL": config.terms.base_url,
        "RATE_LIMIT_MAX": limits.requests.map_or(0, std::num::NonZeroU32::get),
        "RATE_LIMIT_WINDOW": millis(limits.window),
        "TOKENS_PER_MINUTE": limits.tokens_per_minute.map_or(0, std::num::NonZeroU64::get),
        "CONCURRENT_REQUESTS": limits.concurrent.map_or(0, std::num::NonZeroU32::get),
        "DATABASE_URL": match &config.stores.database {
            DatabaseUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
            DatabaseUrl::Postgres(_) => "postgres://…".to_owned(),
        },
        "REDIS_URL": is_set(config.stores.redis.is_some()),
        "ADMIN_HOST": config.admin.address.ip(),
        "ADMIN_PORT": config.admin.address.port(),
        "ADMIN_TOKEN": is_set(config.admin.token.is_some()),
        "REVOCATION_MAX_STALENESS": millis(config.admin.max_staleness),
        "TRUSTED_PROXIES": texts(&config.trusted_proxies),
        "LEAK_DETECTION": config.leaks.mode.as_str(),
        "LEAK_KNOWN_NETWORKS": texts(&config.leaks.known_networks),
    })
}

fn texts(networks: &[IpNet]) -> Vec<String> {
    networks.iter().map(ToString::to_string).collect()
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
