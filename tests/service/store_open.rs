//! Opening a database: a new one, one that others open too, and one that cannot be used.

use std::fs;
use std::time::SystemTime;

use sqlx::{AnyConnection, Connection, Executor, Row};
use valetkey::secret::Secret;
use valetkey::service::store::database::DatabaseUrl;
use valetkey::service::store::database::{Database, DatabaseInspection, StoreError, inspect};

use testkit::service::TestService;
use testkit::stores::database::{TestDatabase, at, device, row};

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        store.usage().insert(&[row("req_1", device(1), at(1000))], SystemTime::now()).await.unwrap();
        store.close().await;
        let store = database.open().await;
        store.ping().await.unwrap();
        assert!(store.devices().get(&device(1), at(1000)).await.unwrap().is_some(), "{}", database.name);
    }
}

#[tokio::test]
async fn f68_a_folder_that_takes_nothing_more_needs_another_one_for_usage() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("valetkey.db");
    // Nobody, root included, can make a folder of this name.
    fs::write(folder.path().join("valetkey.db.usage-spill"), "").unwrap();
    let spill = folder.path().join("spool/usage");
    let service = TestService::start_with("http://127.0.0.1:9", |flags| {
        flags.set("DATABASE_URL", format!("sqlite:{}", database.display()));
        flags.set("USAGE_SPILL_DIR", spill.display().to_string());
    });
    assert!(spill.is_dir());
    let shown = service.admin("GET", "/admin/config", None).await.json();
    assert_eq!(shown["USAGE_SPILL_DIR"], spill.display().to_string());
}

#[tokio::test]
async fn many_instances_may_start_at_once() {
    for database in TestDatabase::each().await {
        let opening: Vec<_> = (0..8)
            .map(|_| {
                let url = database.url.clone();
                tokio::spawn(async move { Database::open(&url).await.map(|_| ()) })
            })
            .collect();
        for opened in opening {
            opened.await.unwrap().unwrap_or_else(|error| panic!("{}: {error}", database.name));
        }
        assert_eq!(database.open().await.revocations().revision().await.unwrap(), 0, "{}", database.name);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn only_this_user_can_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let database = TestDatabase::sqlite();
    let store = database.open().await;
    store.usage().insert(&[row("req_1", device(1), at(1000))], SystemTime::now()).await.unwrap();
    let mut files = 0;
    for file in fs::read_dir(database.file().parent().unwrap()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.file_name());
        files += 1;
    }
    assert_eq!(files, 3, "the database, its log and its index");
    let mut connection = database.connect().await;
    assert_eq!(text(&mut connection, "PRAGMA journal_mode").await, "wal");
}

#[tokio::test]
async fn f39_a_file_that_is_no_database_is_refused_and_not_touched() {
    for content in ["This is no database. ".repeat(500).into_bytes(), damaged_in_the_middle().await] {
        let database = TestDatabase::sqlite();
        fs::write(database.file(), &content).unwrap();
        let error = refused(&database).await;
        assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains("restore a backup"), "{error}");
        assert_eq!(fs::read(database.file()).unwrap().len(), content.len());
    }
}

#[tokio::test]
async fn f39_tables_of_a_newer_version_are_refused() {
    for database in TestDatabase::each().await {
        database.open().await.close().await;
        let mut connection = database.connect().await;
        let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
            SELECT 77, 'of the future', success, checksum, 1 FROM _sqlx_migrations WHERE version = 1";
        connection.execute(newer).await.unwrap();
        let error = refused(&database).await;
        assert!(matches!(error, StoreError::Newer { version: 77 }), "{}: {error:?}", database.name);
    }
}

#[tokio::test]
async fn f39_half_a_migration_is_refused() {
    for database in TestDatabase::each().await {
        database.open().await.close().await;
        let mut connection = database.connect().await;
        connection.execute("UPDATE _sqlx_migrations SET success = FALSE").await.unwrap();
        let error = refused(&database).await;
        assert!(matches!(error, StoreError::Schema { .. }), "{}: {error:?}", database.name);
        assert!(error.to_string().contains("restore a backup"), "{error}");

        connection.execute("DELETE FROM _sqlx_migrations").await.unwrap();
        connection.execute("DROP TABLE usage_records").await.unwrap();
        let error = refused(&database).await;
        assert!(matches!(error, StoreError::Schema { version: 1, .. }), "{}: {error:?}", database.name);
        // Nothing was half done on top.
        assert!(connection.execute("SELECT 1 FROM usage_records").await.is_err(), "{}", database.name);
    }
}

