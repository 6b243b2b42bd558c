//! Files that are followed together, and what a change of them does.

use std::path::PathBuf;

use super::{Content, content};

/// One file or several that make sense only together.
pub(crate) struct Follower {
    paths: Vec<PathBuf>,
    /// What was there when they were last used, good or bad.
    seen: Vec<Content>,
    /// Somebody wants them read again, changed or not.
    asked: bool,
    reload: Reload,
}

type Reload = Box<dyn FnMut(&[Content]) + Send>;

impl Follower {
    /// Follows `paths`, where `seen` was; `reload` gets what they hold whenever that has changed, and tells itself what it
    /// could not use.
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

    /// They are to be read again, changed or not.
    pub(super) fn ask(&mut self) {
        self.asked = true;
    }

    /// What they hold now, if there is anything to do about it.
    pub(super) fn due(&self) -> Option<Vec<Content>> {
        let look = self.look();
        (self.asked || !same(&look, &self.seen)).then_some(look)
    }

    /// Uses what was found before, if they still hold it. Otherwise somebody is writing, and the next look is as good.
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
