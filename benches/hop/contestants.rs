//! All programs of a run: the upstream, and the proxies before it.

mod app;
mod governance;
mod nginx;
mod port;
mod redis;
mod service;
mod stand_in;

use std::path::Path;

use self::app::App;
pub use self::governance::{BY_REDIS, GOVERNED, Governance, UNGOVERNED};
use self::nginx::Nginx;
pub use self::nginx::version as nginx_version;
use self::service::Service;
use self::stand_in::StandIn;
use crate::failure::Failure;
use crate::target::Target;
use crate::usage::Memory;

/// Running programs. They end, with everything they have written, when this is dropped.
pub struct Contestants {
    /// The upstream without anything before it.
    pub direct: Target,
    pub nginx: Target,
    /// nginx without request buffering, which makes a difference to large bodies only.
    pub unbuffered: Target,
    pub valetkey: Target,
    /// The service with tokens that allow certain models only, so that it scans each body to its end.
    pub restricted: Target,
    /// The app's loopback proxy, and behind it the service; absent when the addon is not built.
    pub chain: Option<Target>,
    /// The memory of nginx and of the service before their first request.
    pub idle: [Memory; 2],
    // In this order, so that each program ends before its upstream.
    _app: Option<App>,
    _services: [Service; 2],
    _nginx: Nginx,
    stand_in: StandIn,
    folder: tempfile::TempDir,
}

impl Contestants {
    /// Starts all programs in a temporary folder of their own: the service in `binary`, the upstream in `stand_in`.
    pub async fn start(binary: &Path, stand_in: &Path) -> Result<Self, Failure> {
        let folder = tempfile::Builder::new().prefix("valetkey-hop-").tempdir();
        let folder = folder.map_err(Failure::system("cannot make a temporary folder"))?;
        let stand_in = StandIn::start(stand_in, folder.path())?;
        let nginx = Nginx::start(stand_in.address, folder.path())?;
        let service = Service::start("valetkey", binary, stand_in.address, &[], folder.path())?;
        let only = [("ALLOWED_MODELS", "stand-in-*")];
        let restricted = Service::start("valetkey-restricted", binary, stand_in.address, &only, folder.path())?;
        tokio::time::sleep(SETTLE).await;
        let idle = [nginx.memory()?, service.memory()?];
        let app = App::start(service.address, folder.path())?;
        Ok(Self {
            direct: stand_in.target(),
            nginx: nginx.target(),
            unbuffered: nginx.unbuffered_target(),
            valetkey: service.target().await?,
            restricted: restricted.target().await?,
            chain: app.as_ref().map(|app| app.target(&service)),
            idle,
            _app: app,
            _services: [service, restricted],
            _nginx: nginx,
            stand_in,
            folder,
        })
    }

    /// Starts the services that measure the cost of governance. They must end before these contestants do.
    pub async fn governance(&self, binary: &Path) -> Result<Governance, Failure> {
        Governance::start(binary, self.stand_in.address, self.folder.path()).await
    }

    /// All targets, in the order of the report.
    pub fn targets(&self) -> Vec<&Target> {
        let always = [&self.direct, &self.nginx, &self.valetkey, &self.restricted];
        always.into_iter().chain(&self.chain).chain([&self.unbuffered]).collect()
    }
}

/// The real key, which only the upstream may see; the stand-in refuses requests without it.
const REAL_KEY: &str = "sk-ant-api03-the-real-key-of-the-benchmark";

const SETTLE: std::time::Duration = std::time::Duration::from_millis(500);
