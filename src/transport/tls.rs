//! TLS towards an upstream: trusts what the operating system trusts.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls_platform_verifier::Verifier;

/// Why TLS cannot be set up at all.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// The file with additional roots cannot be used.
    #[error("cannot read certificates from {path}: {reason}")]
    Roots {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The platform's verifier cannot be used.
    #[error("cannot set up TLS: {0}")]
    Verifier(#[from] rustls::Error),
}

/// A TLS client configuration that trusts what the operating system trusts, and the roots in `extra_roots` (PEM).
///
/// # Errors
/// [`TlsSetupError`] when the file or the system's store cannot be read.
pub fn tls_config(extra_roots: Option<&Path>) -> Result<ClientConfig, TlsSetupError> {
    let verifier = verifier(extra_roots)?;
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .dangerous() // the platform's own verifier is the one thing passed here
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

/// Whether the certificates that a server has shown, its own first, would be trusted at the moment `then`.
///
/// # Errors
/// [`TlsSetupError`]; as [`TlsSetupError::Verifier`] also what is wrong with the certificates then.
pub fn would_trust(
    certificates: &[CertificateDer<'_>],
    name: &ServerName<'_>,
    then: UnixTime,
    extra_roots: Option<&Path>,
) -> Result<(), TlsSetupError> {
    let Some((own, others)) = certificates.split_first() else { return Ok(()) };
    verifier(extra_roots)?.verify_server_cert(own, others, name, &[], then)?;
    Ok(())
}

fn verifier(extra_roots: Option<&Path>) -> Result<Verifier, TlsSetupError> {
    let roots = extra_roots.map(read_roots).transpose()?.unwrap_or_default();
    Ok(Verifier::new_with_extra_roots(roots, provider())?)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn read_roots(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsSetupError> {
    let fail = |reason: String| TlsSetupError::Roots { path: path.display().to_string(), reason };
    let roots: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error: rustls::pki_types::pem::Error| fail(error.to_string()))?;
    if roots.is_empty() { Err(fail("no certificate in it".into())) } else { Ok(roots) }
}
