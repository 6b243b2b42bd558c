//! Clients that speak TLS to the service byte by byte and trust one root alone.

use std::io;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ALL_VERSIONS, ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A client that resumes its sessions where it can.
pub struct TlsClient(Arc<ClientConfig>);

impl TlsClient {
    /// A client that speaks every version and offers no protocols above TLS.
    pub fn trusting(root_pem: &str) -> Self {
        Self::with(root_pem, ALL_VERSIONS, &[])
    }

    /// A client that speaks these versions and offers these protocols above TLS.
    pub fn with(root_pem: &str, versions: &[&'static SupportedProtocolVersion], alpn: &[&str]) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(root_pem.as_bytes()).unwrap()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Self(Arc::new(config))
    }

    /// Connects to the server at `url`, which has to be `localhost`.
    pub async fn connect(&self, url: &str) -> io::Result<TlsStream<TcpStream>> {
        let socket = TcpStream::connect(url.strip_prefix("https://").expect("a TLS address")).await?;
        socket.set_nodelay(true)?;
        let name = ServerName::try_from("localhost").expect("a name");
        TlsConnector::from(Arc::clone(&self.0)).connect(name, socket).await
    }
}
