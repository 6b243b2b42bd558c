//! Files that are followed together, and the reload that their change causes.

use std::path::PathBuf;

use super::{Content, FileContent};

pub(crate) struct Follower {
    /// The files with their contents at the last reload, whether it could use them or not.
    seen: Vec<FileContent>,
    /// A reload is wanted even if nothing has changed.
    asked: bool,
    reload: Reload,
}

type Reload = Box<dyn FnMut(&mut Vec<FileContent>) + Send>;

impl Follower {
    /// Follows `paths`, which held `seen`. `reload` gets their contents whenever these have changed, and reports itself
    /// if it cannot use them.
    pub(crate) fn new<const FILES: usize>(
        paths: [PathBuf; FILES],
        seen: [Content; FILES],
        mut reload: impl FnMut([&Content; FILES]) + Send + 'static,
    ) -> Self {
        let seen = paths.into_iter().zip(seen).map(|(path, content)| FileContent { path, content }).collect();
        Self::of_changing(seen, move |files| reload(std::array::from_fn(|place| &files[place].content)))
    }

    /// Follows files that name other files. `reload` puts those to follow from now on in place of those it gets, with
    /// the contents that it has read.
    pub(crate) fn of_changing(
        seen: Vec<FileContent>,
        reload: impl FnMut(&mut Vec<FileContent>) + Send + 'static,
    ) -> Self {
        Self { seen, asked: false, reload: Box::new(reload) }
    }

    /// Wants the files read again, changed or not.
    pub(super) fn ask(&mut self) {
        self.asked = true;
    }

    /// The files, if they have changed or a reload is wanted.
    pub(super) fn due(&self) -> Option<Vec<FileContent>> {
        let look = self.look();
        (self.asked || !same(&look, &self.seen)).then_some(look)
    }

    /// Uses `look` if the files still hold it. Otherwise a file is being written, and a later look will find its end.
    pub(super) fn settle(&mut self, mut look: Vec<FileContent>) {
        if same(&look, &self.look()) {
            (self.reload)(&mut look);
            self.seen = look;
            self.asked = false;
        }
    }

    fn look(&self) -> Vec<FileContent> {
        self.seen.iter().map(|file| FileContent::read(file.path.clone())).collect()
    }
}

/// Whether two looks at the same files found the same.
fn same(some: &[FileContent], others: &[FileContent]) -> bool {
    some.iter().zip(others).all(|(one, other)| one.is_like(other))
}
