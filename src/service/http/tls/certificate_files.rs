//! The contents of `TLS_CERT_FILE` and `TLS_KEY_FILE` at one moment, read at the start and at each reload.

use std::path::{Path, PathBuf};

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
}