#[tokio::test]
async fn f39_a_migration_that_was_changed_is_refused() {
    for database in TestDatabase::each().await {
        database.open().await.close().await;
        let mut connection = database.connect().await;
        let changed = match database.url {
            DatabaseUrl::Sqlite(_) => "UPDATE _sqlx_migrations SET checksum = x'00'",
            DatabaseUrl::Postgres(_) => "UPDATE _sqlx_migrations SET checksum = '\\x00'",
        };
        connection.execute(changed).await.unwrap();
        let error = refused(&database).await;
        assert!(matches!(error, StoreError::Schema { version: 1, .. }), "{}: {error:?}", database.name);
    }
}

#[tokio::test]
async fn a_look_finds_the_version_and_changes_nothing() {
    for database in TestDatabase::each().await {
        let first = inspect(&database.url).await.unwrap();
        match database.url {
            DatabaseUrl::Sqlite(_) => {
                assert_eq!(first, DatabaseInspection::Missing);
                assert!(!database.file().exists(), "nothing was made");
            }
            DatabaseUrl::Postgres(_) => assert_eq!(first, DatabaseInspection::Empty),
        }
        let store = database.open().await;
        let found = inspect(&database.url).await.unwrap();
        assert!(
            matches!(found, DatabaseInspection::Tables { found, wanted } if found == wanted),
            "{}: {found:?}",
            database.name
        );
        store.close().await;
        let mut connection = database.connect().await;
        connection.execute("UPDATE _sqlx_migrations SET success = FALSE").await.unwrap();
        let error = inspect(&database.url).await.unwrap_err();
        assert!(matches!(error, StoreError::Schema { .. }), "{}: {error:?}", database.name);
        connection.execute("UPDATE _sqlx_migrations SET success = TRUE").await.unwrap();
        let last = "(SELECT version FROM _sqlx_migrations ORDER BY version DESC LIMIT 1)";
        let newer = format!("UPDATE _sqlx_migrations SET version = 77 WHERE version = {last}");
        connection.execute(newer.as_str()).await.unwrap();
        let error = inspect(&database.url).await.unwrap_err();
        assert!(matches!(error, StoreError::Newer { version: 77 }), "{}: {error:?}", database.name);
    }
}

#[tokio::test]
async fn a_place_that_cannot_be_reached_is_named_without_its_password() {
    let nowhere = DatabaseUrl::Postgres(Secret::new("postgres://root:canary@127.0.0.1:1/x"));
    let error = Database::open(&nowhere).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    let nonsense = DatabaseUrl::Postgres(Secret::new("postgres://root:canary@[/x"));
    let error = Database::open(&nonsense).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::Address(_)), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    let folder = DatabaseUrl::Sqlite("/nowhere/at/all.db".into());
    let error = Database::open(&folder).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::File { .. }), "{error:?}");
}

async fn refused(database: &TestDatabase) -> StoreError {
    match Database::open(&database.url).await {
        Ok(_) => panic!("{} was opened", database.name),
        Err(error) => error,
    }
}

/// A database with one bad page.
async fn damaged_in_the_middle() -> Vec<u8> {
    let database = TestDatabase::sqlite();
    let store = database.open().await;
    let rows: Vec<_> = (0..2000).map(|number| row(&format!("req_{number}"), device(1), at(number))).collect();
    store.usage().insert(&rows, SystemTime::now()).await.unwrap();
    let mut connection = database.connect().await;
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();
    connection.close().await.unwrap();
    store.close().await;
    let mut content = fs::read(database.file()).unwrap();
    let middle = content.len() / 2 / 4096 * 4096;
    content[middle..middle + 4096].fill(0x5a);
    content
}

async fn text(connection: &mut AnyConnection, sql: &str) -> String {
    connection.fetch_one(sql).await.unwrap().get(0)
}
