//! The calls of our functions in Redis. The Redis task and the requests make them. Devices and instances go by their
//! [`KeyNames`](super::key_names::KeyNames). Every key expires.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, Value, cmd};

use super::decision::MINUTE;
use super::device::{ASK_AGAIN, Demand};
use super::lease::{RedisCount, WindowSlot};
use super::redis_error::RedisLinkError;
use super::{Limit, LimitExceededError};

/// Asks in one round trip whether a request is admitted.
pub(super) async fn admit(
    connection: &mut MultiplexedConnection,
    device: &str,
    demand: &Demand<'_>,
    lease: &str,
    life: Duration,
) -> Result<Result<RedisCount, LimitExceededError>, RedisLinkError> {
    let mut call = cmd("FCALL");
    call.arg("valetkey_admit_3").arg(3);
    call.arg(key(device, "requests")).arg(key(device, "tokens")).arg(key(device, "leases"));
    call.arg(demand.requests().unwrap_or(0)).arg(micros(demand.limits.window));
    call.arg(demand.tokens().unwrap_or(0)).arg(micros(MINUTE));
    call.arg(demand.concurrent().unwrap_or(0)).arg(micros(ASK_AGAIN));
    call.arg(lease).arg(millis(life));
    let (by, wait, slot, requests, tokens): (u8, u64, u64, u64, u64) = call.query_async(connection).await?;
    let place = demand.requests().map(|_| WindowSlot { window: demand.limits.window, slot });
    let limit = match by {
        0 => return Ok(Ok(RedisCount { place, requests, tokens })),
        1 => Limit::Requests,
        2 => Limit::TokensPerMinute,
        3 => Limit::Concurrent,
        _ => return Err(RedisLinkError::Unknown),
    };
    Ok(Err(LimitExceededError { limit, retry_after: Duration::from_micros(wait) }))
}

/// Takes a request back, as if it had never been admitted.
pub(super) fn take_back(device: &str, place: WindowSlot) -> Cmd {
    let mut call = cmd("FCALL");
    call.arg("valetkey_take_back_3").arg(1).arg(key(device, "requests")).arg(micros(place.window)).arg(place.slot);
    call
}

/// Reports that this instance lives, under the key of all `instances`. Returns how many live.
pub(super) async fn beat(
    connection: &mut MultiplexedConnection,
    instances: &str,
    instance: &str,
    life: Duration,
) -> Result<u32, RedisLinkError> {
    let mut call = cmd("FCALL");
    call.arg("valetkey_beat_3").arg(1).arg(instances).arg(instance).arg(millis(life));
    Ok(call.query_async(connection).await?)
}

/// Reports that this instance is gone.
pub(super) fn leave(calls: &mut Pipeline, instances: &str, instance: &str) {
    calls.cmd("ZREM").arg(instances).arg(instance).ignore();
}

/// Loads our functions into Redis.
pub(super) async fn load(connection: &mut MultiplexedConnection) -> Result<(), RedisLinkError> {
    Ok(cmd("FUNCTION").arg("LOAD").arg("REPLACE").arg(LIBRARY).exec_async(connection).await?)
}

pub(super) fn charge(device: &str, tokens: u64) -> Cmd {
    let mut call = cmd("FCALL");
    call.arg("valetkey_charge_3").arg(1).arg(key(device, "tokens")).arg(micros(MINUTE)).arg(tokens.min(MOST_TOKENS));
    call
}

/// Prolongs leases, and adds those that Redis has lost.
pub(super) fn renew<'a>(device: &str, life: Duration, held: impl IntoIterator<Item = &'a Arc<str>>) -> Cmd {
    let mut call = cmd("FCALL");
    call.arg("valetkey_renew_3").arg(1).arg(key(device, "leases")).arg(millis(life));
    for lease in held {
        call.arg(lease.as_ref());
    }
    call
}

pub(super) fn release(device: &str, lease: &str) -> Cmd {
    let mut call = cmd("ZREM");
    call.arg(key(device, "leases")).arg(lease);
    call
}

/// Deletes the notes of a device, because their key holds something else.
pub(super) fn discard_notes(key: &str) -> Cmd {
    let mut call = cmd("UNLINK");
    call.arg(key);
    call
}

/// Deletes the keys of a device, because one of them holds data that is not ours.
pub(super) fn discard(device: &str) -> Cmd {
    let mut call = cmd("UNLINK");
    call.arg(key(device, "requests")).arg(key(device, "tokens")).arg(key(device, "leases"));
    call
}

fn key(device: &str, kind: &str) -> String {
    format!("{device}:{kind}")
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).clamp(1, LONGEST)
}

fn millis(duration: Duration) -> u64 {
    micros(duration).div_ceil(1000)
}

/// Whether our functions are loaded.
pub(super) async fn is_loaded(connection: &mut MultiplexedConnection) -> Result<bool, RedisLinkError> {
    let mut call = cmd("FUNCTION");
    call.arg("LIST").arg("LIBRARYNAME").arg(LIBRARY_NAME);
    let found: Vec<Value> = call.query_async(connection).await?;
    Ok(!found.is_empty())
}

const LIBRARY: &str = include_str!("limits.lua");
/// The name in the first line of the library.
const LIBRARY_NAME: &str = "valetkey_limits_3";

/// Numbers in Lua are exact up to 2⁵³. This is 28 years and leaves room to add a time to it.
const LONGEST: u64 = 900_000_000_000_000;

/// More tokens than a request can use.
const MOST_TOKENS: u64 = 1 << 32;
