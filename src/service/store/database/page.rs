//! Pages of lists that are too long for one answer. The tables list with them, the admin listener asks for them.

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The `next` of the previous page; `None` asks for the first.
    pub cursor: Option<String>,
    /// The most items, from 1 to [`PageRequest::MOST`]; other values are moved into this range.
    pub limit: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// The cursor of the next page; `None` at the end.
    pub next: Option<String>,
}

impl PageRequest {
    pub const MOST: u32 = 1000;

    pub fn first(limit: u32) -> Self {
        Self { cursor: None, limit }
    }

    fn size(&self) -> u32 {
        self.limit.clamp(1, Self::MOST)
    }

    /// One row more than the page has: it tells whether another page follows.
    pub(super) fn rows(&self) -> i64 {
        i64::from(self.size()) + 1
    }

    pub(super) fn page<T>(&self, mut items: Vec<T>, cursor: impl FnOnce(&T) -> String) -> Page<T> {
        let size = self.size() as usize;
        let more = items.len() > size;
        items.truncate(size);
        let next = items.last().filter(|_| more).map(cursor);
        Page { items, next }
    }
}
