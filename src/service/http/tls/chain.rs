//! When each certificate of a chain is valid, and what the first may be used for.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::parse_x509_certificate;
use x509_parser::time::ASN1Time;

/// The certificates of a chain that clients look at, the service's own first.
pub(super) struct Chain {
    pub(super) links: Vec<Link>,
    /// Whether the service's own certificate may sign others.
    pub(super) begins_with_authority: bool,
}

/// The times between which one certificate of the chain is valid.
pub(super) struct Link {
    pub(super) place: Place,
    pub(super) begins_at: SystemTime,
    pub(super) expires_at: SystemTime,
}

/// The place of a certificate in the chain; the first is the service's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(usize);

impl Chain {
    /// `None` if the first certificate cannot be read. Others that cannot be read are left to the clients.
    pub(super) fn read(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let (own, others) = chain.split_first()?;
        let (_, own) = parse_x509_certificate(own).ok()?;
        let mut links = vec![Link::of(1, &own)];
        for (place, other) in (2..).zip(others) {
            // Clients have the root themselves and do not look at a copy here.
            if let Ok((_, other)) = parse_x509_certificate(other)
                && other.subject().as_raw() != other.issuer().as_raw()
            {
                links.push(Link::of(place, &other));
            }
        }
        Some(Self { links, begins_with_authority: own.is_ca() })
    }

    /// When the first to expire of the certificates does.
    pub(super) fn expires_at(&self) -> SystemTime {
        self.links.iter().map(|link| link.expires_at).min().unwrap_or(UNIX_EPOCH)
    }
}

impl Link {
    fn of(place: usize, certificate: &X509Certificate<'_>) -> Self {
        let validity = certificate.validity();
        Self { place: Place(place), begins_at: time(validity.not_before), expires_at: time(validity.not_after) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 1 { f.write_str("the certificate") } else { write!(f, "certificate {} of the chain", self.0) }
    }
}

/// Times before 1970 become 1970.
fn time(at: ASN1Time) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(at.timestamp()).unwrap_or(0))
}
