//! The signing keys of the real binary: what is refused at the start, and what SIGHUP and a changed file do.

use crate::process::{Process, run};
use testkit::service::REAL_KEY;
use testkit::temporary::TemporaryFile;

#[tokio::test]
async fn f26_a_changed_file_or_sighup_reloads_and_what_is_wrong_is_in_the_log() {
    let file = TemporaryFile::with(format!("{K1}\n").as_bytes());
    let path = file.path().display().to_string();
    let service = Process::start("http://127.0.0.1:9", &[("JWT_SECRET", ""), ("JWT_SECRETS_FILE", &path)]);
    service.signal("HUP");
    service.logged("Signing keys reloaded: k1 signs, k1 verify", 1).await;
    std::fs::write(file.path(), format!("{K1}\nk2:canary\n")).unwrap();
    service.logged("the secret of k2 is shorter than 32 bytes", 1).await;
    std::fs::write(file.path(), format!("{K1}\n{K2}\n")).unwrap();
    service.logged("Signing keys reloaded: k1 signs, k1,k2 verify", 1).await;
    service.signal("HUP");
    service.logged("Signing keys reloaded: k1 signs, k1,k2 verify", 2).await;
    service.signal("TERM");
    let (status, log) = service.end().await;
    assert_eq!(status.code(), Some(0), "{log}");
    for secret in ["canary", K1.split_once(':').unwrap().1, K2.split_once(':').unwrap().1] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[test]
fn two_sources_of_signing_keys_are_refused() {
    let settings =
        [("ANTHROPIC_API_KEY", REAL_KEY), ("JWT_SECRETS", K1), ("JWT_SECRET", "Zq8vX2mB7kLw4nRt9yHc3jFs6dGp1aUe")];
    let (code, errors) = run(&["serve"], &settings);
    assert_eq!(code, Some(64), "{errors}");
    assert_eq!(errors, "valetkey: JWT_SECRETS: is set beside JWT_SECRET; keep one of them\n");
}

const K1: &str = "k1:Zq8vX2mB7kLw4nRt9yHc3jFs6dGp1aUe";
const K2: &str = "k2:b5T0xNf8QwMz3vKe7YrJd2LhPs9cUg6A";
