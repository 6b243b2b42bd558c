//! Describes, for machines, what this service accepts.

use serde_json::{Value, json};

use super::config::Config;
use super::router::{ObjectRoute, RelayRoute};
use crate::wire::PROTOCOL_VERSION;
use crate::wire::names::{
    BOOTSTRAP_PATH, ERROR_HEADER, HEALTH_PATH, PROOF_HEADER, PROOF_NONCE_HEADER, READY_PATH, REFRESH_PATH,
    REQUEST_ID_HEADER, SHOULD_RETRY_HEADER, TOKEN_EXPIRED_HEADER, TOKEN_PREFIX,
};

/// The answer to `GET /protocol`.
#[must_use]
pub(super) fn describe(config: &Config) -> Value {
    let objects = &config.batches_and_files;
    let mut routes = RelayRoute::ALL.map(RelayRoute::name).to_vec();
    if objects.offered {
        routes.extend(ObjectRoute::ALL.map(ObjectRoute::name));
    }
    json!({
        "name": "valetkey",
        "version": env!("CARGO_PKG_VERSION"),
        "protocol_version": PROTOCOL_VERSION,
        "bootstrap": { "path": BOOTSTRAP_PATH, "mode": config.enrolment.mode.as_str(), "device_keys": config.enrolment.keys.as_str() },
        "refresh": { "path": REFRESH_PATH },
        "health": { "live": HEALTH_PATH, "ready": READY_PATH },
        "transport": transport(config),
        "token": {
            "prefix": TOKEN_PREFIX,
            "lifetime_seconds": config.tokens.lifetime.as_secs(),
            "accepted_in": ["authorization", "x-api-key"],
        },
        "routes": routes,
        "max_payload_bytes": config.listen.max_payload,
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

/// Where TLS ends, as far as the service knows: in this process, in front of it if `PROXY_BASE_URL` says so, or nowhere.
/// Nowhere is no harm on loopback; beyond it tokens cross the network in the clear.
fn transport(config: &Config) -> Value {
    let in_front = || config.terms.base_url.as_deref().is_some_and(|url| url.starts_with("https://"));
    let tls = match &config.tls {
        Some(_) => Some("process"),
        None => in_front().then_some("proxy"),
    };
    let in_the_clear = tls.is_none() && !config.listen.address.ip().is_loopback();
    json!({ "tls": tls, "tokens_in_the_clear": in_the_clear })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::config::Flags;
    use crate::service::tls::samples::until;

    fn said_by(flags: Flags) -> Value {
        let flags = Flags {
            anthropic_api_key: Some("sk-ant-canary".into()),
            jwt_secret: Some("Zq8vX2mB7kLw4nRt9yHc3jFs6dGp1aUe".into()),
            bootstrap_mode: Some("closed".into()),
            ..flags
        };
        describe(&Config::read(&flags).unwrap())["transport"].take()
    }

    #[test]
    fn tokens_that_cross_in_the_clear_are_owned_up_to() {
        let beyond = || Flags { host: Some("0.0.0.0".into()), ..Flags::default() };
        assert_eq!(said_by(Flags::default()), json!({ "tls": null, "tokens_in_the_clear": false }));
        assert_eq!(said_by(beyond()), json!({ "tls": null, "tokens_in_the_clear": true }));
        let in_front = Flags { proxy_base_url: Some("https://claude.example".into()), ..beyond() };
        assert_eq!(said_by(in_front), json!({ "tls": "proxy", "tokens_in_the_clear": false }));
        let (folder, sample) = (tempfile::tempdir().unwrap(), until(2040));
        let path = folder.path().join("both");
        std::fs::write(&path, sample.certificate + &sample.key).unwrap();
        let file = Some(path.display().to_string());
        let here = Flags { tls_cert_file: file.clone(), tls_key_file: file, ..beyond() };
        assert_eq!(said_by(here), json!({ "tls": "process", "tokens_in_the_clear": false }));
    }
}
