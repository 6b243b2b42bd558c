//! TLS towards an upstream: trusts the certificates that the operating system trusts, and additional roots.

use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig};
use rustls_platform_verifier::Verifier;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// The file of additional roots cannot be used.
    #[error("cannot read certificates from {path}: {reason}")]
    Roots {
        /// The path of the file.
        path: String,
        /// Why the file cannot be used.
        reason: String,
    },
    /// The platform's verifier failed; from [`would_trust`], why a certificate is not trusted.
    #[error("cannot set up TLS: {0}")]
    Verifier(#[from] rustls::Error),
}

/// A TLS client configuration that trusts the operating system's roots and those in the PEM file `extra_roots`.
pub fn tls_config(extra_roots: Option<&Path>) -> Result<ClientConfig, TlsSetupError> {
    tls_config_with(extra_roots.map(read_roots).transpose()?.unwrap_or_default())
}

/// As [`tls_config`], with additional roots that were read before.
pub fn tls_config_with(extra_roots: Vec<CertificateDer<'static>>) -> Result<ClientConfig, TlsSetupError> {
    let verifier = Verifier::new_with_extra_roots(extra_roots, provider())?;
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .dangerous() // only the platform's own verifier is passed here
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

/// Whether a server's `certificates`, its own first, will be trusted at the time `then`; the error says why not.
pub fn would_trust(
    certificates: &[CertificateDer<'_>],
    name: &ServerName<'_>,
    then: UnixTime,
    extra_roots: Option<&Path>,
) -> Result<(), TlsSetupError> {
    let Some((own, others)) = certificates.split_first() else { return Ok(()) };
    let roots = extra_roots.map(read_roots).transpose()?.unwrap_or_default();
    Verifier::new_with_extra_roots(roots, provider())?.verify_server_cert(own, others, name, &[], then)?;
    Ok(())
}

/// Why the other side's certificate was refused, if that is the cause of `error`.
#[must_use]
pub fn certificate_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CertificateError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(reason)) = error.downcast_ref::<rustls::Error>() {
            return Some(reason);
        }
        // An I/O error names the source of the error in it, not that error.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// The certificates in the PEM file `path`; at least one.
pub fn read_roots(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsSetupError> {
    let fail = |reason: String| TlsSetupError::Roots { path: path.display().to_string(), reason };
    let roots: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error: rustls::pki_types::pem::Error| fail(error.to_string()))?;
    if roots.is_empty() { Err(fail("no certificate in it".into())) } else { Ok(roots) }
}
