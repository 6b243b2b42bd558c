//! The format of a stored token.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::credential::{MAX_LIFETIME, WrapperToken};
use crate::secret::Secret;
use crate::transport::origin::Origin;
use crate::wire::DeviceId;

/// A stored token. It is used only if every field fits this start. A version that knows no regions reads it if it has none.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    bootstrap_url: String,
    device_id: String,
    token: Zeroizing<String>,
    received_at: u64,
    lifetime: u64,
    refresh_in: u64,
    base_url: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    regions: Vec<String>,
}

/// Why a stored token is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum StoredTokenError {
    /// It is no token that this version has stored.
    #[error("it is damaged, or another program or version has stored it")]
    Damaged,
    #[error("it is of another service")]
    OtherService,
    #[error("it is of another device")]
    OtherDevice,
    #[error("it is from the future")]
    FromTheFuture,
}

/// The facts that a stored token must fit.
pub(super) struct Expected<'a> {
    /// The endpoints that the app names.
    pub bootstrap_urls: &'a [String],
    pub device_id: &'a DeviceId,
    pub now: SystemTime,
}

#[must_use]
pub(super) fn encode(token: &WrapperToken, device_id: &DeviceId) -> Zeroizing<Vec<u8>> {
    let stored = Stored {
        version: VERSION,
        bootstrap_url: token.bootstrap_url.clone(),
        device_id: device_id.to_string(),
        token: Zeroizing::new(token.token.expose().to_owned()),
        received_at: token.received_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        lifetime: token.lifetime.as_secs(),
        refresh_in: token.refresh_in.as_secs(),
        base_url: token.origin.as_base_url().to_owned(),
        regions: token.regions.iter().map(|region| region.as_base_url().to_owned()).collect(),
    };
    Zeroizing::new(serde_json::to_vec(&stored).unwrap_or_default())
}

/// Reads a token that fits.
pub(super) fn decode(bytes: &[u8], expected: &Expected<'_>) -> Result<WrapperToken, StoredTokenError> {
    let stored = parse(bytes).ok_or(StoredTokenError::Damaged)?;
    let origin = |text: &str| Origin::parse(text).map(Arc::new).map_err(|_| StoredTokenError::Damaged);
    let regions = stored.regions.iter().map(|region| origin(region)).collect::<Result<_, _>>()?;
    if !expected.bootstrap_urls.contains(&stored.bootstrap_url) {
        return Err(StoredTokenError::OtherService);
    }
    if stored.device_id != expected.device_id.as_str() {
        return Err(StoredTokenError::OtherDevice);
    }
    let received_at = UNIX_EPOCH.checked_add(Duration::from_secs(stored.received_at));
    let received_at = received_at.filter(|at| *at <= expected.now + CLOCK_TOLERANCE);
    Ok(WrapperToken {
        token: Secret::new(stored.token.as_str()),
        received_at: received_at.ok_or(StoredTokenError::FromTheFuture)?,
        lifetime: Duration::from_secs(stored.lifetime).min(MAX_LIFETIME),
        refresh_in: Duration::from_secs(stored.refresh_in),
        origin: origin(&stored.base_url)?,
        bootstrap_url: stored.bootstrap_url,
        regions,
    })
}

/// A stored token as this version writes it.
fn parse(bytes: &[u8]) -> Option<Stored> {
    let stored: Stored = serde_json::from_slice(bytes).ok()?;
    let printable = !stored.token.is_empty() && stored.token.bytes().all(|byte| byte.is_ascii_graphic());
    (stored.version == VERSION && printable).then_some(stored)
}

const VERSION: u32 = 1;

