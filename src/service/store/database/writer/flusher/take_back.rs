//! Brings spilled records back into the database, one file at a time.

use super::super::queue::BATCH;
use super::{FlushError, Flusher};
use crate::service::store::database::{StoreError, UsageRow};

impl Flusher {
    /// Writes the oldest spilled file to the database.
    pub(super) async fn take_back(&mut self) {
        let spilled = match self.spill.oldest() {
            Ok(Some(spilled)) => spilled,
            Ok(None) => return,
            Err(error) => {
                tracing::error!(%error, "Cannot read spilled usage records; the next start tries again");
                return;
            }
        };
        match self.write_back(&spilled.rows).await {
            Ok(()) => self.finish_taking_back(spilled.damaged),
            Err(why) => {
                self.spill.keep_oldest();
                self.note(&why);
            }
        }
    }

    /// Writes the rows of the oldest file, or puts those aside that the database refuses.
    async fn write_back(&mut self, spilled: &[UsageRow]) -> Result<(), FlushError> {
        for rows in spilled.chunks(BATCH) {
            let refused = match self.write(rows, rows.len()).await.0 {
                Ok(()) => 0,
                Err(FlushError::Store(StoreError::Refused(_))) => self.one_by_one(rows).await?,
                Err(why) => return Err(why),
            };
            self.spill.advance(rows.len());
            self.queue.count(|counters| {
                counters.spilled = counters.spilled.saturating_sub(rows.len() as u64);
                counters.written += (rows.len() - refused) as u64;
                counters.lost += refused as u64;
            });
        }
        Ok(())
    }

    /// Finds the rows that the database refuses and puts them aside. Returns how many there are.
    async fn one_by_one(&mut self, rows: &[UsageRow]) -> Result<usize, FlushError> {
        let mut refused = Vec::new();
        for row in rows {
            match self.write(std::slice::from_ref(row), 1).await.0 {
                Ok(()) => {}
                Err(FlushError::Store(StoreError::Refused(error))) => {
                    tracing::error!(%error, request_id = row.request_id, "The database refuses a usage record");
                    refused.push(row.clone());
                }
                Err(why) => return Err(why),
            }
        }
        if !refused.is_empty() {
            self.spill.set_aside(&refused).map_err(FlushError::Disk)?;
        }
        Ok(refused.len())
    }

    /// Removes the oldest file, whose readable rows are all in the database or put aside.
    fn finish_taking_back(&mut self, damaged: u64) {
        if damaged > 0 {
            tracing::error!(lines = damaged, "Spilled usage records cannot be read; their file is put aside");
        }
        let (left, removed) = self.spill.remove_oldest(damaged > 0);
        if let Err(error) = removed {
            // The next start takes the file in once more. Rows have ids, so that changes nothing.
            tracing::error!(%error, "Cannot remove a file of spilled usage records");
        }
        self.queue.count(|counters| {
            counters.spilled = counters.spilled.saturating_sub(left);
            counters.lost += damaged;
            // Another instance took these in.
            counters.written += left.saturating_sub(damaged);
        });
        self.spill.renew_reserve();
        if self.spill.is_empty() {
            tracing::info!("All spilled usage records are in the database");
        }
    }
}
