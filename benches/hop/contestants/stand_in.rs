//! The upstream that all contestants share.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::REAL_KEY;
use super::service::address_in;
use crate::failure::Failure;
use crate::process::Process;
use crate::target::{Part, Target};

/// The running program `stand_in` of `crates/testkit`.
pub struct StandIn {
    pub address: SocketAddr,
    process: Process,
}

impl StandIn {
    pub fn start(program: &Path, folder: &Path) -> Result<Self, Failure> {
        if !program.is_file() {
            let remedy = "build it with the service, as benches/README.md says";
            return Err(Failure::Missing { what: program.display().to_string(), remedy });
        }
        let mut command = Command::new(program);
        command.args(["--key", REAL_KEY, "--no-record", "--until-stdin-closes"]);
        let mut process = Process::start("stand-in", command, folder)?;
        let address = address_in(&mut process)?;
        Ok(Self { address, process })
    }

    /// The upstream as the load sees it, without a proxy before it.
    pub fn target(&self) -> Target {
        Target {
            name: "direct",
            json: self.address,
            stream: self.address,
            credentials: vec![format!("x-api-key: {REAL_KEY}")],
            parts: vec![Part { name: "stand-in", pids: vec![self.process.pid()] }],
        }
    }
}
