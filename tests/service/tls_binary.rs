//! TLS in the real binary: what it says of itself, what is refused at the start, and what SIGHUP does.

use crate::process::{Process, run};
use testkit::http::get;
use testkit::http::tls::TlsClient;
use testkit::service::REAL_KEY;
use testkit::temporary::TemporaryFile;
use testkit::upstream::Certificate;

#[tokio::test]
async fn f26_it_reloads_by_itself_and_at_sighup_and_says_what_is_wrong() {
    let certificate = Certificate::generate(&[]);
    let (file, key) = files(&certificate);
    let settings = [("TLS_CERT_FILE", path(&file)), ("TLS_KEY_FILE", path(&key))];
    let settings = settings.each_ref().map(|(name, path)| (*name, path.as_str()));
    let service = Process::start("http://127.0.0.1:9", &settings);
    assert!(service.url.starts_with("https://127.0.0.1:"), "{}", service.url);
    service.logged(&format!("Listening on {}", service.url), 1).await;
    let client = TlsClient::trusting(&certificate.root_pem);
    assert!(client.connect(&service.url).await.is_ok());
    service.signal("HUP");
    service.logged("Certificate reloaded, good until 4096-01-01T00:00:00Z", 1).await;
    let other = Certificate::generate(&[]);
    std::fs::write(key.path(), other.key_pem.replace('\n', " ")).unwrap();
    service.logged("Certificate not reloaded, the one in use stays", 1).await;
    service.logged("the private key is not well-formed", 1).await;
    assert!(client.connect(&service.url).await.is_ok());
    service.signal("TERM");
    let (status, log) = service.end().await;
    assert_eq!(status.code(), Some(0), "{log}");
    for secret in [certificate.key_pem, other.key_pem] {
        assert!(!log.contains(secret.lines().nth(1).unwrap()), "{log}");
    }
}

#[tokio::test]
async fn sighup_ends_no_service_that_has_nothing_to_reload() {
    let service = Process::start("http://127.0.0.1:9", &[]);
    for times in 1..=2 {
        service.signal("HUP");
        service.logged("SIGHUP: no file is followed", times).await;
    }
    assert_eq!(get(&format!("{}/healthz", service.url), &[]).await.status, 200);
    service.signal("TERM");
    let (status, log) = service.end().await;
    assert_eq!(status.code(), Some(0), "{log}");
}

#[test]
fn a_key_of_another_certificate_ends_the_start() {
    let (file, _) = files(&Certificate::generate(&[]));
    let (_, key) = files(&Certificate::generate(&[]));
    let (file, key) = (path(&file), path(&key));
    let settings = [("ANTHROPIC_API_KEY", REAL_KEY), ("TLS_CERT_FILE", &file), ("TLS_KEY_FILE", &key)];
    let (code, errors) = run(&["serve"], &settings);
    assert_eq!(code, Some(64), "{errors}");
    let said = "the private key does not belong to the first certificate of the other file";
    assert_eq!(errors, format!("valetkey: TLS_KEY_FILE: {key}: {said}\n"));
}

fn files(certificate: &Certificate) -> (TemporaryFile, TemporaryFile) {
    (TemporaryFile::with(certificate.pem.as_bytes()), TemporaryFile::with(certificate.key_pem.as_bytes()))
}

fn path(file: &TemporaryFile) -> String {
    file.path().display().to_string()
}
