//! Puts records on the disk, and asks it for room when it takes none.

use std::time::Duration;

use tokio::time::Instant;

use super::super::spill::SpilledTo;
use super::Flusher;
use crate::service::store::database::UsageRow;

impl Flusher {
    /// Puts everything that is only in memory on the disk.
    pub(super) fn set_down(&mut self) {
        let mut rows = std::mem::take(&mut self.left);
        rows.extend(self.queue.take(usize::MAX));
        self.put_down(rows);
    }

    pub(super) fn spill_queue(&mut self) {
        let rows = self.queue.take(usize::MAX);
        self.put_down(rows);
    }

    /// Puts rows on the disk, and keeps those in memory that find no room there.
    pub(super) fn put_down(&mut self, rows: Vec<UsageRow>) {
        if !rows.is_empty() {
            let spilled = self.spill(&rows);
            self.left.extend(rows.into_iter().skip(spilled));
        }
    }

    /// Puts rows on the disk, from the first one on. Returns how many found room.
    pub(super) fn spill(&mut self, rows: &[UsageRow]) -> usize {
        let spilled = match self.spill.write(rows) {
            Ok(SpilledTo::File) => {
                self.disk_works();
                rows.len()
            }
            Ok(SpilledTo::Reserve(spilled)) => {
                self.disk_fails("Usage records go to the reserve: neither the database nor the disk takes them");
                self.queue.set_room(spilled == rows.len() && self.spill.has_room());
                spilled
            }
            Err(error) => {
                tracing::debug!(%error, "The disk takes no usage records");
                self.disk_fails("Usage records wait in memory: neither the database nor the disk takes them");
                self.queue.set_room(false);
                0
            }
        };
        self.queue.release(spilled, |counters, rows| counters.spilled += rows);
        spilled
    }

    /// While requests are refused, asks the disk for another reserve now and then.
    pub(super) fn look_for_room(&mut self) {
        if self.queue.has_room() || Instant::now() < self.ask_disk {
            return;
        }
        self.ask_disk = Instant::now() + DISK_PAUSE;
        if self.spill.replace_reserve() {
            self.disk_works();
        }
    }

    fn disk_fails(&mut self, what: &'static str) {
        if !std::mem::replace(&mut self.disk_fails, true) {
            self.queue.note_spill(true);
            tracing::error!("{what}");
        }
    }

    pub(super) fn disk_works(&mut self) {
        if std::mem::take(&mut self.disk_fails) {
            self.queue.note_spill(false);
        }
        self.queue.set_room(true);
    }
}

/// The pause between questions for room on the disk.
const DISK_PAUSE: Duration = Duration::from_secs(1);
