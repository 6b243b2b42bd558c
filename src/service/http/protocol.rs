//! Describes to programs what this service accepts: the answer of `GET /protocol`.

use serde_json::{Value, json};

use crate::service::enrol::issuer::{Enrolment, Terms};
use crate::service::http::listen::Listen;
use crate::service::relay::batches::BatchesAndFiles;
use crate::service::relay::route::{ObjectRoute, RelayRoute};
use crate::service::token::verify::TokenPolicy;
use crate::wire::PROTOCOL_VERSION;
use crate::wire::names::{
    BOOTSTRAP_PATH, ERROR_HEADER, HEALTH_PATH, PROOF_HEADER, PROOF_NONCE_HEADER, READY_PATH, REFRESH_PATH,
    REQUEST_ID_HEADER, SHOULD_RETRY_HEADER, TOKEN_EXPIRED_HEADER, TOKEN_PREFIX,
};

/// The settings that `GET /protocol` tells clients.
pub(crate) struct Described<'a> {
    pub listen: &'a Listen,
    /// Whether this process speaks TLS to clients.
    pub has_tls: bool,
    pub tokens: &'a TokenPolicy,
    pub terms: &'a Terms,
    pub enrolment: &'a Enrolment,
    pub batches_and_files: &'a BatchesAndFiles,
}

pub(crate) fn describe(settings: &Described<'_>) -> Value {
    let objects = settings.batches_and_files;
    let mut routes = RelayRoute::ALL.map(RelayRoute::name).to_vec();
    if objects.offered {
        routes.extend(ObjectRoute::ALL.map(ObjectRoute::name));
    }
    json!({
        "name": "valetkey",
        "version": env!("CARGO_PKG_VERSION"),
        "protocol_version": PROTOCOL_VERSION,
        "bootstrap": { "path": BOOTSTRAP_PATH, "mode": settings.enrolment.mode.as_str(), "device_keys": settings.enrolment.keys.as_str() },
        "refresh": { "path": REFRESH_PATH },
        "health": { "live": HEALTH_PATH, "ready": READY_PATH },
        "transport": transport(settings),
        "token": {
            "prefix": TOKEN_PREFIX,
            "lifetime_seconds": settings.tokens.lifetime.as_secs(),
            "accepted_in": ["authorization", "x-api-key"],
        },
        "routes": routes,
        "max_payload_bytes": settings.listen.max_payload,
        "max_batch_bytes": objects.offered.then_some(objects.max_batch),
        "max_file_bytes": objects.offered.then_some(objects.max_file),
        "headers": {
            "error": ERROR_HEADER,
            "token_expired": TOKEN_EXPIRED_HEADER,
            "should_retry": SHOULD_RETRY_HEADER,
            "request_id": REQUEST_ID_HEADER,
            "proof": PROOF_HEADER,
            "proof_nonce": PROOF_NONCE_HEADER,
        },
    })
}

/// Where TLS ends, as far as the service knows: in this process, in a proxy in front if `PROXY_BASE_URL` is `https`, or
/// nowhere. Nowhere is harmless on loopback; beyond loopback tokens cross the network in the clear.
fn transport(settings: &Described<'_>) -> Value {
    let in_front = || settings.terms.base_url.as_deref().is_some_and(|url| url.starts_with("https://"));
    let tls = if settings.has_tls { Some("process") } else { in_front().then_some("proxy") };
    let in_the_clear = tls.is_none() && !settings.listen.address.ip().is_loopback();
    json!({ "tls": tls, "tokens_in_the_clear": in_the_clear })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::config::{Config, Flags};
    use crate::service::http::tls::samples::until;

    fn said_by(mut flags: Flags) -> Value {
        flags.set("ANTHROPIC_API_KEY", "sk-ant-canary");
        flags.set("JWT_SECRET", "Zq8vX2mB7kLw4nRt9yHc3jFs6dGp1aUe");
        flags.set("BOOTSTRAP_MODE", "closed");
        let config = Config::read(&flags).unwrap();
        let settings = Described {
            listen: &config.listen,
            has_tls: config.tls.is_some(),
            tokens: &config.tokens,
            terms: &config.terms,
            enrolment: &config.enrolment,
            batches_and_files: &config.batches_and_files,
        };
        describe(&settings)["transport"].take()
    }

    #[test]
    fn the_description_admits_tokens_in_the_clear() {
        let beyond = ("HOST", "0.0.0.0");
        assert_eq!(said_by(Flags::default()), json!({ "tls": null, "tokens_in_the_clear": false }));
        assert_eq!(said_by(Flags::of([beyond])), json!({ "tls": null, "tokens_in_the_clear": true }));
        let in_front = Flags::of([beyond, ("PROXY_BASE_URL", "https://claude.example")]);
        assert_eq!(said_by(in_front), json!({ "tls": "proxy", "tokens_in_the_clear": false }));
        let (folder, sample) = (tempfile::tempdir().unwrap(), until(2040));
        let path = folder.path().join("both");
        std::fs::write(&path, sample.certificate + &sample.key).unwrap();
        let file = path.display().to_string();
        let here = Flags::of([beyond, ("TLS_CERT_FILE", &file), ("TLS_KEY_FILE", &file)]);
        assert_eq!(said_by(here), json!({ "tls": "process", "tokens_in_the_clear": false }));
    }
}
