//! The files that `TLS_CERT_FILE` and `TLS_KEY_FILE` name, as they stand at one moment.

use std::path::{Path, PathBuf};

use super::{Certificate, CertificateFault};
use crate::service::base::watched_file::{Content, content};

/// Two files that were read and found good together.
#[derive(Debug)]
pub struct CertificateFiles {
    /// `TLS_CERT_FILE` and `TLS_KEY_FILE`.
    pub paths: [PathBuf; 2],
    /// What stood in them.
    pub(super) contents: [Content; 2],
    /// What they make.
    pub(super) certificate: Certificate,
}

impl CertificateFiles {
    /// Reads the files with the certificate and with its key.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, Vec<CertificateFault>> {
        let contents = [content(certificate), content(key)];
        let pair = Certificate::from_contents(&contents)?;
        Ok(Self { paths: [certificate.to_owned(), key.to_owned()], contents, certificate: pair })
    }
}
