//! Notes on their way to other instances, and how far the notes of those were read.
//!
//! Each device has a stream in Redis, which holds the last few notes and expires. The Redis task reads the stream of a
//! device only when it has a note to send about it, so the cost grows with the devices in use and not with the known
//! ones.

use std::collections::HashMap;
use std::time::Duration;

use redis::{Pipeline, RedisResult};
use tokio::time::Instant;

use super::gossip::GossipListener;
use super::key_names::KeyNames;
use super::redis_error::RedisLinkError;
use crate::wire::DeviceId;

/// A stream's entry: its id, and what is in it by turns of name and value.
pub(super) type StreamEntry = (String, Vec<String>);

#[derive(Default)]
pub(super) struct Notes {
    waiting: HashMap<DeviceId, Vec<String>>,
    read: HashMap<DeviceId, StreamPosition>,
}

/// How far a device's stream was read.
struct StreamPosition {
    id: String,
    at: Instant,
}

/// Notes about a few devices, for one call.
pub(super) struct Round(Vec<(DeviceId, Vec<String>)>);

impl Notes {
    /// Adds a note. A note beyond the limits is dropped.
    pub(super) fn note(&mut self, device: DeviceId, note: String) {
        if self.waiting.len() >= MOST_WAITING && !self.waiting.contains_key(&device) {
            return;
        }
        let notes = self.waiting.entry(device).or_default();
        if notes.len() < KEPT {
            notes.push(note);
        }
    }

    /// Called while Redis is away: later the notes would be old.
    pub(super) fn forget(&mut self) {
        self.waiting.clear();
    }

    /// The next few devices; `None` when no note waits.
    pub(super) fn take(&mut self) -> Option<Round> {
        let devices: Vec<_> = self.waiting.keys().take(IN_ONE_CALL).cloned().collect();
        let told = |device: DeviceId| self.waiting.remove(&device).map(|notes| (device, notes));
        let round: Vec<_> = devices.into_iter().filter_map(told).collect();
        (!round.is_empty()).then_some(Round(round))
    }

    /// The call that sends the notes of a round and reads those of other instances.
    pub(super) fn call(&self, round: &Round, instance: &str, names: &KeyNames) -> Pipeline {
        let mut calls = Pipeline::new();
        calls.ignore_errors();
        for (device, notes) in &round.0 {
            let key = names.notes(device);
            for note in notes {
                let added = calls.cmd("XADD").arg(key.as_str()).arg("MAXLEN").arg(KEPT).arg("*");
                added.arg("from").arg(instance).arg("note").arg(note.as_str()).ignore();
            }
            calls.cmd("PEXPIRE").arg(key.as_str()).arg(LIFE.as_secs() * 1000).ignore();
            let after = self.read.get(device).map_or_else(|| "-".to_owned(), |read| format!("({}", read.id));
            calls.cmd("XRANGE").arg(key.as_str()).arg(after).arg("+").arg("COUNT").arg(KEPT);
        }
        calls
    }

    /// Passes on the notes of other instances. Returns the devices whose key in Redis holds something else.
    pub(super) fn hear(
        &mut self,
        round: Round,
        answers: Vec<RedisResult<Vec<StreamEntry>>>,
        instance: &str,
        listener: &GossipListener,
    ) -> Vec<DeviceId> {
        let now = Instant::now();
        self.read.retain(|_, read| now - read.at < LIFE * 2);
        let mut foreign = Vec::new();
        for ((device, _), answer) in round.0.into_iter().zip(answers) {
            match answer.map_err(RedisLinkError::from) {
                Ok(entries) => {
                    let last = entries.last().map(|(id, _)| id.clone());
                    pass_on(&device, &entries, instance, listener);
                    if let Some(id) = last {
                        self.read.insert(device, StreamPosition { id, at: now });
                    }
                }
                Err(RedisLinkError::WrongType) => foreign.push(device),
                Err(_) => {} // calls that requests depend on find out what is wrong with Redis
            }
        }
        foreign
    }
}

fn pass_on(device: &DeviceId, entries: &[StreamEntry], instance: &str, listener: &GossipListener) {
    let Some(listener) = listener.get() else { return };
    for (_, fields) in entries {
        if let [_, from, _, note] = fields.as_slice()
            && from != instance
        {
            listener(device, note);
        }
    }
}

/// The most notes that are kept of one device.
const KEPT: usize = 64;

/// How long notes are kept after the last one of their device.
const LIFE: Duration = Duration::from_secs(300);

/// Devices in one call. More would delay requests that wait for a decision of Redis.
const IN_ONE_CALL: usize = 64;

/// The most devices with notes that wait.
const MOST_WAITING: usize = 8192;

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn device(number: usize) -> DeviceId {
        DeviceId::parse(&format!("device-{number:04}")).unwrap()
    }

    fn entry(id: &str, from: &str, note: &str) -> StreamEntry {
        (id.into(), Vec::from(["from", from, "note", note].map(str::to_owned)))
    }

    fn text(calls: &Pipeline) -> String {
        String::from_utf8_lossy(&calls.get_packed_pipeline()).into_owned()
    }

    #[tokio::test]
    async fn notes_of_other_instances_are_heard_once_and_in_their_order() {
        let (mut notes, names) = (Notes::default(), KeyNames::of("valetkey"));
        let heard = std::sync::Arc::new(Mutex::new(Vec::new()));
        let listener = GossipListener::default();
        let page = std::sync::Arc::clone(&heard);
        let take_down = move |device: &DeviceId, note: &str| {
            page.lock().unwrap().push(format!("{device} {note}"));
        };
        assert!(listener.set(Box::new(take_down)).is_ok());
        notes.note(device(1), "here".into());
        let round = notes.take().unwrap();
        assert!(notes.take().is_none());
        assert!(text(&notes.call(&round, "me", &names)).contains("XRANGE"));
        let entries = vec![entry("1-0", "you", "one"), entry("2-0", "me", "here"), entry("2-1", "you", "two")];
        assert!(notes.hear(round, vec![Ok(entries)], "me", &listener).is_empty());
        assert_eq!(*heard.lock().unwrap(), ["device-0001 one", "device-0001 two"]);
        notes.note(device(1), "again".into());
        let round = notes.take().unwrap();
        assert!(text(&notes.call(&round, "me", &names)).contains("(2-1"), "only what is newer");
        assert!(notes.hear(round, vec![Ok(Vec::new())], "me", &listener).is_empty());
    }

    #[test]
    fn waiting_notes_are_bounded_and_sent_in_parts() {
        let mut notes = Notes::default();
        for number in 0..MOST_WAITING + 10 {
            for _ in 0..=KEPT {
                notes.note(device(number), "note".into());
            }
        }
        let mut devices = 0;
        while let Some(round) = notes.take() {
            assert!(round.0.len() <= IN_ONE_CALL && round.0.iter().all(|(_, notes)| notes.len() == KEPT));
            devices += round.0.len();
        }
        assert_eq!(devices, MOST_WAITING);
    }
}
