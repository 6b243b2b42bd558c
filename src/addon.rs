//! The Node addon: converts its arguments, calls one function of [`client`](crate::client), and converts the result.
//!
//! Apps use `index.js`, which wraps these items: it sets `err.code`, emits events, and adds what needs JavaScript.

mod engine;
mod environment;
mod errand;
mod event;
mod json;
mod ports;
mod slot;

use std::sync::{Arc, Weak};
use std::time::Duration;

use napi::bindgen_prelude::{Env, Function};
use napi_derive::napi;
use zeroize::Zeroizing;

use self::engine::Engine;
use self::environment::end_with;
use self::event::event_sink;
use self::json::{to_js, to_json};
use self::ports::ports;
use crate::client::config::{ClientConfig, app_id};
use crate::client::device::{derive, system_machine_id};
use crate::client::enrolment_token::{EnrolmentQuestion, EnrolmentToken};
use crate::client::error::ClientError;
use crate::client::refresh::Reason;
use crate::secret::Secret;

/// The app's device id on this machine.
#[napi(catch_unwind)]
pub fn native_device_id(app: Option<String>) -> napi::Result<String> {
    let app = app_id(app).map_err(|error| to_js(&error))?;
    derive(&app, system_machine_id).map(|id| id.to_string()).ok_or_else(|| to_js(&ClientError::NoMachineId))
}

/// Looks whether the service of these options (JSON) can be reached the way that a proxy would reach it, and says what was found,
/// in JSON.
#[napi]
pub async fn native_check_service(options: String) -> napi::Result<String> {
    let config = ClientConfig::parse(&Zeroizing::new(options)).map_err(|error| to_js(&error))?;
    errand::check(config).await.map(|check| to_json(&check)).map_err(|error| to_js(&error))
}

/// Looks whether the keychain takes, gives back and removes an entry of the app.
#[napi]
pub async fn native_probe_keychain(app: Option<String>) -> napi::Result<()> {
    let app = app_id(app).map_err(|error| to_js(&error))?;
    errand::probe_keychain(app).await.map_err(|error| to_js(&error))
}

/// A wrapper token for a tool that sends its requests to the service itself. Only `valetkey token` calls this; `index.js` does not
/// pass it on to apps.
#[napi(object)]
pub struct NativeToken {
    /// The bare JWT.
    pub token: String,
    /// When it expires, where requests with it go, and where it is stored, in JSON.
    pub facts: String,
}

/// Gets the token that a proxy with these options (JSON) would use.
#[napi]
pub async fn native_token(options: String) -> napi::Result<NativeToken> {
    let config = ClientConfig::parse(&Zeroizing::new(options)).map_err(|error| to_js(&error))?;
    let found = errand::tool_token(config).await.map_err(|error| to_js(&error))?;
    Ok(NativeToken { token: found.token.expose().to_owned(), facts: to_json(&found.facts) })
}

/// How local clients reach a started proxy.
#[napi(object)]
pub struct NativeStarted {
    /// The base URL, `http://127.0.0.1:<port>`.
    pub url: String,
    /// The port on 127.0.0.1.
    pub port: u16,
    /// The Unix socket that the proxy listens on, too, if one was asked for.
    pub socket_path: Option<String>,
    /// The credential that local clients send.
    pub launch_key: String,
}

/// One proxy, on a thread of its own until it is closed or the environment ends.
#[napi]
pub struct NativeProxy {
    engine: Arc<Engine>,
    /// The question by which the app is asked for its enrolment token. The client alone keeps it alive: it holds the function that
    /// gets events, which Node must be able to free when the client has ended.
    question: Weak<EnrolmentQuestion>,
}

#[napi]
impl NativeProxy {
    /// Checks the options (JSON) and starts the thread. `on_event` gets events in JSON and does not keep Node alive. With
    /// `asks_enrolment` the enrolment token is asked for by an event, and not an option.
    #[napi(constructor, catch_unwind)]
    #[allow(clippy::needless_pass_by_value, reason = "napi passes a function by value")]
    pub fn new(
        env: Env,
        options: String,
        on_event: Function<'_, String, ()>,
        asks_enrolment: bool,
    ) -> napi::Result<Self> {
        // The enrolment token may be among them.
        let options = Zeroizing::new(options);
        let mut config = ClientConfig::parse(&options).map_err(|error| to_js(&error))?;
        let (events, slot) = event_sink(&on_event)?;
        let mut question = Weak::new();
        if asks_enrolment {
            let asked = Arc::new(EnrolmentQuestion::new(Arc::clone(&events)));
            question = Arc::downgrade(&asked);
            config.enrolment = EnrolmentToken::Asked(asked);
        }
        let ports = ports(&config, events);
        let engine = Arc::new(Engine::start(config, ports).map_err(|error| to_js(&error))?);
        end_with(env, &engine, &slot)?;
        Ok(Self { engine, question })
    }

    /// Waits until the proxy serves.
    #[napi]
    pub async fn started(&self) -> napi::Result<NativeStarted> {
        let client = self.engine.client().await.map_err(|error| to_js(&error))?;
        Ok(NativeStarted {
            url: format!("http://{}", client.address),
            port: client.address.port(),
            socket_path: client.socket_path.as_ref().map(|path| path.display().to_string()),
            launch_key: client.launch_key.expose().to_owned(),
        })
    }

    /// The status, in JSON; `null` until the proxy serves.
    #[napi(catch_unwind)]
    #[must_use]
    pub fn status(&self) -> Option<String> {
        self.engine.client_now().map(|client| to_json(&client.status()))
    }

    /// How many answers the proxy has given to local clients, in JSON; `null` before it serves and after its end.
    #[napi(catch_unwind)]
    #[must_use]
    pub fn answers(&self) -> Option<String> {
        self.engine.client_now().map(|client| to_json(&client.answers()))
    }

    /// Answers the event `enrolment` of this number: with the enrolment token, with none, or with a failure of the app's function.
    #[napi(catch_unwind)]
    pub fn answer_enrolment(&self, number: u32, token: Option<String>, has_failed: bool) {
        if let Some(question) = self.question.upgrade() {
            question.answer(number, token.map(Secret::new), has_failed);
        }
    }

    /// Removes what the keychain holds for the app, and closes the proxy.
    #[napi]
    pub async fn sign_out(&self) -> napi::Result<()> {
        self.engine.sign_out().await.map_err(|error| to_js(&error))
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

    /// Sends new connections through other proxies, as the option `proxy` says it.
    #[napi(catch_unwind)]
    pub fn set_proxy(&self, proxy: String) -> napi::Result<()> {
        let proxy = Zeroizing::new(proxy);
        let client = self.engine.client_now().ok_or_else(|| to_js(&ClientError::Closed))?;
        client.set_proxy(&proxy).map_err(|error| to_js(&error))
    }

    /// Closes the proxy; open requests may finish within the limit. A start in progress is aborted.
    #[napi]
    pub async fn close(&self, timeout_ms: u32) -> napi::Result<()> {
        self.engine.close(Duration::from_millis(timeout_ms.into())).await;
        Ok(())
    }
}
