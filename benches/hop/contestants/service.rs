//! The service under test, with everything on that a deployment has on.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::REAL_KEY;
use crate::failure::Failure;
use crate::process::Process;
use crate::target::{Part, Target};
use crate::usage::Memory;

/// A running `valetkey serve`.
pub struct Service {
    /// Where it listens.
    pub address: SocketAddr,
    name: &'static str,
    process: Process,
}

impl Service {
    /// Starts `binary` before `upstream`. Tokens are verified, usage is metered and logged to a file.
    pub fn start(
        name: &'static str,
        binary: &Path,
        upstream: SocketAddr,
        variables: &[(&str, &str)],
        folder: &Path,
    ) -> Result<Self, Failure> {
        let home = folder.join(name);
        std::fs::create_dir(&home).map_err(Failure::system(home.display()))?;
        let mut command = Command::new(binary);
        // Nothing of this machine's own settings may slip in.
        command.arg("serve").current_dir(&home).env_clear().env("HOME", &home);
        command.envs([("HOST", "127.0.0.1"), ("PORT", "0"), ("ADMIN_PORT", "0"), ("WORKERS", "2")]);
        command.envs([("LOG_LEVEL", "info"), ("LOG_FORMAT", "json"), ("BOOTSTRAP_MODE", "open")]);
        command.envs([("ANTHROPIC_API_KEY", REAL_KEY), ("JWT_SECRET", JWT_SECRET)]);
        command.env("ANTHROPIC_BASE_URL", format!("http://{upstream}"));
        // The limits count, and never say no.
        command.env("RATE_LIMIT_MAX", "1000000000").envs(variables.iter().copied());
        let mut process = Process::start(name, command, folder)?;
        let address = address_in(&mut process)?;
        Ok(Self { address, name, process })
    }

    /// As the load sees it, after some devices have got their tokens.
    pub async fn target(&self) -> Result<Target, Failure> {
        let mut credentials = Vec::new();
        for number in 0..DEVICES {
            let token = self.bootstrap(&format!("benchmark-device-{number:04}")).await?;
            credentials.push(format!("authorization: Bearer sk-ant-proxy-{token}"));
        }
        let (json, stream, parts) = (self.address, self.address, vec![self.part()]);
        Ok(Target { name: self.name, json, stream, credentials, parts })
    }

    /// Its process.
    pub fn part(&self) -> Part {
        Part { name: "service", pids: vec![self.process.pid()] }
    }

    /// What it occupies now.
    pub fn memory(&self) -> Result<Memory, Failure> {
        Memory::of(&[self.process.pid()]).map_err(Failure::system("cannot read the service's memory"))
    }

    async fn bootstrap(&self, device: &str) -> Result<String, Failure> {
        let request = reqwest::Client::builder().no_proxy().build().map(|client| {
            client.post(format!("http://{}/bootstrap", self.address)).json(&json!({ "device_id": device })).send()
        });
        let answer = async { request?.await?.json::<Value>().await };
        let answer = answer.await.map_err(|error| self.process.failed(error.to_string()))?;
        let token = answer["token"].as_str().ok_or_else(|| self.process.failed(format!("no token: {answer}")))?;
        Ok(token.to_owned())
    }
}

/// The address in the first line of a program that prints `{"url":"http://127.0.0.1:PORT"}`.
pub fn address_in(process: &mut Process) -> Result<SocketAddr, Failure> {
    let line = process.first_line()?;
    let address = line["url"].as_str().and_then(|url| url.strip_prefix("http://")?.parse().ok());
    address.ok_or_else(|| process.failed(format!("no address in {line}")))
}

/// Each device has a token of its own.
const DEVICES: usize = 32;

const JWT_SECRET: &str = "e1b0c44298fc1c149afbf4c8996fb92427ae41e4649b934c";
