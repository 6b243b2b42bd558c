//! Files that exist as long as one test.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A file that only its owner may read, because it may hold a key; deleted when dropped.
pub struct TemporaryFile(PathBuf);

impl TemporaryFile {
    /// A new file with this content.
    pub fn with(content: &[u8]) -> Self {
        let file = Self(unique());
        std::fs::write(&file.0, content).expect("the folder for temporary files can be written");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let owner = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(&file.0, owner).expect("the file is ours");
        }
        file
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A path that no other test of this process or another uses.
fn unique() -> PathBuf {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("valetkey-test-{}-{number}", std::process::id()))
}
