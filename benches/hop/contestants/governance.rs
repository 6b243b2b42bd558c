//! Services that differ only in how much they govern, so that the cost of governance can be measured.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};

use super::redis::Redis;
use super::service::{ADMIN_TOKEN, DEVICES, Service, device};
use crate::failure::Failure;
use crate::target::Target;

/// The running services. They end, and then the Redis, when this is dropped.
pub struct Governance {
    /// Everything that can be off is off.
    pub ungoverned: Target,
    /// Every limit counts and none is reached; administrators have set hundreds of overrides and revocations.
    pub governed: Target,
    /// As `governed`, with the limits in Redis; absent when Redis is not installed.
    pub redis: Option<Target>,
    by_redis: Option<Service>,
    _services: [Service; 2],
    _redis: Option<Redis>,
}

impl Governance {
    /// Starts all services of `binary` before `upstream`.
    pub async fn start(binary: &Path, upstream: SocketAddr, folder: &Path) -> Result<Self, Failure> {
        let help = help_of(binary)?;
        let (nothing, everything) = (offered(&help, &NOTHING), offered(&help, &EVERYTHING));
        let ungoverned = Service::start(UNGOVERNED, binary, upstream, &nothing, folder)?;
        let governed = Service::start(GOVERNED, binary, upstream, &everything, folder)?;
        load(&governed).await?;
        let redis = Redis::start(folder)?;
        let by_redis = match &redis {
            Some(redis) => {
                let url = redis.url();
                let settings = [&everything[..], &[("REDIS_URL", url.as_str())]].concat();
                let service = Service::start(BY_REDIS, binary, upstream, &settings, folder)?;
                load(&service).await?;
                Some(service)
            }
            None => None,
        };
        let target = match (&by_redis, &redis) {
            (Some(service), Some(redis)) => {
                let mut target = service.target().await?;
                // After the service, so that the CPU time of Redis is measured apart.
                target.parts.push(redis.part());
                Some(target)
            }
            _ => None,
        };
        Ok(Self {
            ungoverned: ungoverned.target().await?,
            governed: governed.target().await?,
            redis: target,
            by_redis,
            _services: [ungoverned, governed],
            _redis: redis,
        })
    }

    /// All targets, in the order of the report.
    pub fn targets(&self) -> Vec<&Target> {
        [&self.ungoverned, &self.governed].into_iter().chain(&self.redis).collect()
    }

    /// The percentage of decisions that the service made alone because Redis was too slow.
    pub async fn by_fallback(&self) -> Result<Option<f64>, Failure> {
        let Some(service) = &self.by_redis else { return Ok(None) };
        let fallbacks = service.counted("valetkey_limit_fallbacks_total").await?;
        let admitted = service.counted("valetkey_limit_decisions_total{decision=\"admitted\"}").await?;
        Ok(Some(100.0 * fallbacks / admitted))
    }
}

/// Sets as many overrides and revocations as a long-lived service collects. The devices of the load have overrides too
/// and get their tokens afterwards, so every request is checked against an override and the revocations.
async fn load(service: &Service) -> Result<(), Failure> {
    let limits = json!({ "requests": 900_000_000, "tokens_per_minute": 900_000_000_000_u64, "concurrent": 90_000 });
    for number in 0..DEVICES + OTHER_DEVICES {
        let (org, user) = (format!("org-{}", number % 20), format!("user-{number}"));
        let rule = json!({ "org": org, "user": user, "limits": limits });
        service.govern(Method::PATCH, &format!("/admin/devices/{}", device(number)), &rule).await?;
    }
    for number in 0..REVOCATIONS {
        service.govern(Method::POST, "/admin/revocations", &revocation(number)).await?;
    }
    Ok(())
}

/// A revocation of a device, a user, an app version or a token, in turns.
fn revocation(number: usize) -> Value {
    let name = format!("somebody-else-{number:04}");
    match number % 4 {
        0 => json!({ "device_id": name }),
        1 => json!({ "user": name }),
        2 => json!({ "app_version": name }),
        _ => json!({ "jti": name }),
    }
}

fn help_of(binary: &Path) -> Result<String, Failure> {
    let output = Command::new(binary).args(["serve", "--help"]).env_clear().output();
    let output = output.map_err(Failure::system(binary.display()))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The `settings` that this build of the service knows: another build may know fewer.
fn offered<'a>(help: &str, settings: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let is_part = |letter: char| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_';
    let knows = |name: &str| help.split(|letter: char| !is_part(letter)).any(|word| word == name);
    settings.iter().copied().filter(|(name, _)| knows(name)).collect()
}

/// The name in reports of the service that governs nothing.
pub const UNGOVERNED: &str = "valetkey-ungoverned";
/// The name of the service that governs by itself.
pub const GOVERNED: &str = "valetkey-governed";
/// The name of the service whose limits are in Redis.
pub const BY_REDIS: &str = "valetkey-redis";

const NOTHING: [(&str, &str); 4] =
    [("RATE_LIMIT_MAX", "0"), ("TOKENS_PER_MINUTE", "0"), ("CONCURRENT_REQUESTS", "0"), ("LEAK_DETECTION", "off")];

/// Limits that the load does not reach.
const EVERYTHING: [(&str, &str); 8] = [
    ("ADMIN_TOKEN", ADMIN_TOKEN),
    ("JWT_SECRET", ""), // the list takes its place
    (
        "JWT_SECRETS",
        "k2:94c1de70f86b4a2fa3350d1c7be892f64e0a51bd37f8c26d,k1:e1b0c44298fc1c149afbf4c8996fb92427ae41e4649b934c",
    ),
    ("RATE_LIMIT_MAX", "1000000000"),
    ("TOKENS_PER_MINUTE", "1000000000000"),
    ("CONCURRENT_REQUESTS", "100000"),
    ("LEAK_DETECTION", "observe"),
    ("DEVICE_BUDGET", "1000000/month"),
];

const OTHER_DEVICES: usize = 300;
const REVOCATIONS: usize = 400;
