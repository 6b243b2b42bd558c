//! A service that speaks TLS, and clients that trust its certificate.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use valetkey::service::config::Flags;

use testkit::http::tls::TlsClient;
use testkit::http::wire::Wire;
use testkit::http::{self, Answer};
use testkit::service::TestService;
use testkit::upstream::{Certificate, Upstream};

/// A service with a certificate, and the files that it is in.
pub struct Secured {
    pub upstream: Upstream,
    pub service: TestService,
    pub certificate: Certificate,
    pub folder: TempDir,
}

impl Secured {
    pub fn start() -> Self {
        Self::start_with(|_| {})
    }

    pub fn start_with(adjust: impl FnOnce(&mut Flags)) -> Self {
        let (upstream, folder) = (Upstream::start(), tempfile::tempdir().unwrap());
        let certificate = Certificate::generate(&[]);
        write(folder.path(), &certificate);
        let service = TestService::before_with(&upstream, |flags| {
            let file = |name: &str| folder.path().join(name).display().to_string();
            flags.set("TLS_CERT_FILE", file(CERTIFICATE));
            flags.set("TLS_KEY_FILE", file(KEY));
            adjust(flags);
        });
        Self { upstream, service, certificate, folder }
    }

    /// Replaces the files.
    pub fn write(&self, certificate: &Certificate) {
        write(self.folder.path(), certificate);
    }

    /// The port of clients, for those who speak no TLS.
    pub fn plain_url(&self) -> String {
        self.service.url.replace("https://", "http://")
    }

    /// A client that trusts the first certificate.
    pub fn client(&self) -> TlsClient {
        TlsClient::trusting(&self.certificate.root_pem)
    }

    pub async fn wire(&self, client: &TlsClient) -> Wire<TlsStream<TcpStream>> {
        Wire::over(client.connect(&self.service.url).await.expect("the service speaks TLS"))
    }

    /// The same as a library has it.
    pub fn http(&self) -> reqwest::Client {
        let root = reqwest::Certificate::from_pem(self.certificate.root_pem.as_bytes()).unwrap();
        let builder = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30));
        builder.tls_certs_only([root]).build().unwrap()
    }

    pub async fn token(&self) -> String {
        let request = self.http().post(self.service.at("/bootstrap"));
        let request = request.json(&serde_json::json!({ "device_id": "device-0001" }));
        let answer = http::whole(request).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        format!("sk-ant-proxy-{}", answer.json()["token"].as_str().unwrap())
    }

    pub async fn messages(&self, token: &str, body: impl Into<Vec<u8>>) -> Answer {
        let request = self.http().post(self.service.at("/v1/messages")).bearer_auth(token);
        http::whole(request.body(body.into())).await
    }

    /// One sample of `/metrics`.
    pub async fn metric(&self, sample: &str) -> Option<i64> {
        let page = http::get(&format!("{}/metrics", self.service.admin_url()), &[]).await.text();
        page.lines().find_map(|line| line.strip_prefix(sample)?.trim().parse().ok())
    }

    /// Waits until the sample has this value.
    pub async fn until(&self, sample: &str, value: i64) {
        self.service.until(async || self.metric(sample).await == Some(value)).await;
    }
}

fn write(folder: &Path, certificate: &Certificate) {
    for (name, text) in [(CERTIFICATE, &certificate.pem), (KEY, &certificate.key_pem)] {
        let next = folder.join("next");
        std::fs::write(&next, text).unwrap();
        std::fs::rename(next, folder.join(name)).unwrap();
    }
}

/// The files, in a folder of the test's own.
pub const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";
