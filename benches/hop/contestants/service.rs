//! The service under test, with everything on that a deployment has on.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::REAL_KEY;
use crate::failure::Failure;
use crate::process::Process;
use crate::target::{Part, Target};
use crate::usage::Memory;

/// A running `valetkey serve`.
pub struct Service {
    pub address: SocketAddr,
    name: &'static str,
    /// The origin of its admin listener.
    admin: String,
    process: Process,
    client: Client,
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
        // Else only root can read how much memory it takes.
        command.env("CORE_DUMPS", "on");
        command.env("ANTHROPIC_BASE_URL", format!("http://{upstream}"));
        // The limits count and are never reached.
        command.env("RATE_LIMIT_MAX", "1000000000").envs(variables.iter().copied());
        let mut process = Process::start(name, command, folder)?;
        let address = address_in(&mut process)?;
        let admin = process.wait_until(|process| admin_in(&process.log()))?;
        // The client speaks to this machine only.
        let client = Client::builder().no_proxy().tls_certs_only([]).build();
        let client = client.map_err(|error| process.failed(error.to_string()))?;
        Ok(Self { address, name, admin, process, client })
    }

    /// The service as the load sees it, once the devices of the load have their tokens.
    pub async fn target(&self) -> Result<Target, Failure> {
        let mut credentials = Vec::new();
        for number in 0..DEVICES {
            let token = self.bootstrap(&device(number)).await?;
            credentials.push(format!("authorization: Bearer sk-ant-proxy-{token}"));
        }
        let (json, stream, parts) = (self.address, self.address, vec![self.part()]);
        Ok(Target { name: self.name, json, stream, credentials, parts })
    }

    pub fn part(&self) -> Part {
        Part { name: "service", pids: vec![self.process.pid()] }
    }

    /// The memory that the service occupies now.
    pub fn memory(&self) -> Result<Memory, Failure> {
        Memory::of(&[self.process.pid()]).map_err(Failure::system("cannot read the service's memory"))
    }

    /// Sends a change to the admin API of a service that was started with [`ADMIN_TOKEN`].
    pub async fn govern(&self, method: Method, path: &str, body: &Value) -> Result<(), Failure> {
        let request = self.client.request(method, format!("{}{path}", self.admin)).bearer_auth(ADMIN_TOKEN).json(body);
        let answer = request.send().await.map_err(|error| self.process.failed(error.to_string()))?;
        let status = answer.status();
        if status.is_success() { Ok(()) } else { Err(self.process.failed(format!("{status} is the answer of {path}"))) }
    }

    /// The value of a metric, given its name and labels.
    pub async fn counted(&self, name: &str) -> Result<f64, Failure> {
        let page = async { self.client.get(format!("{}/metrics", self.admin)).send().await?.text().await };
        let page: String = page.await.map_err(|error: reqwest::Error| self.process.failed(error.to_string()))?;
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        value.ok_or_else(|| self.process.failed(format!("it has no metric {name}")))
    }

    async fn bootstrap(&self, device: &str) -> Result<String, Failure> {
        let request = self.client.post(format!("http://{}/bootstrap", self.address));
        let answer = async { request.json(&json!({ "device_id": device })).send().await?.json::<Value>().await };
        let answer = answer.await.map_err(|error: reqwest::Error| self.process.failed(error.to_string()))?;
        let token = answer["token"].as_str().ok_or_else(|| self.process.failed(format!("no token: {answer}")))?;
        Ok(token.to_owned())
    }
}

/// The name of the load's device number `number`.
pub fn device(number: usize) -> String {
    format!("benchmark-device-{number:04}")
}

/// The address of the admin listener, which the service states in its log only.
fn admin_in(log: &str) -> Option<String> {
    log.lines().find_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        Some(line["message"].as_str()?.strip_prefix("The admin listener is on ")?.to_owned())
    })
}

/// The address in the first line of a program that prints `{"url":"http://127.0.0.1:PORT"}`.
pub fn address_in(process: &mut Process) -> Result<SocketAddr, Failure> {
    let line = process.first_line()?;
    let address = line["url"].as_str().and_then(|url| url.strip_prefix("http://")?.parse().ok());
    address.ok_or_else(|| process.failed(format!("no address in {line}")))
}

/// The admin token of the services that have one.
pub const ADMIN_TOKEN: &str = "5c0f7d3a91e64b2788d1ce0359fa46b27ad08e13f5694c2b";

/// The devices of the load; each has a token of its own.
pub const DEVICES: usize = 32;

const JWT_SECRET: &str = "e1b0c44298fc1c149afbf4c8996fb92427ae41e4649b934c";
