//! nginx as a proxy that swaps the key, set up to be as fast as it can be.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::REAL_KEY;
use super::port::free_address;
use crate::failure::Failure;
use crate::process::Process;
use crate::target::{Part, Target};
use crate::usage::Memory;

pub struct Nginx {
    json: SocketAddr,
    unbuffered: SocketAddr,
    stream: SocketAddr,
    process: Process,
    workers: Vec<u32>,
}

impl Nginx {
    /// Starts nginx before `upstream`.
    pub fn start(upstream: SocketAddr, folder: &Path) -> Result<Self, Failure> {
        let program = find().ok_or(Failure::Missing { what: "nginx".into(), remedy: "apt-get install nginx-light" })?;
        let home = folder.join("nginx");
        std::fs::create_dir(&home).map_err(Failure::system(home.display()))?;
        let (json, unbuffered, stream) = (free_address()?, free_address()?, free_address()?);
        let file = home.join("nginx.conf");
        let text = configuration(&home, [json, unbuffered, stream], upstream);
        std::fs::write(&file, text).map_err(Failure::system(file.display()))?;
        let mut command = Command::new(program);
        command.arg("-p").arg(&home).arg("-c").arg(&file);
        let mut process = Process::start("nginx", command, folder)?;
        let workers = process.wait_until(|process| {
            let workers = process.children();
            let listens = [json, unbuffered, stream].iter().all(|address| TcpStream::connect(address).is_ok());
            (workers.len() == WORKERS && listens).then_some(workers)
        })?;
        Ok(Self { json, unbuffered, stream, process, workers })
    }

    /// nginx as the load sees it. It gets a credential header as long as that of the service, and replaces it.
    pub fn target(&self) -> Target {
        let credentials = vec![format!("authorization: Bearer sk-ant-proxy-{}", "x".repeat(TOKEN_LENGTH))];
        let parts = vec![Part { name: "nginx", pids: self.pids() }];
        Target { name: "nginx", json: self.json, stream: self.stream, credentials, parts }
    }

    /// nginx without request buffering.
    pub fn unbuffered_target(&self) -> Target {
        Target { name: "nginx-unbuffered", json: self.unbuffered, ..self.target() }
    }

    /// The memory that nginx occupies now, the master process included.
    pub fn memory(&self) -> Result<Memory, Failure> {
        Memory::of(&self.pids()).map_err(Failure::system("cannot read nginx's memory"))
    }

    fn pids(&self) -> Vec<u32> {
        std::iter::once(self.process.pid()).chain(self.workers.iter().copied()).collect()
    }
}

/// The version that `nginx -v` prints.
pub fn version() -> Option<String> {
    let answer = Command::new(find()?).arg("-v").output().ok()?;
    let text = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
    text.strip_prefix("nginx version: ").map(str::to_owned)
}

/// Finds nginx, which is often outside the `PATH` of users other than root.
fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join("nginx")).find(|program| program.is_file())
}

fn configuration(home: &Path, [json, unbuffered, stream]: [SocketAddr; 3], upstream: SocketAddr) -> String {
    let values = [
        ("{home}", home.display().to_string()),
        ("{json}", json.to_string()),
        ("{unbuffered}", unbuffered.to_string()),
        ("{stream}", stream.to_string()),
        ("{upstream}", upstream.to_string()),
        ("{key}", REAL_KEY.to_owned()),
    ];
    values.into_iter().fold(include_str!("nginx.conf").to_owned(), |text, (name, value)| text.replace(name, &value))
}

/// As many workers as the service has; `nginx.conf` states the same number.
const WORKERS: usize = 2;

/// About as long as the service's tokens.
const TOKEN_LENGTH: usize = 300;
