//! Why a certificate is not trusted, in words for people.

use std::borrow::Cow;

use rustls::{CertificateError, OtherError};

/// What is wrong with the certificate.
pub(super) fn reason(fault: &CertificateError) -> Cow<'static, str> {
    Cow::Borrowed(match fault {
        CertificateError::UnknownIssuer => "its issuer is not known here",
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "it is not valid yet",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => "it is for another host",
        CertificateError::BadSignature => "its signature is wrong",
        CertificateError::Revoked => "it was revoked",
        CertificateError::Other(other) if is_authority(other) => {
            "it is the certificate of an authority and not of a server"
        }
        CertificateError::Other(unnamed) => return Cow::Owned(format!("it is not accepted ({unnamed})")),
        _ => return Cow::Owned(format!("it is not accepted ({fault})")),
    })
}

/// Whether it can help to trust another authority.
pub(super) fn may_lack_authority(fault: &CertificateError) -> bool {
    match fault {
        // The signature is wrong, too, if a known authority has the issuer's name and another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => true,
        // macOS and Windows tell an unknown issuer in words of their own.
        CertificateError::Other(other) => cfg!(any(target_vendor = "apple", windows)) && !is_authority(other),
        _ => false,
    }
}

/// rustls has no name of its own for this error of webpki.
fn is_authority(error: &OtherError) -> bool {
    error.to_string() == "CaUsedAsEndEntity"
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::crypto::aws_lc_rs::default_provider;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("its key is too short")]
    struct ShortKey;

    fn certificate(is_ca: IsCa) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.is_ca = is_ca;
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    /// Why `shown` is refused from a server named `name`, so many years after 1970, though it is trusted.
    fn refusal(shown: &CertificateDer<'static>, name: &str, years: u64) -> CertificateError {
        let mut roots = RootCertStore::empty();
        roots.add(shown.clone()).unwrap();
        let provider = Arc::new(default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let name = ServerName::try_from(name).unwrap();
        let then = UnixTime::since_unix_epoch(Duration::from_secs(years * 365 * 24 * 60 * 60));
        match verifier.verify_server_cert(shown, &[], &name, &[], then).unwrap_err() {
            rustls::Error::InvalidCertificate(fault) => fault,
            error => panic!("{error:?}"),
        }
    }

    #[test]
    fn f79_a_person_reads_in_words_why_a_certificate_is_not_trusted() {
        let (authority, server) = (certificate(IsCa::Ca(BasicConstraints::Unconstrained)), certificate(IsCa::NoCa));
        for (fault, told) in [
            (refusal(&authority, "localhost", 60), "it is the certificate of an authority and not of a server"),
            (refusal(&server, "localhost", 1), "it is not valid yet"),
            (refusal(&server, "localhost", 9999), "it has expired"),
            (refusal(&server, "other.example", 60), "it is for another host"),
            (CertificateError::UnknownIssuer, "its issuer is not known here"),
            (CertificateError::NotValidYet, "it is not valid yet"),
            (CertificateError::Expired, "it has expired"),
            (CertificateError::NotValidForName, "it is for another host"),
            (CertificateError::BadSignature, "its signature is wrong"),
            (CertificateError::Revoked, "it was revoked"),
            (CertificateError::BadEncoding, "it is not accepted (BadEncoding)"),
            (CertificateError::Other(OtherError(Arc::new(ShortKey))), "it is not accepted (its key is too short)"),
        ] {
            assert_eq!(reason(&fault), told, "{fault:?}");
        }
    }

    #[test]
    fn f79_another_authority_is_advised_only_where_it_can_help() {
        let authority = certificate(IsCa::Ca(BasicConstraints::Unconstrained));
        for (fault, may_help) in [
            (CertificateError::UnknownIssuer, true),
            (CertificateError::BadSignature, true),
            (CertificateError::Expired, false),
            (CertificateError::Revoked, false),
            (refusal(&authority, "localhost", 60), false),
        ] {
            assert_eq!(may_lack_authority(&fault), may_help, "{fault:?}");
        }
    }
}
