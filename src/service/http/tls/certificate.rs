//! A certificate with its private key, checked and ready for handshakes. The configuration and each reload read it
//! here.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{InconsistentKeys, ServerConfig};

use super::chain::{Chain, Place};
use crate::service::base::watched_file::Content;

/// A chain of certificates, and the private key that belongs to the first.
pub struct Certificate {
    pub(super) config: Arc<ServerConfig>,
    /// When the first to expire of the chain's certificates does.
    pub(super) expires_at: SystemTime,
    own: CertificateDer<'static>,
    chain: Chain,
}

/// Why a certificate cannot be used. No message quotes a file, because one file is a secret.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The file is missing, unreadable, not text, or far too long.
    #[error("{0} cannot be read: {1}")]
    Unreadable(Part, #[source] io::Error),
    #[error("{0} is not well-formed")]
    Malformed(Part),
    #[error("there is no certificate in it")]
    NoCertificate,
    /// The file has no private key that can be read without a password.
    #[error("there is no private key in it (PKCS#8, PKCS#1 or SEC1, not encrypted)")]
    NoKey,
    /// TLS cannot use it.
    #[error("{0} cannot be used: {1}")]
    Unusable(Part, #[source] rustls::Error),
    /// The files are no pair, or the chain begins with another certificate.
    #[error("the private key does not belong to the first certificate of the other file")]
    Mismatch,
    /// Clients would refuse the certificate.
    #[error("{} has expired, {}", .0, moment(.1))]
    Expired(Place, SystemTime),
    /// As `Expired`, for a certificate that is used too early, or a clock that is wrong.
    #[error("{} is not valid before {}", .0, moment(.1))]
    NotYetValid(Place, SystemTime),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Certificate,
    Key,
}

impl Certificate {
    /// Reads the certificate from the contents of both files, or returns all faults of both.
    pub(super) fn from_contents([chain, key]: [&Content; 2]) -> Result<Self, Vec<CertificateError>> {
        match (read_chain(chain), read_key(key)) {
            (Ok(chain), Ok(key)) => Self::of(chain, key).map_err(|fault| vec![fault]),
            (chain, key) => Err([chain.err(), key.err()].into_iter().flatten().collect()),
        }
    }

    fn of(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, CertificateError> {
        let provider = Arc::new(default_provider());
        let own = chain.first().ok_or(CertificateError::NoCertificate)?.clone();
        let links = Chain::read(&chain).ok_or(CertificateError::Malformed(Part::Certificate))?;
        let key = provider.key_provider.load_private_key(key);
        let pair = CertifiedKey::new(chain, key.map_err(|error| CertificateError::Unusable(Part::Key, error))?);
        match pair.keys_match() {
            // This kind of key does not tell its public key.
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(rustls::Error::InconsistentKeys(_)) => return Err(CertificateError::Mismatch),
            Err(error) => return Err(CertificateError::Unusable(Part::Certificate, error)),
        }
        let config =
            server_config(provider, pair).map_err(|error| CertificateError::Unusable(Part::Certificate, error))?;
        Ok(Self { config: Arc::new(config), expires_at: links.expires_at(), own, chain: links })
    }

    /// Whether every certificate of the chain is valid at `now`.
    pub(super) fn check_time(&self, now: SystemTime) -> Result<(), CertificateError> {
        for link in &self.chain.links {
            if now < link.begins_at {
                return Err(CertificateError::NotYetValid(link.place, link.begins_at));
            }
            if link.expires_at <= now {
                return Err(CertificateError::Expired(link.place, link.expires_at));
            }
        }
        Ok(())
    }

    /// Whether a client that asks for `name` accepts the certificate.
    pub(super) fn is_for(&self, name: &ServerName<'_>) -> bool {
        ParsedCertificate::try_from(&self.own).is_ok_and(|own| verify_server_name(&own, name).is_ok())
    }

    /// Whether the certificate may sign others. The addon accepts no such certificate of a server.
    pub(super) fn is_of_authority(&self) -> bool {
        self.chain.begins_with_authority
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl CertificateError {
    /// The file with the fault.
    pub fn part(&self) -> Part {
        match self {
            Self::Unreadable(part, _) | Self::Malformed(part) | Self::Unusable(part, _) => *part,
            Self::NoKey | Self::Mismatch => Part::Key,
            Self::NoCertificate | Self::Expired(..) | Self::NotYetValid(..) => Part::Certificate,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "the certificate",
            Self::Key => "the private key",
        })
    }
}

fn read_chain(content: &Content) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let text = readable(Part::Certificate, content)?;
    let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(text).collect();
    let chain = chain.map_err(|_| CertificateError::Malformed(Part::Certificate))?;
    if chain.is_empty() { Err(CertificateError::NoCertificate) } else { Ok(chain) }
}

/// The parser's own errors quote lines of the file: for a key without its line breaks that is the key.
fn read_key(content: &Content) -> Result<PrivateKeyDer<'static>, CertificateError> {
    PrivateKeyDer::from_pem_slice(readable(Part::Key, content)?).map_err(|error| match error {
        pem::Error::NoItemsFound => CertificateError::NoKey,
        _ => CertificateError::Malformed(Part::Key),
    })
}

fn readable(part: Part, content: &Content) -> Result<&[u8], CertificateError> {
    match content {
        Ok(text) => Ok(text.expose().as_bytes()),
        Err(error) => Err(CertificateError::Unreadable(part, io::Error::new(error.kind(), error.to_string()))),
    }
}

fn moment(at: &SystemTime) -> humantime::Rfc3339Timestamp {
    humantime::format_rfc3339_seconds(*at)
}

/// TLS 1.2 and 1.3. Clients resume with tickets, so workers share no store of sessions.
fn server_config(provider: Arc<CryptoProvider>, pair: CertifiedKey) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.ticketer = Ticketer::new()?;
    Ok(config)
}

#[cfg(test)]
mod tests;
