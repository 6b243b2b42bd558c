//! The contents of `TLS_CERT_FILE` and `TLS_KEY_FILE` at one moment, read at the start and at each reload.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustls::pki_types::ServerName;

use super::{Certificate, CertificateError};
use crate::service::base::watched_file::{Content, content};

/// Two files that make a good certificate together.
#[derive(Debug)]
pub struct CertificateFiles {
    pub paths: [PathBuf; 2],
    pub(super) contents: [Content; 2],
    pub(super) certificate: Certificate,
}

impl CertificateFiles {
    /// Reads both files, or returns all faults of both.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, Vec<CertificateError>> {
        let contents = [content(certificate), content(key)];
        let pair = Certificate::from_contents(contents.each_ref())?;
        Ok(Self { paths: [certificate.to_owned(), key.to_owned()], contents, certificate: pair })
    }

    /// Whether every certificate of the chain is valid at `now`.
    pub(crate) fn check_time(&self, now: SystemTime) -> Result<(), CertificateError> {
        self.certificate.check_time(now)
    }

    /// When the first to expire of the chain's certificates does.
    pub(crate) fn expires_at(&self) -> SystemTime {
        self.certificate.expires_at
    }

    /// Whether a client that connects to `host`, a name or an address, accepts the certificate.
    pub(crate) fn is_for(&self, host: &str) -> bool {
        ServerName::try_from(host).is_ok_and(|name| self.certificate.is_for(&name))
    }

    /// Whether the certificate may sign others. The addon accepts no such certificate of a server.
    pub(crate) fn is_of_authority(&self) -> bool {
        self.certificate.is_of_authority()
    }
}
