//! Brings the tables up to date: every missing migration, in order, in one transaction that one instance at a time can
//! hold.
//!
//! Fails when the database belongs to a newer version, and when a migration was changed or only half applied.

use std::future::ready;
use std::pin::Pin;

use sqlx::error::BoxDynError;
use sqlx::migrate::{Migration, MigrationSource, MigrationType, Migrator};
use sqlx::{Any, Executor, Transaction};

use super::database_url::DatabaseUrl;
use super::error::StoreError;
use super::postgres;

pub(super) async fn bring_up_to_date(
    mut transaction: Transaction<'static, Any>,
    url: &DatabaseUrl,
) -> Result<(), StoreError> {
    let mut migrator = Migrator::new(KnownMigrations).await?;
    // The migrator's own lock ends before the transaction does.
    migrator.set_locking(false);
    if matches!(url, DatabaseUrl::Postgres(_)) {
        transaction.execute(postgres::MIGRATION_LOCK).await?;
    }
    migrator.run_direct(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(())
}

/// The version of the tables that this program works with.
pub(super) fn version() -> i64 {
    i64::try_from(MIGRATIONS.len()).expect("there are few migrations")
}

#[derive(Debug)]
struct KnownMigrations;

impl MigrationSource<'static> for KnownMigrations {
    fn resolve(self) -> Pin<Box<dyn Future<Output = Result<Vec<Migration>, BoxDynError>> + Send>> {
        let migrations = MIGRATIONS.iter().zip(1..).map(|(&(description, sql), version)| {
            Migration::new(version, description.into(), MigrationType::Simple, sql.into(), false)
        });
        Box::pin(ready(Ok(migrations.collect())))
    }
}

/// In order. A released migration is never changed.
const MIGRATIONS: [(&str, &str); 8] = [
    ("initial", include_str!("migrations/0001_initial.sql")),
    ("owned objects", include_str!("migrations/0002_owned_objects.sql")),
    ("budgets", include_str!("migrations/0003_budgets.sql")),
    ("device keys", include_str!("migrations/0004_device_keys.sql")),
    ("owned references", include_str!("migrations/0005_owned_references.sql")),
    ("device changes", include_str!("migrations/0006_device_changes.sql")),
    ("device policies", include_str!("migrations/0007_device_policies.sql")),
    ("cost certainty", include_str!("migrations/0008_cost_certainty.sql")),
];
