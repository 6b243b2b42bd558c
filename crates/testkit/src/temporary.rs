//! Files that exist as long as one test.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A file that is deleted when dropped.
pub struct TemporaryFile(PathBuf);

impl TemporaryFile {
    /// A new file with this content.
    pub fn with(content: &[u8]) -> Self {
        let file = Self(unique());
        std::fs::write(&file.0, content).expect("the folder for temporary files can be written");
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
