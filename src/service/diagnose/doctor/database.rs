//! Checks whether the database is reachable and fits this version.

use super::Finding;
use super::finding::whole;
use crate::service::diagnose::check;
use crate::service::store::database::DatabaseUrl;
use crate::service::store::database::{self, DatabaseInspection, StoreError};

/// Opens the database without creating it or changing its tables.
pub(super) async fn examine(url: &DatabaseUrl) -> Finding {
    let what = match url {
        DatabaseUrl::Sqlite(path) => path.display().to_string(),
        DatabaseUrl::Postgres(_) => "PostgreSQL".to_owned(),
    };
    // The inspection opens an existing file only; this checks that a start could create and write it.
    if let (DatabaseUrl::Sqlite(_), Err(fault)) = (url, check::database(url)) {
        return Finding::problem(CHECK, fault, "make the folder, and let the service's user write there");
    }
    match database::inspect(url).await {
        Ok(DatabaseInspection::Missing) => {
            Finding::ok(CHECK, format!("{what} is not there yet; the first start makes it"))
        }
        Ok(DatabaseInspection::Empty) => {
            Finding::ok(CHECK, format!("{what} has no tables yet; the first start makes them"))
        }
        Ok(DatabaseInspection::Tables { found, wanted }) if found < wanted => {
            let found = format!("{what} has tables of version {found}; the next start brings them to {wanted}");
            Finding::warning(CHECK, found, "make a backup first: an older valetkey cannot use them afterwards")
        }
        Ok(DatabaseInspection::Tables { found, .. }) => {
            Finding::ok(CHECK, format!("{what} has tables of version {found}"))
        }
        Err(error) => Finding::problem(CHECK, whole(&error), advice(&error)),
    }
}

fn advice(error: &StoreError) -> &'static str {
    match error {
        StoreError::Address(_) | StoreError::Unreachable(_) => "look at DATABASE_URL, the login and the network",
        StoreError::Busy(_) => "try again",
        StoreError::Full(_) => "make room on its disk",
        // The other errors contain their advice.
        _ => "",
    }
}

const CHECK: &str = "database";
