//! Files that only this user can read, and whether others can read or change one. Elsewhere than on Unix a file inherits
//! the access list of its folder.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
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

/// Whether others on this machine can read or change the file, which is no pipe or device. The group of a file may read
/// it where the file is root's: an administrator has then chosen who is in the group.
pub(crate) fn is_open_to_others(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.is_file() && is_open(&file))
}

#[cfg(unix)]
fn is_open(file: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    grants_too_much(file.mode(), file.uid())
}

#[cfg(not(unix))]
fn is_open(_: &Metadata) -> bool {
    false
}

#[cfg(unix)]
fn grants_too_much(mode: u32, owner: u32) -> bool {
    const ROOT: u32 = 0;
    let unwanted = if owner == ROOT { 0o027 } else { 0o077 };
    mode & unwanted != 0
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn f69_only_the_group_of_a_file_of_root_may_read_it() {
        for (mode, of_root, of_another) in [
            (0o600, false, false),
            (0o400, false, false),
            (0o640, false, true),
            (0o660, true, true),
            (0o604, true, true),
            (0o602, true, true),
            (0o644, true, true),
        ] {
            assert_eq!((grants_too_much(mode, 0), grants_too_much(mode, 1000)), (of_root, of_another), "{mode:o}");
        }
    }
}
