//! Checks whether the Redis of the shared limits works and is fast enough.

use std::time::Duration;

use super::Finding;
use crate::secret::Secret;
use crate::service::govern::limits::{self, RedisInspection, RedisInspectionError, RedisLinkError};

pub(super) async fn examine(url: Option<&Secret>, patience: Duration) -> Finding {
    let Some(url) = url else { return Finding::ok(CHECK, "none: each instance has limits of its own") };
    match limits::inspect(url, patience).await {
        Ok(found) => judge(&found),
        Err(error) => Finding::problem(CHECK, error.to_string(), advice(&error)),
    }
}

fn judge(found: &RedisInspection) -> Finding {
    let version = if found.version.is_empty() { "of unknown version" } else { found.version.as_str() };
    let ms = found.ping.as_millis();
    let about = format!("Redis {version}, answers in {ms} ms");
    let major = found.version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major < OLDEST) {
        return Finding::problem(CHECK, about, "7.0 or newer is needed");
    }
    if found.ping > SLOW {
        return Finding::warning(
            CHECK,
            about,
            "an answer that takes more than 4 ms is not waited for; bring it nearer",
        );
    }
    if !found.is_loaded {
        return Finding::warning(
            CHECK,
            format!("{about}, without valetkey's functions"),
            "a running instance loads them",
        );
    }
    Finding::ok(CHECK, about)
}

fn advice(error: &RedisInspectionError) -> &'static str {
    match error {
        RedisInspectionError::Redis(RedisLinkError::Unreachable | RedisLinkError::Slow) => {
            "look at REDIS_URL and the network"
        }
        RedisInspectionError::Redis(RedisLinkError::Untrusted) => {
            "rediss:// needs a certificate that this machine trusts"
        }
        RedisInspectionError::Redis(RedisLinkError::TooOld) => "7.0 or newer is needed",
        RedisInspectionError::Redis(RedisLinkError::Denied) => {
            "look at the user and password in REDIS_URL; FUNCTION, FCALL, INFO and keys beginning with valetkey are needed"
        }
        _ => "look at REDIS_URL",
    }
}

const CHECK: &str = "redis";
const OLDEST: u32 = 7;
const SLOW: Duration = Duration::from_millis(4);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::diagnose::doctor::Verdict;

    #[test]
    fn an_old_a_slow_and_an_unloaded_redis_are_reported() {
        let good = RedisInspection { version: "7.0.0".into(), is_loaded: true, ping: Duration::from_millis(1) };
        assert_eq!(judge(&good).verdict, Verdict::Ok);
        let old = RedisInspection { version: "6.2.14".into(), ..good.clone() };
        assert_eq!(judge(&old).verdict, Verdict::Problem);
        let slow = RedisInspection { ping: Duration::from_millis(9), ..good.clone() };
        assert_eq!(judge(&slow).verdict, Verdict::Warning);
        let empty = RedisInspection { is_loaded: false, ..good };
        assert_eq!(judge(&empty).verdict, Verdict::Warning);
    }
}