/// Stored times have whole seconds, and clocks are corrected by small steps.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;

    use super::*;
    use crate::wire::{Claims, Confirmation};

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn kept(regions: &[&str]) -> Zeroizing<Vec<u8>> {
        let regions = regions.iter().map(|region| Arc::new(Origin::parse(region).unwrap())).collect();
        let token = WrapperToken { regions, ..token("a.b.c", "https://claude.example") };
        encode(&token, &DeviceId::parse("device-0001").unwrap())
    }

    fn token(token: &str, origin: &str) -> WrapperToken {
        WrapperToken {
            token: Secret::new(token),
            received_at: now(),
            lifetime: Duration::from_secs(86_400),
            refresh_in: Duration::from_secs(82_800),
            origin: Arc::new(Origin::parse(origin).unwrap()),
            bootstrap_url: format!("{origin}/bootstrap"),
            regions: Vec::new(),
        }
    }

    fn read(bytes: &[u8], url: &str, device: &str, now: SystemTime) -> Result<WrapperToken, StoredTokenError> {
        let device_id = &DeviceId::parse(device).unwrap();
        let bootstrap_urls = &["https://first.example/bootstrap".to_owned(), url.to_owned()];
        decode(bytes, &Expected { bootstrap_urls, device_id, now })
    }

    const URL: &str = "https://claude.example/bootstrap";

    #[test]
    fn a_stored_token_is_read_back() {
        let bytes = kept(&[]);
        let token = read(&bytes, URL, "device-0001", now()).unwrap();
        assert_eq!(token.token.expose(), "a.b.c");
        assert_eq!((token.received_at, token.lifetime), (now(), Duration::from_secs(86_400)));
        assert!(!String::from_utf8_lossy(&bytes).contains("regions"), "an earlier version can read it");
    }

    #[test]
    fn f96_the_regions_are_stored_with_the_token() {
        let bytes = kept(&["https://eu.example", "https://ap.example/claude"]);
        let token = read(&bytes, "https://claude.example/bootstrap", "device-0001", now()).unwrap();
        let regions: Vec<_> = token.regions.iter().map(|region| region.as_base_url()).collect();
        assert_eq!(regions, ["https://eu.example", "https://ap.example/claude"]);
    }

    #[test]
    fn f45_a_stored_token_that_does_not_fit_is_not_used_for_a_reason_that_has_a_name() {
        let bytes = kept(&[]);
        let error = |bytes: &[u8], url, device, now| read(bytes, url, device, now).unwrap_err();
        let other = error(&bytes, "https://other.example/bootstrap", "device-0001", now());
        assert_eq!(other, StoredTokenError::OtherService);
        assert_eq!(error(&bytes, URL, "device-0002", now()), StoredTokenError::OtherDevice);
        let earlier = now() - Duration::from_secs(3600);
        assert_eq!(error(&bytes, URL, "device-0001", earlier), StoredTokenError::FromTheFuture);
        for damaged in [&b"{}"[..], b"", b"\xff\xfe", &bytes[..bytes.len() - 1], b"[1,2]", b"\"a.b.c\""] {
            assert_eq!(error(damaged, URL, "device-0001", now()), StoredTokenError::Damaged);
        }
    }

    #[test]
    fn f99_an_entry_fits_the_credential_manager_of_windows_with_the_longest_names_and_a_dozen_models() {
        let host = format!("https://{}.claude.example", ["a".repeat(63), "b".repeat(63)].join("."));
        let claims = |models: usize| Claims {
            iss: "i".repeat(64),
            aud: "i".repeat(64),
            sub: DeviceId::parse(&"d".repeat(32)).unwrap(),
            iat: 1_800_000_000,
            nbf: 1_800_000_000,
            exp: 1_800_086_400,
            jti: "j".repeat(22),
            org: Some("o".repeat(64)),
            user: Some("u".repeat(64)),
            app_version: Some("v".repeat(64)),
            models: vec!["claude-sonnet-5-5-20260101".into(); models],
            cnf: Some(Confirmation { jkt: "k".repeat(43) }),
        };
        let length = |models| {
            let claims = BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims(models)).unwrap());
            let (head, signature) = ("h".repeat(80), "s".repeat(43));
            let token = token(&format!("{head}.{claims}.{signature}"), &host);
            encode(&token, &DeviceId::parse(&"d".repeat(32)).unwrap()).len()
        };
        assert!(length(12) <= CREDENTIAL_BLOB, "{}", length(12));
        // Beyond that the keychain refuses the value, and the app is told.
        assert!(length(60) > CREDENTIAL_BLOB, "{}", length(60));
    }

    /// `CRED_MAX_CREDENTIAL_BLOB_SIZE`; bytes are stored as they are, and only `set_password` makes UTF-16 of them.
    const CREDENTIAL_BLOB: usize = 5 * 512;
}
