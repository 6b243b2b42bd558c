//! Checks whether the upstream's certificate is trusted, and for how long.

use std::time::{Duration, UNIX_EPOCH};

use rustls::CertificateError;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::Finding;
use super::finding::whole;
use crate::clock::Clock;
use crate::service::relay::key_swap::UpstreamConfig;
use crate::transport::tls::{TlsSetupError, would_trust};

/// The certificates are valid today; this checks the days to come.
pub(super) fn examine(config: &UpstreamConfig, shown: &[CertificateDer<'_>], clock: &dyn Clock) -> Finding {
    let Ok(name) = ServerName::try_from(config.origin.host()) else { return Finding::ok(CHECK, "trusted") };
    let now = clock.now().duration_since(UNIX_EPOCH).unwrap_or_default();
    match would_trust(shown, &name, UnixTime::since_unix_epoch(now + SOON), config.extra_roots.as_deref()) {
        Ok(()) => Finding::ok(CHECK, format!("trusted, also in {} days", SOON.as_secs() / DAY)),
        Err(TlsSetupError::Verifier(rustls::Error::InvalidCertificate(error))) if has_expired(&error) => {
            let left = match error {
                CertificateError::ExpiredContext { not_after, .. } => {
                    format!("in {} days", not_after.as_secs().saturating_sub(now.as_secs()) / DAY)
                }
                _ => format!("within {} days", SOON.as_secs() / DAY),
            };
            Finding::warning(CHECK, format!("expires {left}"), "whoever runs the upstream has to renew it")
        }
        Err(error) => Finding::warning(CHECK, whole(&error), ""),
    }
}

/// The advice for a failed handshake.
pub(super) fn advice(error: &rustls::Error) -> &'static str {
    let rustls::Error::InvalidCertificate(error) = error else {
        return "look at ANTHROPIC_BASE_URL; something in between may be breaking TLS";
    };
    match error {
        // A CA of the same name with another key is unknown too.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "put the CA of that certificate into UPSTREAM_CA_FILE, if you trust it"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "ANTHROPIC_BASE_URL must name the host as its certificate does"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "look at this machine's clock",
        error if has_expired(error) => "look at this machine's clock, then ask whoever runs the upstream",
        _ => "look at the certificate that the upstream shows",
    }
}

fn has_expired(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Expired | CertificateError::ExpiredContext { .. })
}

const CHECK: &str = "certificate";
const DAY: u64 = 24 * 60 * 60;
const SOON: Duration = Duration::from_secs(14 * DAY);
