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

/// Reads a token that fits; `None` if it is damaged, from the future, or of another format, service, device or app.
#[must_use]
pub(super) fn decode(bytes: &[u8], expected: &Expected<'_>) -> Option<WrapperToken> {
    let stored: Stored = serde_json::from_slice(bytes).ok()?;
    let received_at = UNIX_EPOCH.checked_add(Duration::from_secs(stored.received_at))?;
    let fits = stored.version == VERSION
        && expected.bootstrap_urls.contains(&stored.bootstrap_url)
        && stored.device_id == expected.device_id.as_str()
        && received_at <= expected.now + CLOCK_TOLERANCE;
    let printable = !stored.token.is_empty() && stored.token.bytes().all(|byte| byte.is_ascii_graphic());
    if !fits || !printable {
        return None;
    }
    let regions = stored.regions.iter().map(|region| Origin::parse(region).map(Arc::new));
    Some(WrapperToken {
        token: Secret::new(stored.token.as_str()),
        received_at,
        lifetime: Duration::from_secs(stored.lifetime).min(MAX_LIFETIME),
        refresh_in: Duration::from_secs(stored.refresh_in),
        origin: Arc::new(Origin::parse(&stored.base_url).ok()?),
        bootstrap_url: stored.bootstrap_url,
        regions: regions.collect::<Result<_, _>>().ok()?,
    })
}

const VERSION: u32 = 1;

/// Stored times have whole seconds, and clocks are corrected by small steps.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn kept(regions: &[&str]) -> (Zeroizing<Vec<u8>>, DeviceId) {
        let device = DeviceId::parse("device-0001").unwrap();
        let token = WrapperToken {
            token: Secret::new("a.b.c"),
            received_at: now(),
            lifetime: Duration::from_secs(86_400),
            refresh_in: Duration::ZERO,
            origin: Arc::new(Origin::parse("https://claude.example").unwrap()),
            bootstrap_url: "https://claude.example/bootstrap".into(),
            regions: regions.iter().map(|region| Arc::new(Origin::parse(region).unwrap())).collect(),
        };
        (encode(&token, &device), device)
    }

    fn read(bytes: &[u8], url: &str, device: &str, now: SystemTime) -> Option<WrapperToken> {
        let device_id = &DeviceId::parse(device).unwrap();
        let bootstrap_urls = &["https://first.example/bootstrap".to_owned(), url.to_owned()];
        decode(bytes, &Expected { bootstrap_urls, device_id, now })
    }

    #[test]
    fn a_stored_token_is_read_back() {
        let (bytes, _) = kept(&[]);
        let token = read(&bytes, "https://claude.example/bootstrap", "device-0001", now()).unwrap();
        assert_eq!(token.token.expose(), "a.b.c");
        assert_eq!((token.received_at, token.lifetime), (now(), Duration::from_secs(86_400)));
        assert!(!String::from_utf8_lossy(&bytes).contains("regions"), "an earlier version can read it");
    }

    #[test]
    fn f96_the_regions_are_stored_with_the_token() {
        let (bytes, _) = kept(&["https://eu.example", "https://ap.example/claude"]);
        let token = read(&bytes, "https://claude.example/bootstrap", "device-0001", now()).unwrap();
        let regions: Vec<_> = token.regions.iter().map(|region| region.as_base_url()).collect();
        assert_eq!(regions, ["https://eu.example", "https://ap.example/claude"]);
    }

    #[test]
    fn f45_a_stored_token_that_does_not_fit_is_not_used() {
        let (bytes, _) = kept(&[]);
        let url = "https://claude.example/bootstrap";
        assert!(read(&bytes, "https://other.example/bootstrap", "device-0001", now()).is_none());
        assert!(read(&bytes, url, "device-0002", now()).is_none());
        assert!(read(&bytes, url, "device-0001", now() - Duration::from_secs(3600)).is_none());
        for damaged in [&b"{}"[..], b"", b"\xff\xfe", &bytes[..bytes.len() - 1], b"[1,2]", b"\"a.b.c\""] {
            assert!(read(damaged, url, "device-0001", now()).is_none());
        }
    }
}
