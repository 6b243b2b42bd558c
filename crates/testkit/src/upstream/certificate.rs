//! A root certificate and a server certificate that exist only as long as one server.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// The certificate and key of a TLS server, and the root that its clients trust.
pub struct Certificate {
    /// The root certificate that signed the server certificate.
    pub root_pem: String,
    /// The server's own certificate.
    pub pem: String,
    /// The private key of the server certificate.
    pub key_pem: String,
    pub(super) server: Arc<ServerConfig>,
}

impl Certificate {
    /// New keys; the server is `localhost`, `127.0.0.1`, `::1` and `behind-proxy.example`, and offers these ALPN names.
    pub fn generate(alpn: &[String]) -> Self {
        let (root, root_pem) = root();
        let key = KeyPair::generate().expect("the system has random numbers");
        let names = ["localhost", "127.0.0.1", "::1", "behind-proxy.example"].map(String::from);
        let mut params = CertificateParams::new(names).expect("these names are valid");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &root).expect("a fresh root signs");
        let (pem, key_pem) = (certificate.pem(), key.serialize_pem());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has the default versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("the key belongs to the certificate");
        server.alpn_protocols = alpn.iter().map(|name| name.clone().into_bytes()).collect();
        Self { root_pem, pem, key_pem, server: Arc::new(server) }
    }
}

fn root() -> (Issuer<'static, KeyPair>, String) {
    let key = KeyPair::generate().expect("the system has random numbers");
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "stand-in root, for tests only");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let pem = params.self_signed(&key).expect("a root signs itself").pem();
    (Issuer::new(params, key), pem)
}
