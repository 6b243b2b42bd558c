//! The settings in force, as `/admin/config` shows them: under their own names, without secrets.

use ipnet::IpNet;
use serde_json::{Map, Value, json};

use crate::clock::millis;
use crate::service::base::text_file::TextFile;
use crate::service::config::Config;
use crate::service::store::database::DatabaseUrl;
use crate::service::token::keyring::SigningSecret;

pub(crate) fn shown(config: &Config) -> Value {
    let parts = [served(config), governed(config), budgeted(config), told(config)];
    parts.into_iter().filter_map(|part| part.as_object().cloned()).flatten().collect::<Map<_, _>>().into()
}

fn served(config: &Config) -> Value {
    let (listen, upstream, tls) = (&config.listen, &config.upstream, config.tls.as_ref());
    json!({
        "HOST": listen.address.ip(),
        "PORT": listen.address.port(),
        "WORKERS": listen.workers,
        "MAX_CONNECTIONS": listen.max_connections,
        "MAX_PAYLOAD_SIZE": listen.max_payload,
        "REQUEST_TIMEOUT": millis(listen.request_timeout),
        "CLIENT_READ_TIMEOUT": millis(listen.client_read_timeout),
        "DRAIN_TIMEOUT": millis(listen.drain),
        "TLS_CERT_FILE": tls.map(|tls| tls.files.paths[0].display().to_string()),
        "TLS_KEY_FILE": tls.map(|tls| tls.files.paths[1].display().to_string()),
        "TLS_HANDSHAKE_TIMEOUT": tls.map(|tls| millis(tls.handshake_timeout)),
        "ANTHROPIC_BASE_URL": upstream.origin.as_base_url(),
        "ANTHROPIC_API_KEY": is_set(!upstream.key.expose().is_empty()),
        "UPSTREAM_CONNECT_TIMEOUT": millis(upstream.connect_timeout),
        "UPSTREAM_FIRST_BYTE_TIMEOUT": millis(upstream.first_byte_timeout),
        "UPSTREAM_IDLE_TIMEOUT": millis(upstream.idle_timeout),
        "TRUSTED_PROXIES": texts(&config.trusted_proxies),
        "PROXY_BASE_URL": config.terms.base_url,
    })
}

fn governed(config: &Config) -> Value {
    let (limits, stored) = (&config.limits, &config.batches_and_files);
    let path = |file: Option<&TextFile>| file.map(|file| file.path.display().to_string());
    json!({
        "CONFIG_FILE": path(config.sources.file.as_ref()),
        "PRICES_FILE": path(config.prices.file.as_ref()),
        "TOKEN_ISSUER": config.tokens.issuer,
        "TOKEN_TTL_SECONDS": config.tokens.lifetime.as_secs(),
        "JWT_SECRET": is_set(!matches!(config.signing, SigningSecret::KeptIn(_))),
        "BOOTSTRAP_MODE": config.enrolment.mode.as_str(),
        "ENROLMENT_TOKENS": config.enrolment.tokens.len(),
        "BOOTSTRAP_RATE_MAX": config.enrolment.limits.per_network.map_or(0, std::num::NonZeroU32::get),
        "BOOTSTRAP_NEW_DEVICES_PER_HOUR": config.enrolment.limits.new_devices.map_or(0, std::num::NonZeroU32::get),
        "DEVICE_KEYS": config.enrolment.keys.as_str(),
        "ALLOWED_MODELS": config.terms.models,
        "RATE_LIMIT_MAX": limits.requests.map_or(0, std::num::NonZeroU32::get),
        "RATE_LIMIT_WINDOW": millis(limits.window),
        "TOKENS_PER_MINUTE": limits.tokens_per_minute.map_or(0, std::num::NonZeroU64::get),
        "CONCURRENT_REQUESTS": limits.concurrent.map_or(0, std::num::NonZeroU32::get),
        "BATCHES_AND_FILES": if stored.offered { "on" } else { "off" },
        "MAX_BATCH_SIZE": stored.max_batch,
        "MAX_FILE_SIZE": stored.max_file,
        "DATABASE_URL": match &config.stores.database {
            DatabaseUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
            DatabaseUrl::Postgres(_) => "postgres://…".to_owned(),
        },
        "USAGE_RETENTION_DAYS": days(config.stores.retention.usage),
        "AUDIT_RETENTION_DAYS": days(config.stores.retention.audit),
        "REDIS_URL": is_set(config.stores.redis.is_some()),
        "ADMIN_HOST": config.admin.address.ip(),
        "ADMIN_PORT": config.admin.address.port(),
        "ADMIN_TOKEN": is_set(config.admin.token.is_some()),
        "REVOCATION_MAX_STALENESS": millis(config.admin.max_staleness),
        "LEAK_DETECTION": config.leaks.mode.as_str(),
        "LEAK_KNOWN_NETWORKS": texts(&config.leaks.known_networks),
    })
}

fn budgeted(config: &Config) -> Value {
    let budgets = &config.budgets;
    json!({
        "DEVICE_BUDGET": budgets.device.words(),
        "USER_BUDGET": budgets.user.words(),
        "ORG_BUDGET": budgets.org.words(),
    })
}

fn told(config: &Config) -> Value {
    let mut settings = json!({
        "LOG_LEVEL": config.log.level.to_string(),
        "SENTRY_DSN": is_set(config.sentry.is_some()),
    });
    if let Some(otlp) = &config.otlp {
        settings["OTEL_EXPORTER_OTLP_ENDPOINT"] = otlp.endpoint.as_base_url().into();
        settings["OTEL_SERVICE_NAME"] = otlp.service_name.as_str().into();
        settings["OTEL_TRACES_SAMPLER_ARG"] = otlp.sample_ratio.into();
    }
    if let Some(sentry) = &config.sentry {
        settings["SENTRY_ENVIRONMENT"] = sentry.environment.as_str().into();
    }
    settings
}

fn texts(networks: &[IpNet]) -> Vec<String> {
    networks.iter().map(ToString::to_string).collect()
}

fn days(age: Option<std::time::Duration>) -> u64 {
    age.map_or(0, |age| age.as_secs() / (24 * 3600))
}

fn is_set(set: bool) -> &'static str {
    if set { "set" } else { "not set" }
}
