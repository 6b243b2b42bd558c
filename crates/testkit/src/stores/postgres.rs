//! A real PostgreSQL server in a folder of its own, reached over a Unix socket.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use sqlx::any::install_default_drivers;
use sqlx::{AnyConnection, Connection, Executor};
use tempfile::TempDir;

/// A running server, which stops when its last holder drops it.
pub struct PostgresServer {
    child: Child,
    folder: TempDir,
}

impl PostgresServer {
    /// The server of this process. `None` when PostgreSQL is not installed; with `CI` set that is a failure.
    pub async fn shared() -> Option<Arc<Self>> {
        static SHARED: Mutex<Weak<PostgresServer>> = Mutex::new(Weak::new());
        let server = {
            let mut shared = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            match shared.upgrade() {
                Some(server) => server,
                None => {
                    let Some(programs) = programs() else {
                        let needed = cfg!(target_os = "linux") && std::env::var_os("CI").is_some();
                        assert!(!needed, "CI has PostgreSQL");
                        eprintln!("skipped: no PostgreSQL server is installed");
                        return None;
                    };
                    let server = Arc::new(Self::start(&programs));
                    *shared = Arc::downgrade(&server);
                    server
                }
            }
        };
        server.wait_until_it_answers().await;
        Some(server)
    }

    /// The address of a new, empty database.
    pub async fn new_database(&self) -> String {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut connection = self.connect().await.expect("it answers");
        connection.execute(format!("CREATE DATABASE {name}").as_str()).await.expect("a new name");
        self.url(&name)
    }

    fn start(programs: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("valetkey-pg-").tempdir().expect("a folder");
        let owner = owner();
        if let Some((user, group)) = owner {
            std::os::unix::fs::chown(folder.path(), Some(user), Some(group)).expect("root may");
        }
        let data = folder.path().join("data");
        let mut initdb = program(&programs.join("initdb"), owner);
        initdb.args(["--username=postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C", "-D"]);
        let made = initdb.arg(&data).stdout(Stdio::null()).status().expect("initdb starts");
        assert!(made.success(), "initdb: {made}");
        let mut server = program(&programs.join("postgres"), owner);
        server.arg("-D").arg(&data).arg("-k").arg(folder.path());
        server.args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200"]);
        let child = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("postgres starts");
        Self { child, folder }
    }

    async fn wait_until_it_answers(&self) {
        let answer = async {
            while self.connect().await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), answer).await.expect("PostgreSQL answers within a minute");
    }

    async fn connect(&self) -> Result<AnyConnection, sqlx::Error> {
        install_default_drivers();
        AnyConnection::connect(&self.url("postgres")).await
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://postgres@localhost/{database}?host={}", self.folder.path().display())
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // SIGQUIT ends the server and its children at once; its data is not needed.
        let _ = Command::new("kill").args(["-QUIT", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

/// The folder of the newest server that is installed.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = std::env::split_paths(&path).chain(["/usr/local/pgsql/bin".into()]).chain(folders);
    all.filter(|folder| folder.join("initdb").exists() && folder.join("postgres").exists()).last()
}

/// The user and group of the server, when the test runs as root: PostgreSQL refuses to run as root.
fn owner() -> Option<(u32, u32)> {
    let id = |flag: &str| {
        let output = Command::new("id").args([flag, "postgres"]).output().expect("id is there");
        String::from_utf8_lossy(&output.stdout).trim().parse().expect("there is a user postgres")
    };
    rustix::process::getuid().is_root().then(|| (id("-u"), id("-g")))
}

fn program(path: &Path, owner: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(path);
    command.current_dir("/").env_clear().stdin(Stdio::null());
    if let Some((user, group)) = owner {
        command.uid(user).gid(group);
    }
    command
}
