use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::*;

/// The contents that followers were given, in order: the texts of one reload joined by `+`.
type Given = Arc<Mutex<Vec<String>>>;

/// Followers of files in one folder, with time that passes when nothing else happens.
struct Followed {
    folder: tempfile::TempDir,
    given: Given,
    signal: UnboundedSender<()>,
}

impl Followed {
    /// Each group of files, all of which hold `old`, is followed together.
    fn start<const GROUPS: usize>(groups: [[&str; 2]; GROUPS]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let given = Given::default();
        let mut followers: Vec<_> =
            groups.into_iter().map(|names| follower(folder.path(), names, Arc::clone(&given))).collect();
        let (signal, mut signals) = unbounded_channel();
        tokio::spawn(async move {
            follow(&mut followers, async move || signals.recv().await.unwrap_or_default()).await;
        });
        Self { folder, given, signal }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// The contents given until more time has passed than a look takes.
    async fn later(&self) -> Vec<String> {
        tokio::time::sleep(Duration::from_secs(3)).await;
        std::mem::take(&mut *self.given.lock().unwrap())
    }
}

fn follower(folder: &Path, names: [&str; 2], given: Given) -> Follower {
    let paths = names.map(|name| folder.join(name));
    for path in &paths {
        fs::write(path, "old").unwrap();
    }
    let seen = [content(&paths[0]), content(&paths[1])];
    Follower::new(paths, seen, move |contents| {
        let texts = contents.map(|content| match content {
            Ok(text) => text.expose().to_owned(),
            Err(error) => format!("{:?}", error.kind()),
        });
        given.lock().unwrap().push(texts.join("+"));
    })
}

#[tokio::test(start_paused = true)]
async fn files_that_belong_together_are_read_together() {
    let followed = Followed::start([["certificate", "key"]]);
    assert!(followed.later().await.is_empty());
    followed.write("certificate", "new");
    followed.write("key", "new");
    assert_eq!(followed.later().await, ["new+new"]);
    followed.write("key", "newer");
    assert_eq!(followed.later().await, ["new+newer"]);
}

#[tokio::test(start_paused = true)]
async fn a_group_is_not_read_while_one_of_its_files_is_being_written() {
    let followed = Followed::start([["certificate", "key"]]);
    followed.write("certificate", "new");
    for number in 0..40 {
        followed.write("key", &format!("{number}"));
        tokio::time::sleep(SETTLE / 2).await;
        assert!(followed.given.lock().unwrap().is_empty());
    }
    assert_eq!(followed.later().await, ["new+39"]);
}

#[tokio::test(start_paused = true)]
async fn a_change_reloads_only_the_followers_of_that_file() {
    let followed = Followed::start([["a", "b"], ["c", "d"]]);
    followed.write("c", "new");
    assert_eq!(followed.later().await, ["new+old"]);
    fs::remove_file(followed.folder.path().join("a")).unwrap();
    assert_eq!(followed.later().await, ["NotFound+old"]);
    assert!(followed.later().await.is_empty(), "it is told once");
}

#[tokio::test(start_paused = true)]
async fn a_signal_makes_all_followers_read_again() {
    let followed = Followed::start([["a", "b"], ["c", "d"]]);
    for _ in 0..2 {
        followed.signal.send(()).unwrap();
        assert_eq!(followed.later().await, ["old+old", "old+old"]);
    }
}

#[tokio::test(start_paused = true)]
async fn signals_are_received_also_without_followers() {
    let followed = Followed::start([]);
    for _ in 0..3 {
        followed.signal.send(()).unwrap();
        assert!(followed.later().await.is_empty());
    }
    assert!(!followed.signal.is_closed());
}

#[test]
fn the_thread_ends_when_it_is_told_to() {
    start(Vec::new()).unwrap().end();
}
