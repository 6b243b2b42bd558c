//! The thread on which one client lives, with a runtime of its own.
//!
//! napi's shared runtime is not used for the client: it belongs to the process and is torn down on its own terms.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::client::config::ClientConfig;
use crate::client::device::system_machine_id;
use crate::client::error::ClientError;
use crate::client::keychain::{KeychainLimits, OsStore};
use crate::client::session::EventSink;
use crate::client::{Client, Ports};
use crate::clock::SystemClock;

/// The thread's handle. The thread ends when it is told to, not when the handle is dropped: JavaScript may forget the
/// object while requests still use the proxy.
pub(super) struct Engine {
    stage: watch::Receiver<Stage>,
    orders: Mutex<Option<watch::Sender<Order>>>,
}

#[derive(Clone)]
enum Stage {
    Starting,
    Running(Arc<Client>),
    Failed(ClientError),
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Order {
    Run,
    /// End within the limit.
    Close(Duration),
}

impl Engine {
    /// Starts the thread and, on it, the client.
    ///
    /// # Errors
    /// [`ClientError::Internal`] when the system has no thread or no event queue to give.
    pub(super) fn start(config: ClientConfig, events: EventSink) -> Result<Self, ClientError> {
        let internal = |error: std::io::Error| ClientError::Internal(error.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(internal)?;
        let (stages, stage) = watch::channel(Stage::Starting);
        let (orders, order) = watch::channel(Order::Run);
        std::thread::Builder::new()
            .name("valetkey".into())
            .spawn(move || {
                runtime.block_on(live(config, events, &stages, order));
                // A name look-up that hangs must not hold the end up.
                runtime.shutdown_background();
                stages.send_if_modified(|stage| {
                    // A failed start stays one, for whoever asks late.
                    let ran = !matches!(stage, Stage::Failed(_));
                    if ran {
                        *stage = Stage::Ended;
                    }
                    ran
                });
            })
            .map_err(internal)?;
        Ok(Self { stage, orders: Mutex::new(Some(orders)) })
    }

    /// The client, once it serves.
    ///
    /// # Errors
    /// Why it does not.
    pub(super) async fn client(&self) -> Result<Arc<Client>, ClientError> {
        let mut stage = self.stage.clone();
        let settled = stage.wait_for(|stage| !matches!(stage, Stage::Starting)).await;
        match settled.as_deref() {
            Ok(Stage::Running(client)) => Ok(Arc::clone(client)),
            Ok(Stage::Failed(error)) => Err(error.clone()),
            _ => Err(ClientError::Aborted),
        }
    }

    /// The client, if it serves.
    pub(super) fn client_now(&self) -> Option<Arc<Client>> {
        match &*self.stage.borrow() {
            Stage::Running(client) => Some(Arc::clone(client)),
            _ => None,
        }
    }

    /// Ends within about `limit`. Idempotent.
    pub(super) async fn close(&self, limit: Duration) {
        self.order(Order::Close(limit));
        let mut stage = self.stage.clone();
        // The only error is that the thread has ended.
        let _ = stage.wait_for(|stage| matches!(stage, Stage::Ended | Stage::Failed(_))).await;
    }

    /// Ends now, without waiting.
    pub(super) fn stop(&self) {
        self.order(Order::Close(Duration::ZERO));
    }

    fn order(&self, order: Order) {
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
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
    events: EventSink,
    stages: &watch::Sender<Stage>,
    mut order: watch::Receiver<Order>,
) {
    let ports = Ports {
        clock: Arc::new(SystemClock),
        store: Box::new(OsStore::new(&config.app_id)),
        keychain_limits: KeychainLimits::default(),
        machine_id: system_machine_id,
        events,
    };
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
    let limit = match order.wait_for(|order| *order != Order::Run).await.as_deref() {
        Ok(Order::Close(limit)) => *limit,
        // The handle is gone, and with it everybody who could say otherwise.
        _ => Duration::ZERO,
    };
    client.close(limit).await;
}
