//! Lets one process of an app at a time renew the token, for one user of the machine: the others wait, and then find the new
//! token in the keychain.
//!
//! The lock is a file that the operating system holds for the process, and gives back when the process ends, however it ends. The
//! file is empty and stays. Where it cannot be had (no folder, a file system without locks) or another process keeps it for long,
//! a process renews the token by itself: the lock saves requests to the service, and nothing depends on it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest;
use tokio::time::Instant;

use crate::random::random;

/// The lock of one app.
#[derive(Debug, Clone)]
pub struct RenewalLock {
    file: Option<PathBuf>,
    patience: Duration,
}

/// The lock while a process holds it. Dropping it lets the next process go on.
#[derive(Debug)]
pub struct HeldLock {
    _file: File,
}

/// Why the lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process held it for as long as this one was ready to wait.
    #[error("another process of the app has held it for {} ms", .0.as_millis())]
    Busy(Duration),
    /// The machine offers no place for it.
    #[error("this machine names no folder for it")]
    NoFolder,
    /// The file cannot be made, or the file system has no locks.
    #[error(transparent)]
    File(#[from] io::Error),
}

impl RenewalLock {
    /// The lock of `app_id` in `folder`, which is made at first use. A process waits for it up to `patience`.
    ///
    /// # Panics
    /// Never: a SHA-256 digest has 32 bytes.
    #[must_use]
    pub fn new(folder: Option<&Path>, app_id: &str, patience: Duration) -> Self {
        let digest = digest::digest(&digest::SHA256, app_id.as_bytes());
        let number = u128::from_be_bytes(*digest.as_ref().first_chunk::<16>().expect("a digest has 32 bytes"));
        let name = format!("{number:032x}.lock");
        Self { file: folder.map(|folder| folder.join(name)), patience }
    }

    /// Waits for the lock. It asks again and again, so that a waiting process blocks nothing and can stop at any time.
    pub async fn take(&self) -> Result<HeldLock, LockError> {
        let file = self.file.as_deref().ok_or(LockError::NoFolder)?;
        make_folder(file.parent().ok_or(LockError::NoFolder)?)?;
        let began = Instant::now();
        loop {
            if let Some(file) = try_lock(file)? {
                return Ok(HeldLock { _file: file });
            }
            let left = self.patience.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Err(LockError::Busy(self.patience));
            }
            tokio::time::sleep(pause().min(left)).await;
        }
    }
}

/// The folder of this user for files that only matter while processes run; `None` if the system names none. It is never one that
/// all users share.
#[must_use]
pub fn user_folder() -> Option<PathBuf> {
    base_folder().filter(|folder| folder.is_absolute()).map(|folder| folder.join("valetkey"))
}

#[cfg(windows)]
fn base_folder() -> Option<PathBuf> {
    named("LOCALAPPDATA")
}

#[cfg(target_os = "macos")]
fn base_folder() -> Option<PathBuf> {
    named("HOME").map(|home| home.join("Library/Caches"))
}

/// The folders of the XDG Base Directory Specification.
#[cfg(all(unix, not(target_os = "macos")))]
fn base_folder() -> Option<PathBuf> {
    let runtime = named("XDG_RUNTIME_DIR").filter(|folder| folder.is_dir());
    let cache = || named("XDG_CACHE_HOME").or_else(|| named("HOME").map(|home| home.join(".cache")));
    runtime.or_else(cache)
}

fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Makes the folder if it is not there. One that another user made or can change is refused: the lock would be theirs.
#[cfg(unix)]
fn make_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let facts = fs::symlink_metadata(folder)?;
    let is_own = facts.uid() == rustix::process::geteuid().as_raw() && facts.mode() & 0o022 == 0;
    if facts.is_dir() && is_own {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("{} is not this user's own", folder.display())))
}

#[cfg(not(unix))]
fn make_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

/// Opens the file and locks it (`flock(2)`); `None` if another process holds it.
#[cfg(unix)]
fn try_lock(file: &Path) -> io::Result<Option<File>> {
    use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = open(file, flags, Mode::RUSR | Mode::WUSR)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file.into())),
        Err(error) if error == rustix::io::Errno::WOULDBLOCK => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Opens the file for this process alone; `None` if another process has it open.
#[cfg(windows)]
fn try_lock(file: &Path) -> io::Result<Option<File>> {
    use std::os::windows::fs::OpenOptionsExt;
    let opened = File::options().read(true).write(true).create(true).truncate(false).share_mode(0).open(file);
    match opened {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.raw_os_error() == Some(ERROR_SHARING_VIOLATION) => Ok(None),
        Err(error) => Err(error),
    }
}

/// 50 to 200 ms, at random: processes that started together must not ask in step.
fn pause() -> Duration {
    let [part] = random();
    Duration::from_millis(50 + u64::from(part) * 150 / 255)
}

#[cfg(windows)]
const ERROR_SHARING_VIOLATION: i32 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn f98_the_lock_of_an_app_has_one_holder_and_the_lock_of_another_app_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let lock = |app: &str| RenewalLock::new(Some(&folder.path().join("made")), app, MOMENT);
        let held = lock("com.example.a").take().await.unwrap();
        assert!(matches!(lock("com.example.a").take().await, Err(LockError::Busy(after)) if after == MOMENT));
        lock("com.example.b").take().await.unwrap();
        drop(held);
        lock("com.example.a").take().await.unwrap();
        let files: Vec<_> = fs::read_dir(folder.path().join("made")).unwrap().map(|file| file.unwrap()).collect();
        assert!(files.len() == 2 && files.iter().all(|file| file.metadata().unwrap().len() == 0), "{files:?}");
    }

    #[tokio::test]
    async fn f98_without_a_folder_of_the_user_there_is_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(RenewalLock::new(None, "app", MOMENT).take().await, Err(LockError::NoFolder)));
        assert!(matches!(RenewalLock::new(Some(&file), "app", MOMENT).take().await, Err(LockError::File(_))));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn f98_a_folder_that_others_can_change_and_a_link_in_place_of_the_file_are_refused() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let open = folder.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        let linked = folder.path().join("linked");
        symlink(folder.path(), &linked).unwrap();
        for folder in [&open, &linked] {
            let taken = RenewalLock::new(Some(folder), "app", MOMENT).take().await;
            assert!(matches!(&taken, Err(LockError::File(error)) if error.kind() == io::ErrorKind::PermissionDenied));
        }
        let lock = RenewalLock::new(Some(folder.path()), "app", MOMENT);
        let target = folder.path().join("target");
        fs::write(&target, "").unwrap();
        symlink(&target, lock.file.as_ref().unwrap()).unwrap();
        assert!(matches!(lock.take().await, Err(LockError::File(_))));
    }
}
