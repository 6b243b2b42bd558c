//! Lists that are too long for one answer.

/// Which part of a list to give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The `next` of the page before; none asks for the first.
    pub cursor: Option<String>,
    /// How many items at most; 1 to [`PageRequest::MOST`], others are moved there.
    pub limit: u32,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// In the list's order.
    pub items: Vec<T>,
    /// The cursor of the next page; none at the end.
    pub next: Option<String>,
}

impl PageRequest {
    /// The longest page.
    pub const MOST: u32 = 1000;

    /// The first page.
    #[must_use]
    pub fn first(limit: u32) -> Self {
        Self { cursor: None, limit }
    }

    fn size(&self) -> u32 {
        self.limit.clamp(1, Self::MOST)
    }

    /// How many rows to ask for: one more than the page has tells whether there is another.
    pub(super) fn rows(&self) -> i64 {
        i64::from(self.size()) + 1
    }

    /// Makes a page of these rows.
    pub(super) fn page<T>(&self, mut items: Vec<T>, cursor: impl FnOnce(&T) -> String) -> Page<T> {
        let size = self.size() as usize;
        let more = items.len() > size;
        items.truncate(size);
        let next = items.last().filter(|_| more).map(cursor);
        Page { items, next }
    }
}
