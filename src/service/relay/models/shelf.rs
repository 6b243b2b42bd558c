//! The copies that are kept, and the requests on their way that will renew them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use super::copy::ModelCopy;
use super::copy_request::CopyKey;
use crate::service::relay::batches::call::Whole;
use crate::transport::problem::Problem;

/// An answer of the upstream, or why there is none.
pub(super) type Fetched = Result<Arc<Whole>, Problem>;

/// A request for a copy that is on its way; any number of clients may wait for its answer.
pub(super) type Fetching = watch::Receiver<Option<Fetched>>;

/// Clients choose the keys, so the number of copies and their bytes are bounded. The copy that was not asked for for the
/// longest time makes room for another copy. A place that waits for its copy takes none from others; there are only as
/// many as requests on their way.
#[derive(Default)]
pub(super) struct Shelf {
    places: HashMap<CopyKey, Place>,
    /// Counts look-ups.
    uses: u64,
}

#[derive(Default)]
pub(super) struct Place {
    pub copy: Option<Arc<ModelCopy>>,
    fetching: Option<Fetching>,
    /// When the last request was sent.
    asked: Option<SystemTime>,
    /// The last look-up.
    used: u64,
}

impl Shelf {
    /// The place of a copy, which may be empty.
    pub(super) fn place(&mut self, key: &CopyKey) -> &mut Place {
        self.uses += 1;
        let place = self.places.entry(key.clone()).or_default();
        place.used = self.uses;
        place
    }

    /// Keeps what was fetched for a place. Without a new copy an old one stays.
    pub(super) fn keep(&mut self, key: &CopyKey, copy: Option<ModelCopy>) {
        if let Some(place) = self.places.get_mut(key) {
            place.fetching = None;
            if let Some(copy) = copy {
                place.copy = Some(Arc::new(copy));
            }
            if place.copy.is_none() {
                self.places.remove(key);
            }
        }
    }

    pub(super) fn make_room(&mut self) {
        self.places.retain(|_, place| place.copy.is_some() || place.fetching().is_some());
        while self.copied().count() > MOST_COPIES || self.bytes() > MOST_BYTES {
            let longest_unused = self.copied().min_by_key(|(_, place)| place.used).map(|(key, _)| key.clone());
            let Some(key) = longest_unused else { return };
            self.places.remove(&key);
        }
    }

    /// The places that have a copy.
    fn copied(&self) -> impl Iterator<Item = (&CopyKey, &Place)> {
        self.places.iter().filter(|(_, place)| place.copy.is_some())
    }

    fn bytes(&self) -> usize {
        let copied = |place: &Place| place.copy.as_ref().map_or(0, |copy| copy.answer().body.len());
        self.copied().map(|(key, place)| key.len() + copied(place)).sum()
    }
}

impl Place {
    /// The request on its way. One whose thread has ended gets no answer any more.
    pub(super) fn fetching(&self) -> Option<Fetching> {
        self.fetching.clone().filter(|fetching| fetching.has_changed().is_ok())
    }

    /// Notes that a request was sent.
    pub(super) fn fetch(&mut self, fetching: &Fetching, now: SystemTime) {
        self.fetching = Some(fetching.clone());
        self.asked = Some(now);
    }

    /// Whether the upstream was asked so lately that an old copy has to do.
    pub(super) fn rests(&self, now: SystemTime) -> bool {
        self.asked.and_then(|asked| now.duration_since(asked).ok()).is_some_and(|since| since < REST)
    }
}

/// A client needs one copy for its list, and perhaps one for each model.
const MOST_COPIES: usize = 64;
/// A list has about 30 kB.
const MOST_BYTES: usize = 16 << 20;

/// The pause after a failed renewal.
const REST: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;

    fn copy(length: usize) -> Option<ModelCopy> {
        let answer = Whole { head: Response::new(()).into_parts().0, body: vec![b' '; length].into() };
        ModelCopy::of(&answer, SystemTime::UNIX_EPOCH)
    }

    fn with(lengths: &[usize]) -> Shelf {
        let mut shelf = Shelf::default();
        for (number, length) in lengths.iter().enumerate() {
            let key = number.to_string().into_bytes();
            shelf.place(&key);
            shelf.keep(&key, copy(*length));
            shelf.make_room();
        }
        shelf
    }

    #[test]
    fn a48_the_copy_that_was_not_asked_for_for_the_longest_time_makes_room() {
        let mut shelf = with(&[10; MOST_COPIES]);
        shelf.place(&b"0".to_vec());
        shelf.place(&b"new".to_vec());
        shelf.keep(&b"new".to_vec(), copy(10));
        shelf.make_room();
        assert_eq!(shelf.places.len(), MOST_COPIES);
        assert!(shelf.places.contains_key(&b"0"[..]) && !shelf.places.contains_key(&b"1"[..]));
    }

    #[test]
    fn a48_copies_take_no_more_than_their_bytes() {
        let shelf = with(&[MOST_BYTES / 3; 5]);
        assert_eq!(shelf.places.len(), 2);
        assert!(shelf.bytes() <= MOST_BYTES && shelf.places.contains_key(&b"4"[..]));
        assert!(with(&[MOST_BYTES + 1]).places.is_empty());
    }

    #[test]
    fn a48_a_request_on_its_way_takes_the_place_of_no_copy() {
        let mut shelf = with(&[10; MOST_COPIES]);
        let (tell, fetching) = watch::channel(None);
        for number in 0..8 {
            shelf.place(&format!("new {number}").into_bytes()).fetch(&fetching, SystemTime::UNIX_EPOCH);
            shelf.make_room();
        }
        assert_eq!((shelf.places.len(), shelf.copied().count()), (MOST_COPIES + 8, MOST_COPIES));
        shelf.keep(&b"new 0".to_vec(), copy(10));
        shelf.make_room();
        assert!(shelf.copied().count() == MOST_COPIES && !shelf.places.contains_key(&b"0"[..]));
        drop(tell);
        shelf.make_room();
        assert_eq!(shelf.places.len(), MOST_COPIES, "a request whose thread has ended leaves no place");
    }

    #[test]
    fn a_place_without_a_copy_is_forgotten_and_one_with_a_copy_keeps_it() {
        let (mut shelf, key) = (Shelf::default(), b"key".to_vec());
        shelf.place(&key);
        shelf.keep(&key, None);
        assert!(shelf.places.is_empty());
        shelf.place(&key);
        shelf.keep(&key, copy(1));
        shelf.keep(&key, None);
        assert!(shelf.place(&key).copy.is_some());
    }
}
