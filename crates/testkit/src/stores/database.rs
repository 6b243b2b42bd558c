//! Databases for tests: a SQLite file, and a database of a real PostgreSQL server.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::any::install_default_drivers;
use sqlx::{AnyConnection, Connection, Executor, Row};
use tempfile::TempDir;
use valetkey::secret::Secret;
use valetkey::service::meter::prices::Conditions;
use valetkey::service::meter::usage::{CostCertainty, Ended, Tokens, UsageRecord};
use valetkey::service::store::database::DatabaseUrl;
use valetkey::service::store::database::{Database, UsageRow};
use valetkey::wire::DeviceId;

#[cfg(unix)]
use crate::stores::postgres::PostgresServer;

/// An empty database, gone when dropped.
pub struct TestDatabase {
    pub url: DatabaseUrl,
    /// The name of the kind, for assertion messages.
    pub name: &'static str,
    folder: TempDir,
    #[cfg(unix)]
    _server: Option<Arc<PostgresServer>>,
}

impl TestDatabase {
    /// A database of each kind that this machine has.
    pub async fn each() -> Vec<Self> {
        [Some(Self::sqlite()), Self::postgres().await].into_iter().flatten().collect()
    }

    /// A SQLite database whose file does not exist yet.
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::Sqlite(folder.path().join("a file#1%.db"));
        Self {
            url,
            name: "SQLite",
            folder,
            #[cfg(unix)]
            _server: None,
        }
    }

    #[cfg(unix)]
    pub async fn postgres() -> Option<Self> {
        let server = PostgresServer::shared().await?;
        let url = DatabaseUrl::Postgres(Secret::new(server.new_database().await));
        Some(Self { url, name: "PostgreSQL", folder: tempfile::tempdir().unwrap(), _server: Some(server) })
    }

    #[cfg(not(unix))]
    pub async fn postgres() -> Option<Self> {
        None
    }

    pub async fn open(&self) -> Database {
        Database::open(&self.url).await.unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// The file of a SQLite database.
    pub fn file(&self) -> PathBuf {
        let DatabaseUrl::Sqlite(path) = &self.url else { panic!("{} is no file", self.name) };
        path.clone()
    }

    /// The value of `DATABASE_URL` for this database.
    pub fn setting(&self) -> String {
        match &self.url {
            DatabaseUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
            DatabaseUrl::Postgres(address) => address.expose().to_owned(),
        }
    }

    /// Ends all connections and refuses new ones. Only for PostgreSQL.
    pub async fn shut(&self) {
        let (name, mut aside) = (self.database_name(), self.connect_beside().await);
        aside.execute(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false").as_str()).await.unwrap();
        let end =
            format!("SELECT CAST(pg_terminate_backend(pid) AS TEXT) FROM pg_stat_activity WHERE datname = '{name}'");
        aside.execute(end.as_str()).await.unwrap();
    }

    /// Allows new connections again.
    pub async fn reopen(&self) {
        let open = format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", self.database_name());
        self.connect_beside().await.execute(open.as_str()).await.unwrap();
    }

    /// Stops the server processes of all open connections until the returned guard is dropped. Only for PostgreSQL.
    #[cfg(unix)]
    pub async fn stop_backends(&self) -> Stopped {
        let which =
            format!("SELECT CAST(pid AS TEXT) FROM pg_stat_activity WHERE datname = '{}'", self.database_name());
        let rows = self.connect_beside().await.fetch_all(which.as_str()).await.unwrap();
        let pid = |row: &sqlx::any::AnyRow| rustix::process::Pid::from_raw(row.get::<String, _>(0).parse().unwrap());
        let stopped = Stopped(rows.iter().filter_map(pid).collect());
        stopped.signal(rustix::process::Signal::STOP);
        stopped
    }

    /// A folder for the spill of usage records.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().join("spill")
    }

    /// A connection that bypasses the store.
    pub async fn connect(&self) -> AnyConnection {
        install_default_drivers();
        let address = match &self.url {
            DatabaseUrl::Sqlite(path) => {
                format!("sqlite:{}", path.display().to_string().replace('%', "%25").replace('#', "%23"))
            }
            DatabaseUrl::Postgres(address) => address.expose().to_owned(),
        };
        AnyConnection::connect(&address).await.unwrap()
    }

    /// A connection to another database of the same server.
    pub async fn connect_beside(&self) -> AnyConnection {
        let DatabaseUrl::Postgres(address) = &self.url else { panic!("{} has no server", self.name) };
        let other = address.expose().replace(&format!("/{}?", self.database_name()), "/postgres?");
        AnyConnection::connect(&other).await.unwrap()
    }

    /// The name of the database at its server.
    pub fn database_name(&self) -> String {
        let DatabaseUrl::Postgres(address) = &self.url else { panic!("{} has no server", self.name) };
        let after_host = address.expose().strip_prefix("postgres://postgres@localhost/").unwrap();
        after_host.split('?').next().unwrap().to_owned()
    }

    /// Keeps all others from writing usage until the returned connection is dropped.
    pub async fn lock(&self) -> AnyConnection {
        let mut connection = self.connect().await;
        let lock = match self.url {
            DatabaseUrl::Sqlite(_) => "BEGIN EXCLUSIVE",
            DatabaseUrl::Postgres(_) => "BEGIN; LOCK TABLE usage_records",
        };
        connection.execute(lock).await.unwrap();
        connection
    }
}

pub fn device(number: usize) -> DeviceId {
    DeviceId::parse(&format!("device-{number:04}")).unwrap()
}

/// A time in whole milliseconds.
pub fn at(millis: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis)
}

/// The usage record of a relayed request.
pub fn record(id: &str, device: DeviceId) -> UsageRecord {
    UsageRecord {
        request_id: id.to_owned(),
        upstream_request_id: Some("req_upstream".to_owned()),
        device,
        org: Some("acme".to_owned()),
        user: None,
        route: "POST /v1/messages",
        model_asked: Some("model-asked".into()),
        model_answered: Some("model-answered".to_owned()),
        status: Some(200),
        first_byte: Some(Duration::from_millis(12)),
        total: Duration::from_millis(345),
        tokens: Tokens {
            input_tokens: 1,
            output_tokens: 20,
            cache_write_5m_tokens: 300,
            cache_write_1h_tokens: 4000,
            cache_read_tokens: 50_000,
        },
        cost: None,
        cost_certainty: CostCertainty::Estimated,
        output_estimated: true,
        shares: Vec::new(),
        conditions: Conditions::default(),
        references: Vec::new(),
        no_usage: false,
        unparsed_events: 3,
        ended: Ended::UpstreamCut,
        first_chunk: None,
        trace: None,
    }
}

/// The usage record as a row of the store.
pub fn row(id: &str, device: DeviceId, finished_at: SystemTime) -> UsageRow {
    UsageRow::of(record(id, device), finished_at, Some(7))
}

/// Stopped processes, which go on when this is dropped.
#[cfg(unix)]
pub struct Stopped(Vec<rustix::process::Pid>);

#[cfg(unix)]
impl Stopped {
    fn signal(&self, signal: rustix::process::Signal) {
        for pid in &self.0 {
            // The process may have ended meanwhile.
            let _ = rustix::process::kill_process(*pid, signal);
        }
    }
}

#[cfg(unix)]
impl Drop for Stopped {
    fn drop(&mut self) {
        self.signal(rustix::process::Signal::CONT);
    }
}
