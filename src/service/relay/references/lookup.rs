//! Asks the database who owns what a request names.

use std::collections::HashSet;

use super::{NamedBy, NamedReferences, References};
use crate::lock::lock;
use crate::service::enrol::db_requests::DbRequestError;
use crate::service::meter::usage::{Reference, ReferenceKind};
use crate::service::relay::ledger::away;
use crate::service::store::database::{ObjectKind, StoreError};
use crate::transport::problem::Problem;
use crate::wire::DeviceId;

impl References {
    /// Moves what the database knows as the device's own from `named` to `owned`. It need not be asked about ids that come,
    /// in the order of [`NamedBy`], after one that it does not know.
    pub(super) async fn look_up(
        &self,
        device: &DeviceId,
        named: &mut NamedReferences,
        owned: &mut Vec<Reference>,
    ) -> Result<(), Problem> {
        let (database, now) = (self.0.db_requests.database(), self.0.clock.now());
        let (files, others) = in_order(named);
        let asking = device.clone();
        let question = async move {
            let own = database.owned_objects().of_device(&asking, ObjectKind::File, &files).await?;
            let has_all = own.len() == files.len();
            let file = |id: String| Reference { kind: ReferenceKind::File, id: id.into(), tokens: None };
            let mut found: Vec<_> = own.into_iter().map(file).collect();
            if has_all {
                found.extend(database.owned_references().of_device(&asking, &others, now).await?);
            }
            Ok::<_, StoreError>(found)
        };
        let found = self.0.db_requests.ask(question).await.map_err(|error| cannot_tell(&error))?;
        self.remember(device, &found);
        owned.extend(found.into_iter().filter(|found| {
            let before = named.len();
            for by in NamedBy::all_of(found.kind) {
                named.remove(&(*by, String::from(&*found.id)));
            }
            named.len() < before
        }));
        Ok(())
    }

    /// Whether a device owns the message with this id.
    pub(super) async fn belongs_to_any(&self, id: &str) -> Result<bool, Problem> {
        let now = self.0.clock.now();
        if lock(&self.0.recent).has_message(id, now) {
            return Ok(true);
        }
        let (database, id) = (self.0.db_requests.database(), id.to_owned());
        let question = async move { database.owned_references().has_message(&id, now).await };
        self.0.db_requests.ask(question).await.map_err(|error| cannot_tell(&error))
    }
}

/// The ids of files, and all other ids, each once and in the order of [`NamedBy`]: so the least of those that are not found
/// is one about which the database was asked.
fn in_order(named: &NamedReferences) -> (Vec<String>, Vec<String>) {
    let mut sorted: Vec<_> = named.iter().cloned().collect();
    sorted.sort_unstable();
    let (files, others): (Vec<_>, Vec<_>) = sorted.into_iter().partition(|(by, _)| *by == NamedBy::File);
    let ids = |named: Vec<(NamedBy, String)>| {
        let mut seen = HashSet::new();
        named.into_iter().map(|(_, id)| id).filter(|id| seen.insert(id.clone())).collect::<Vec<_>>()
    };
    (ids(files), ids(others))
}

fn cannot_tell(error: &DbRequestError) -> Problem {
    tracing::error!(%error, "Cannot tell who owns a message, a container or a file");
    away()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a51_ids_are_asked_about_each_once_in_the_order_in_which_an_answer_tells_them() {
        let named = [
            (NamedBy::Container, "a"),
            (NamedBy::Diagnostics, "b"),
            (NamedBy::Thread, "c"),
            (NamedBy::Thread, "b"),
            (NamedBy::File, "e"),
            (NamedBy::File, "d"),
        ];
        let named: NamedReferences = named.map(|(by, id)| (by, id.to_owned())).into();
        let (files, others) = in_order(&named);
        assert_eq!((files.join(""), others.join("")), ("de".to_owned(), "bca".to_owned()));
        assert_eq!(named.into_iter().min(), Some((NamedBy::File, "d".to_owned())));
    }
}
