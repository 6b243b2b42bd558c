//! What the answers and uploads of this instance have made in the last hour, and what it has found in the database in
//! that time, as far as there is room.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, SystemTime};

use crate::service::meter::usage::{Reference, ReferenceKind};
use crate::wire::DeviceId;

#[derive(Default)]
pub(super) struct RecentReferences {
    by_id: HashMap<Box<str>, Remembered>,
    /// The ids with the times at which they are forgotten, the oldest first.
    order: VecDeque<(SystemTime, Box<str>)>,
}

struct Remembered {
    device: DeviceId,
    kind: ReferenceKind,
    tokens: Option<u64>,
    until: SystemTime,
}

impl RecentReferences {
    /// Remembers a reference, or what is new of it. An id that another device has stays that device's.
    pub(super) fn put(&mut self, device: &DeviceId, reference: &Reference, now: SystemTime) {
        self.forget_old(now);
        let Reference { kind, id, tokens } = reference;
        if let Some(known) = self.by_id.get_mut(id) {
            if known.device == *device && known.kind == *kind {
                known.tokens = tokens.or(known.tokens);
            }
            return;
        }
        if self.by_id.len() >= MOST
            && let Some((_, oldest)) = self.order.pop_front()
        {
            self.by_id.remove(&oldest);
        }
        let until = now + REMEMBERED;
        self.order.push_back((until, id.clone()));
        self.by_id.insert(id.clone(), Remembered { device: device.clone(), kind: *kind, tokens: *tokens, until });
    }

    pub(super) fn get(&self, device: &DeviceId, kind: ReferenceKind, id: &str, now: SystemTime) -> Option<Reference> {
        let known = self.by_id.get(id).filter(|known| known.until > now)?;
        let is_own = known.device == *device && known.kind == kind;
        is_own.then(|| Reference { kind, id: id.into(), tokens: known.tokens })
    }

    /// Whether a device has a message with this id.
    pub(super) fn has_message(&self, id: &str, now: SystemTime) -> bool {
        self.by_id.get(id).is_some_and(|known| known.kind == ReferenceKind::Message && known.until > now)
    }

    fn forget_old(&mut self, now: SystemTime) {
        while self.order.front().is_some_and(|(until, _)| *until <= now) {
            if let Some((_, id)) = self.order.pop_front() {
                self.by_id.remove(&id);
            }
        }
    }
}

/// After that the database is asked. A message thread ends within the hour.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// These take about 20 MB.
const MOST: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    fn device(number: usize) -> DeviceId {
        DeviceId::parse(&format!("device-{number:04}")).unwrap()
    }

    fn message(id: &str, tokens: Option<u64>) -> Reference {
        Reference { kind: ReferenceKind::Message, id: id.into(), tokens }
    }

    #[expect(clippy::option_option, reason = "a reference whose length is unknown is found too")]
    fn found(recent: &RecentReferences, device: &DeviceId, id: &str, now: SystemTime) -> Option<Option<u64>> {
        recent.get(device, ReferenceKind::Message, id, now).map(|reference| reference.tokens)
    }

    #[test]
    fn a51_a_reference_is_its_devices_alone_for_an_hour() {
        let (mut recent, now) = (RecentReferences::default(), SystemTime::UNIX_EPOCH);
        recent.put(&device(1), &message("msg_1", None), now);
        recent.put(&device(2), &message("msg_1", Some(7)), now);
        assert_eq!(found(&recent, &device(1), "msg_1", now), Some(None));
        recent.put(&device(1), &message("msg_1", Some(9)), now);
        recent.put(&device(1), &message("msg_1", None), now);
        assert_eq!(found(&recent, &device(1), "msg_1", now), Some(Some(9)), "its length came later");
        assert_eq!(found(&recent, &device(2), "msg_1", now), None);
        assert_eq!(recent.get(&device(1), ReferenceKind::Container, "msg_1", now), None);
        let container = Reference { kind: ReferenceKind::Container, id: "c_1".into(), tokens: None };
        recent.put(&device(1), &container, now);
        assert_eq!(["msg_1", "c_1", "msg_0"].map(|id| recent.has_message(id, now)), [true, false, false]);
        assert_eq!(found(&recent, &device(1), "msg_1", now + REMEMBERED), None);
        recent.put(&device(2), &message("msg_2", None), now + REMEMBERED);
        assert_eq!((recent.by_id.len(), recent.order.len()), (1, 1));
    }

    #[test]
    fn a48_references_without_end_take_no_more_room_than_the_most() {
        let (mut recent, now) = (RecentReferences::default(), SystemTime::UNIX_EPOCH);
        for number in 0..MOST + 10 {
            recent.put(&device(1), &message(&format!("msg_{number}"), None), now);
        }
        assert_eq!((recent.by_id.len(), recent.order.len()), (MOST, MOST));
        assert_eq!(found(&recent, &device(1), "msg_9", now), None, "the oldest went first");
        assert_eq!(found(&recent, &device(1), "msg_10", now), Some(None));
    }
}
