//! The thread that one client lives on, with a runtime of its own: napi's shared runtime belongs to the process and is
//! torn down at a time that the client does not control. It ends with `close()` or with the environment.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use crate::client::config::ClientConfig;
use crate::client::error::ClientError;
use crate::client::status::Event;
use crate::client::{Client, ClientPorts};
use crate::lock::lock;

/// A handle to the thread, which ends when it is dropped. The environment's clean-up holds a reference to it, because
/// JavaScript may drop its object while requests still use the proxy.
pub(super) struct Engine {
    stage: watch::Receiver<Stage>,
    orders: Mutex<Option<watch::Sender<Order>>>,
}

#[derive(Clone)]
enum Stage {
    Starting,
    Running(Arc<Client>),
    Failed(ClientError),
    /// The client has ended by a sign-out; the error says what it could not remove.
    SignedOut(Result<(), ClientError>),
    Ended,
}

impl Stage {
    fn is_last(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::SignedOut(_) | Self::Ended)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Order {
    Run,
    /// End the client within this limit.
    Close(Duration),
    /// Remove what the keychain holds, and end the client.
    SignOut,
}

impl Engine {
    /// Starts the thread and the client on it; fails if the system has no thread or no event queue.
    pub(super) fn start(config: ClientConfig, ports: ClientPorts) -> Result<Self, ClientError> {
        let internal = |error: std::io::Error| ClientError::Internal(error.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(internal)?;
        let (stages, stage) = watch::channel(Stage::Starting);
        let (orders, order) = watch::channel(Order::Run);
        std::thread::Builder::new()
            .name("valetkey".into())
            .spawn(move || {
                let events = Arc::clone(&ports.events);
                let life = AssertUnwindSafe(|| runtime.block_on(live(config, ports, &stages, order)));
                if catch_unwind(life).is_err() {
                    let error = ClientError::Internal("the proxy's thread has panicked".into());
                    // A start that fails is told by its promise.
                    if matches!(&*stages.borrow(), Stage::Running(_)) {
                        events(Event::Error(error.clone()));
                    }
                    stages.send_replace(Stage::Failed(error));
                }
                // A DNS look-up that hangs must not delay the end.
                runtime.shutdown_background();
                stages.send_if_modified(|stage| {
                    // A failed start stays failed for callers that ask later, and so does a sign-out.
                    let ran = !stage.is_last();
                    if ran {
                        *stage = Stage::Ended;
                    }
                    ran
                });
            })
            .map_err(internal)?;
        Ok(Self { stage, orders: Mutex::new(Some(orders)) })
    }

    /// Waits for the client to serve; the error says why it does not.
    pub(super) async fn client(&self) -> Result<Arc<Client>, ClientError> {
        let mut stage = self.stage.clone();
        let settled = stage.wait_for(|stage| !matches!(stage, Stage::Starting)).await;
        match settled.as_deref() {
            Ok(Stage::Running(client)) => Ok(Arc::clone(client)),
            Ok(Stage::Failed(error)) => Err(error.clone()),
            _ => Err(ClientError::Aborted),
        }
    }

    pub(super) fn client_now(&self) -> Option<Arc<Client>> {
        match &*self.stage.borrow() {
            Stage::Running(client) => Some(Arc::clone(client)),
            _ => None,
        }
    }

    /// Whether the thread is done with the client.
    pub(super) fn has_ended(&self) -> bool {
        self.stage.borrow().is_last()
    }

    /// Closes the client within about `limit` and waits for the end. Idempotent.
    pub(super) async fn close(&self, limit: Duration) {
        self.order(Order::Close(limit));
        let mut stage = self.stage.clone();
        // The only error is that the thread has already ended.
        let _ = stage.wait_for(Stage::is_last).await;
    }

    /// Removes the token, the key and the id from the keychain, closes the client and waits for the end. An error if the client
    /// is closed already.
    pub(super) async fn sign_out(&self) -> Result<(), ClientError> {
        self.order(Order::SignOut);
        let mut stage = self.stage.clone();
        let ended = stage.wait_for(Stage::is_last).await;
        match ended.as_deref() {
            Ok(Stage::SignedOut(result)) => result.clone(),
            Ok(Stage::Failed(error)) => Err(error.clone()),
            _ => Err(ClientError::Closed),
        }
    }

    /// Tells the client to end at once, and does not wait.
    pub(super) fn stop(&self) {
        self.order(Order::Close(Duration::ZERO));
    }

    fn order(&self, order: Order) {
        let orders = lock(&self.orders);
        if let Some(orders) = &*orders {
            orders.send_if_modified(|current| {
                let first = *current == Order::Run;
                if first {
                    *current = order;
                }
                first
            });
        }
    }
}

async fn live(
    config: ClientConfig,
    ports: ClientPorts,
    stages: &watch::Sender<Stage>,
    mut order: watch::Receiver<Order>,
) {
    let mut aborted = order.clone();
    let started = tokio::select! {
        started = Client::start(config, ports) => started,
        _ = aborted.wait_for(|order| *order != Order::Run) => Err(ClientError::Aborted),
    };
    let client = match started {
        Ok(client) => Arc::new(client),
        Err(error) => {
            stages.send_replace(Stage::Failed(error));
            return;
        }
    };
    stages.send_replace(Stage::Running(Arc::clone(&client)));
    let order = tokio::select! {
        order = order.wait_for(|order| *order != Order::Run) => order.map(|order| *order).ok(),
        () = client.broken() => None,
    };
    match order {
        Some(Order::SignOut) => {
            let result = client.sign_out().await;
            stages.send_replace(Stage::SignedOut(result));
        }
        Some(Order::Close(limit)) => client.close(limit).await,
        // The handle was dropped, so no order can come any more, or the client is broken.
        Some(Order::Run) | None => client.close(Duration::ZERO).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::keychain::{KeychainLimits, OsStore};
    use crate::clock::SystemClock;
    use crate::transport::next_hop::SystemProxies;

    #[tokio::test]
    async fn f104_a_panic_in_a_start_is_an_error_of_the_start() {
        let config =
            ClientConfig::parse(r#"{"bootstrapUrl":"http://127.0.0.1:9/bootstrap","storage":"memory"}"#).unwrap();
        let ports = ClientPorts {
            clock: Arc::new(SystemClock),
            store: Box::new(OsStore::new("test.panic")),
            keychain_limits: KeychainLimits::default(),
            lock_folder: None,
            machine_id: || panic!("a fault of this test"),
            extra_ca_certs: None,
            system_proxies: Arc::new(SystemProxies::read),
            events: Arc::new(|_| {}),
        };
        let engine = Engine::start(config, ports).unwrap();
        let error = engine.client().await.map(drop).unwrap_err();
        assert!(error.code() == "VALET_INTERNAL" && error.to_string().contains("panicked"), "{error}");
        assert!(engine.client_now().is_none() && engine.has_ended());
        assert_eq!(engine.sign_out().await.unwrap_err().code(), "VALET_INTERNAL");
        engine.close(Duration::ZERO).await;
    }
}
