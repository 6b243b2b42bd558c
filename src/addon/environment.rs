//! Ends the proxies of a Node environment (the process, or a worker) when it ends.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

use napi::bindgen_prelude::Env;

use super::engine::Engine;
use super::event::EventSlot;

thread_local! {
    /// The proxies of each environment on this thread. One hook for all of them: Node keeps what a hook holds until
    /// the environment ends, so a hook for each proxy would grow with every start.
    static PROXIES: RefCell<HashMap<usize, Vec<Proxy>>> = RefCell::default();
}

struct Proxy {
    /// Keeps the engine alive, because JavaScript may drop its object while requests still use the proxy.
    engine: Arc<Engine>,
    events: Weak<EventSlot>,
}

/// Stops the engine and releases its function when the environment ends.
pub(super) fn end_with(env: Env, engine: &Arc<Engine>, events: &Arc<EventSlot>) -> napi::Result<()> {
    let key = env.raw() as usize;
    let proxy = Proxy { engine: Arc::clone(engine), events: Arc::downgrade(events) };
    let is_first = PROXIES.with_borrow_mut(|proxies| {
        let is_first = !proxies.contains_key(&key);
        let proxies = proxies.entry(key).or_default();
        proxies.retain(|proxy| !proxy.engine.has_ended());
        proxies.push(proxy);
        is_first
    });
    if is_first {
        env.add_env_cleanup_hook(key, end)?;
    }
    Ok(())
}

fn end(key: usize) {
    let proxies = PROXIES.with_borrow_mut(|proxies| proxies.remove(&key)).unwrap_or_default();
    for proxy in proxies {
        // A terminated worker frees the port at once.
        proxy.engine.stop();
        if let Some(events) = proxy.events.upgrade() {
            events.release();
        }
    }
}
