//! Files that only this user can read, and whether others can read one. Elsewhere than on Unix a file inherits the
//! access list of its folder.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::Path;

/// Makes a private file and opens it for writing. There must not be a file yet.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes a private folder, and those above it, if there is none.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Whether every user of the machine can read the file.
pub(crate) fn is_readable_by_all(path: &Path) -> bool {
    mode(path) & 0o004 != 0
}

/// Whether the file, which is no pipe or device, grants anything to its group or to others.
pub(crate) fn is_open_to_others(path: &Path) -> bool {
    path.is_file() && mode(path) & 0o077 != 0
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).map_or(0, |file| file.permissions().mode())
}

#[cfg(not(unix))]
fn mode(_: &Path) -> u32 {
    0
}
