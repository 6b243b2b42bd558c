//! Files that are followed together, and the reload that their change causes.

use std::path::PathBuf;

use super::{Content, content};

pub(crate) struct Follower {
    paths: Vec<PathBuf>,
    /// The contents at the last reload, whether it could use them or not.
    seen: Vec<Content>,
    /// A reload is wanted even if nothing has changed.
    asked: bool,
    reload: Reload,
}

type Reload = Box<dyn FnMut(&[Content]) + Send>;

impl Follower {
    /// Follows `paths`, which held `seen`. `reload` gets their contents whenever these have changed, and reports itself
    /// if it cannot use them.
    pub(crate) fn new<const FILES: usize>(
        paths: [PathBuf; FILES],
        seen: [Content; FILES],
        mut reload: impl FnMut(&[Content; FILES]) + Send + 'static,
    ) -> Self {
        let reload: Reload = Box::new(move |contents: &[Content]| {
            reload(<&[Content; FILES]>::try_from(contents).expect("each file has one content"));
        });
        Self { paths: Vec::from(paths), seen: Vec::from(seen), asked: false, reload }
    }

    /// Wants the files read again, changed or not.
    pub(super) fn ask(&mut self) {
        self.asked = true;
    }

    /// The contents, if they have changed or a reload is wanted.
    pub(super) fn due(&self) -> Option<Vec<Content>> {
        let look = self.look();
        (self.asked || !same(&look, &self.seen)).then_some(look)
    }

    /// Uses `look` if the files still hold it. Otherwise a file is being written, and a later look will find its end.
    pub(super) fn settle(&mut self, look: Vec<Content>) {
        if same(&look, &self.look()) {
            (self.reload)(&look);
            self.seen = look;
            self.asked = false;
        }
    }

    fn look(&self) -> Vec<Content> {
        self.paths.iter().map(|path| content(path)).collect()
    }
}

/// Whether two looks found the same contents or the same kinds of failure.
fn same(some: &[Content], others: &[Content]) -> bool {
    some.iter().zip(others).all(|pair| match pair {
        (Ok(one), Ok(other)) => one.matches(other.expose().as_bytes()),
        (Err(one), Err(other)) => one.kind() == other.kind(),
        _ => false,
    })
}
