//! A Redis of the benchmark's own.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use super::port::free_address;
use crate::failure::Failure;
use crate::process::Process;
use crate::target::Part;

pub struct Redis {
    address: SocketAddr,
    process: Process,
}

impl Redis {
    /// Starts a Redis that keeps nothing on disk; `None` when `redis-server` is not installed.
    pub fn start(folder: &Path) -> Result<Option<Self>, Failure> {
        let version = Command::new(PROGRAM).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !version.is_ok_and(|status| status.success()) {
            return Ok(None);
        }
        let address = free_address()?;
        let mut command = Command::new(PROGRAM);
        command.args(["--bind", "127.0.0.1", "--port", &address.port().to_string()]);
        command.args(["--save", "", "--appendonly", "no", "--loglevel", "warning", "--dir"]).arg(folder);
        let mut process = Process::start("redis", command, folder)?;
        process.wait_until(|_| TcpStream::connect(address).ok())?;
        Ok(Some(Self { address, process }))
    }

    /// Its address for the service.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    pub fn part(&self) -> Part {
        Part { name: "redis", pids: vec![self.process.pid()] }
    }
}

const PROGRAM: &str = "redis-server";
