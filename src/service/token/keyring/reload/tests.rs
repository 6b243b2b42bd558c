use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::*;
use crate::service::base::watched_file::{SETTLE, follow};
use crate::service::token::keyring::KeyFigures;

const A: &str = "Zq8vX2mB7kLw4nRt9yHc3jFs6dGp1aUe";
const B: &str = "b5T0xNf8QwMz3vKe7YrJd2LhPs9cUg6A";

/// Makes a file unusable.
type Spoil = fn(&Path);

/// A followed file, in a folder of its own, with time that passes when nothing else happens.
struct Followed {
    folder: tempfile::TempDir,
    path: PathBuf,
    keys: Arc<KeyRing>,
    signal: UnboundedSender<()>,
}

impl Followed {
    fn start(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        fs::write(&path, text).unwrap();
        Self::follow(folder, path)
    }

    fn follow(folder: tempfile::TempDir, path: PathBuf) -> Self {
        let file = KeyFile::read(&path).unwrap();
        let keys = Arc::new(KeyRing::new(&file.keys));
        let mut followers = [follower(file, Arc::clone(&keys))];
        let (signal, mut signals) = unbounded_channel();
        tokio::spawn(async move {
            follow(&mut followers, async move || signals.recv().await.unwrap_or_default()).await;
        });
        Self { folder, path, keys, signal }
    }

    fn write(&self, text: &str) {
        fs::write(&self.path, text).unwrap();
    }

    /// The counts after more time than a look takes.
    async fn later(&self) -> KeyFigures {
        tokio::time::sleep(Duration::from_secs(3)).await;
        self.keys.figures()
    }

    async fn kids_later(&self) -> Vec<String> {
        self.later().await.kids.iter().map(|figures| figures.kid.to_string()).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_written_file_is_seen_and_an_unchanged_one_left_alone() {
    let followed = Followed::start(&format!("k1:{A}\n"));
    assert_eq!((followed.later().await.reloaded, followed.kids_later().await), (0, vec!["k1".to_owned()]));
    followed.write(&format!("k1:{A}\nk2:{B}\n"));
    assert_eq!(followed.kids_later().await, ["k1", "k2"]);
    // The same length, and perhaps the same moment for the file system.
    followed.write(&format!("k2:{B}\nk1:{A}\n"));
    assert_eq!(followed.kids_later().await, ["k2", "k1"]);
    let figures = followed.later().await;
    assert_eq!((figures.reloaded, figures.reload_failed), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_another_replaces_is_seen() {
    let followed = Followed::start(&format!("k1:{A}\n"));
    let next = followed.folder.path().join("next");
    fs::write(&next, format!("k2:{B}\n")).unwrap();
    fs::rename(next, &followed.path).unwrap();
    assert_eq!(followed.kids_later().await, ["k2"]);
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_link_in_the_path_that_points_elsewhere_now_is_seen() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (version, text) in [("1", format!("k1:{A}")), ("2", format!("k2:{B}"))] {
        fs::create_dir(at(version)).unwrap();
        fs::write(at(version).join("keys"), text).unwrap();
    }
    symlink("1", at("data")).unwrap();
    let (path, data, next) = (at("data").join("keys"), at("data"), at("next"));
    let followed = Followed::follow(folder, path);
    symlink("2", &next).unwrap();
    fs::rename(next, data).unwrap();
    assert_eq!(followed.kids_later().await, ["k2"]);
}

#[tokio::test(start_paused = true)]
async fn f26_a_bad_file_changes_nothing_is_counted_once_and_a_good_one_is_taken_again() {
    let followed = Followed::start(&format!("k1:{A}\n"));
    let bad: [(&str, Spoil); 7] = [
        ("empty", |path| fs::write(path, "").unwrap()),
        ("weak", |path| fs::write(path, format!("k1:{A}\nk2:short\n")).unwrap()),
        ("twice", |path| fs::write(path, format!("k1:{A}\nk1:{B}\n")).unwrap()),
        ("not UTF-8", |path| fs::write(path, [0xff]).unwrap()),
        ("gone", |path| fs::remove_file(path).unwrap()),
        ("huge", |path| fs::write(path, vec![b'#'; 1 << 20]).unwrap()),
        ("a folder", |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }),
    ];
    for (number, (name, make)) in (1..).zip(bad) {
        make(&followed.path);
        let figures = followed.later().await;
        assert_eq!((figures.reloaded, figures.reload_failed, figures.refused_now), (0, number, true), "{name}");
        assert_eq!(figures, followed.later().await, "{name}");
        assert_eq!(followed.kids_later().await, ["k1"], "{name}");
    }
    fs::remove_dir(&followed.path).unwrap();
    followed.write(&format!("k2:{B}\n"));
    assert_eq!(followed.kids_later().await, ["k2"]);
    assert!(!followed.keys.figures().refused_now, "the file is good again");
}

#[tokio::test(start_paused = true)]
async fn f26_a_file_that_is_being_written_is_left_alone_until_it_is_whole() {
    let followed = Followed::start(&format!("k1:{A}\n"));
    let whole = format!("# the next one signs\nk2:{B}\nk1:{A}\n");
    // Every part is written within the time for which a content must stay unchanged; some of the parts would be valid
    // files.
    for end in 0..whole.len() {
        followed.write(&whole[..end]);
        tokio::time::sleep(SETTLE / 2).await;
        assert_eq!(followed.keys.figures().kids.len(), 1);
    }
    followed.write(&whole);
    let figures = followed.later().await;
    assert_eq!((figures.reloaded, figures.reload_failed), (1, 0));
    assert_eq!(followed.kids_later().await, ["k2", "k1"]);
}

#[tokio::test(start_paused = true)]
async fn a_signal_reloads_an_unchanged_file_too() {
    let followed = Followed::start(&format!("k1:{A}\n"));
    for expected in 1..=3 {
        followed.signal.send(()).unwrap();
        assert_eq!(followed.later().await.reloaded, expected);
    }
    fs::remove_file(&followed.path).unwrap();
    followed.signal.send(()).unwrap();
    assert_eq!(followed.later().await.reload_failed, 1);
}
