use std::fs;
use std::time::Duration;

use super::*;
use crate::clock::ManualClock;
use crate::service::http::tls::TlsCounts;
use crate::service::http::tls::samples::{Sample, from, until};

type Spoil = fn(&Followed);

/// TLS that follows a pair of files, in virtual time.
struct Followed {
    folder: tempfile::TempDir,
    tls: Arc<Tls>,
}

impl Followed {
    fn start(sample: &Sample) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write(&folder, sample);
        let [certificate, key] = NAMES.map(|name| folder.path().join(name));
        let files = CertificateFiles::read(&certificate, &key).unwrap();
        let config = TlsConfig { files, handshake_timeout: Duration::from_secs(1) };
        let (tls, follower) = follow(config, Arc::new(ManualClock::starting_now()));
        tokio::spawn(async move {
            crate::service::base::watched_file::follow(&mut [follower], async || std::future::pending().await).await;
        });
        Self { folder, tls }
    }

    fn write(&self, sample: &Sample) {
        write(&self.folder, sample);
    }

    fn write_one(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// The counters after more time than the follower's poll interval.
    async fn later(&self) -> (TlsCounts, SystemTime) {
        tokio::time::sleep(Duration::from_secs(3)).await;
        (*self.tls.counts(), self.tls.current.load().expires_at)
    }
}

fn write(folder: &tempfile::TempDir, sample: &Sample) {
    for (name, text) in NAMES.iter().zip([&sample.certificate, &sample.key]) {
        fs::write(folder.path().join(name), text).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewed_certificate_takes_the_place_of_the_old_one() {
    let followed = Followed::start(&until(2040));
    let (_, before) = followed.later().await;
    followed.write(&until(2041));
    let (counts, after) = followed.later().await;
    assert_eq!((counts.reloaded, counts.reload_failed), (1, 0));
    assert_eq!(after.duration_since(before).unwrap(), Duration::from_secs(366 * 24 * 3600));
}

#[tokio::test(start_paused = true)]
async fn f26_a_bad_pair_is_counted_once_and_changes_nothing_and_a_good_pair_is_used_again() {
    let followed = Followed::start(&until(2040));
    let (_, before) = followed.later().await;
    let bad: [(&str, Spoil); 6] = [
        ("nonsense", |followed| followed.write_one(NAMES[0], "nonsense")),
        ("a new certificate beside the old key", |followed| followed.write_one(NAMES[0], &until(2041).certificate)),
        ("empty", |followed| NAMES.iter().for_each(|name| followed.write_one(name, ""))),
        ("expired", |followed| followed.write(&until(2020))),
        ("too early", |followed| followed.write(&from(2500))),
        ("gone", |followed| fs::remove_file(followed.folder.path().join(NAMES[1])).unwrap()),
    ];
    for (number, (name, make)) in (1..).zip(bad) {
        make(&followed);
        let (counts, expires_at) = followed.later().await;
        assert_eq!((counts.reloaded, counts.reload_failed, counts.refused_now), (0, number, true), "{name}");
        assert_eq!(expires_at, before, "{name}");
        assert_eq!((counts, expires_at), followed.later().await, "{name}");
    }
    followed.write(&until(2042));
    let (counts, expires_at) = followed.later().await;
    assert_eq!((counts.reloaded, counts.reload_failed, counts.refused_now), (1, 6, false));
    assert!(expires_at > before);
}

const NAMES: [&str; 2] = ["certificate.pem", "key.pem"];
