//! The Node addon: converts its arguments, calls one function of [`client`](crate::client), and converts the result.
//!
//! Apps use `index.js`, which wraps these items: it sets `err.code`, emits events, and adds what needs JavaScript.

mod engine;
mod environment;
mod event;
mod json;
mod slot;

use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::{Env, Function};
use napi_derive::napi;
use zeroize::Zeroizing;

use self::engine::Engine;
use self::environment::end_with;
use self::event::event_sink;
use self::json::{to_js, to_json};
use crate::client::config::{ClientConfig, app_id};
use crate::client::device::{derive, system_machine_id};
use crate::client::error::ClientError;
use crate::client::refresh::Reason;

/// The app's device id on this machine.
#[napi(catch_unwind)]
pub fn native_device_id(app: Option<String>) -> napi::Result<String> {
    let app = app_id(app).map_err(|error| to_js(&error))?;
    derive(&app, system_machine_id).map(|id| id.to_string()).ok_or_else(|| to_js(&ClientError::NoMachineId))
}

/// How local clients reach a started proxy.
#[napi(object)]
pub struct NativeStarted {
    /// The base URL, `http://127.0.0.1:<port>`.
    pub url: String,
    /// The port on 127.0.0.1.
    pub port: u16,
    /// The credential that local clients send.
    pub launch_key: String,
}

/// One proxy, on a thread of its own until it is closed or the environment ends.
#[napi]
pub struct NativeProxy {
    engine: Arc<Engine>,
}

#[napi]
impl NativeProxy {
    /// Checks the options (JSON) and starts the thread. `on_event` gets events in JSON and does not keep Node alive.
    #[napi(constructor, catch_unwind)]
    #[allow(clippy::needless_pass_by_value, reason = "napi passes a function by value")]
    pub fn new(env: Env, options: String, on_event: Function<'_, String, ()>) -> napi::Result<Self> {
        // The enrolment token may be among them.
        let options = Zeroizing::new(options);
        let config = ClientConfig::parse(&options).map_err(|error| to_js(&error))?;
        let (events, slot) = event_sink(&on_event)?;
        let engine = Arc::new(Engine::start(config, events).map_err(|error| to_js(&error))?);
        end_with(env, &engine, &slot)?;
        Ok(Self { engine })
    }

    /// Waits until the proxy serves.
    #[napi]
    pub async fn started(&self) -> napi::Result<NativeStarted> {
        let client = self.engine.client().await.map_err(|error| to_js(&error))?;
        Ok(NativeStarted {
            url: format!("http://{}", client.address),
            port: client.address.port(),
            launch_key: client.launch_key.expose().to_owned(),
        })
    }

    /// The status, in JSON; `null` until the proxy serves.
    #[napi(catch_unwind)]
    #[must_use]
    pub fn status(&self) -> Option<String> {
        self.engine.client_now().map(|client| to_json(&client.status()))
    }

    /// Fetches a newer token now, and waits for it.
    #[napi]
    pub async fn refresh(&self) -> napi::Result<()> {
        let client = self.engine.client_now().ok_or_else(|| to_js(&ClientError::Closed))?;
        client.refresher.ask(Reason::Forced).await.map_err(|error| to_js(&error))
    }

    /// Tells the proxy that the machine woke up.
    #[napi(catch_unwind)]
    pub fn notify_resume(&self) {
        if let Some(client) = self.engine.client_now() {
            client.resumed();
        }
    }

    /// Closes the proxy; open requests may finish within the limit. A start in progress is aborted.
    #[napi]
    pub async fn close(&self, timeout_ms: u32) -> napi::Result<()> {
        self.engine.close(Duration::from_millis(timeout_ms.into())).await;
        Ok(())
    }
}
