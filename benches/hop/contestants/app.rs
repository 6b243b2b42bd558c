//! A Node program that uses the addon, as a desktop app does.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::service::Service;
use crate::failure::Failure;
use crate::process::Process;
use crate::target::{Part, Target};

pub struct App {
    address: SocketAddr,
    launch_key: String,
    process: Process,
}

impl App {
    /// Starts it before the service; `None` when the addon is not built.
    pub fn start(service: SocketAddr, folder: &Path) -> Result<Option<Self>, Failure> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        if !has_addon(root)? {
            return Ok(None);
        }
        let mut command = Command::new("node");
        command.arg(root.join("benches/hop/app.js")).arg(format!("http://{service}/bootstrap"));
        let mut process = Process::start("app", command, folder)?;
        let line = process.first_line()?;
        let address = line["url"].as_str().and_then(|url| url.strip_prefix("http://")?.parse().ok());
        match (address, line["launchKey"].as_str()) {
            (Some(address), Some(key)) => Ok(Some(Self { address, launch_key: key.to_owned(), process })),
            _ => Err(process.failed("it has no address or no launch key")),
        }
    }

    /// Its loopback proxy and the service behind it, as the load sees them.
    pub fn target(&self, service: &Service) -> Target {
        let app = Part { name: "app", pids: vec![self.process.pid()] };
        Target {
            name: "chain",
            json: self.address,
            stream: self.address,
            credentials: vec![format!("authorization: Bearer {}", self.launch_key)],
            parts: vec![service.part(), app],
        }
    }
}

fn has_addon(root: &Path) -> Result<bool, Failure> {
    let names = std::fs::read_dir(root).map_err(Failure::system(root.display()))?.flatten();
    Ok(names.map(|entry| entry.file_name()).any(|name| {
        let name = Path::new(&name);
        let is_library = name.extension().is_some_and(|extension| extension == "node");
        is_library && name.to_string_lossy().starts_with("valetkey.")
    }))
}
