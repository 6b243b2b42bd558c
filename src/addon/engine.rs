//! The thread that one client lives on, with a runtime of its own: napi's shared runtime belongs to the process and is
//! torn down at a time that the client does not control. It ends with `close()` or with the environment.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use crate::client::config::ClientConfig;
use crate::client::device::system_machine_id;
use crate::client::error::ClientError;
use crate::client::keychain::{KeychainLimits, OsStore};
use crate::client::renewal_lock::user_folder;
use crate::client::status::EventSink;
use crate::client::{Client, ClientPorts};
use crate::clock::SystemClock;
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
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Order {
    Run,
    /// End the client within this limit.
    Close(Duration),
}

impl Engine {
    /// Starts the thread and the client on it; fails if the system has no thread or no event queue.
    pub(super) fn start(config: ClientConfig, events: EventSink) -> Result<Self, ClientError> {
        let internal = |error: std::io::Error| ClientError::Internal(error.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(internal)?;
        let (stages, stage) = watch::channel(Stage::Starting);
        let (orders, order) = watch::channel(Order::Run);
        std::thread::Builder::new()
            .name("valetkey".into())
            .spawn(move || {
                runtime.block_on(live(config, events, &stages, order));
                // A DNS look-up that hangs must not delay the end.
                runtime.shutdown_background();
                stages.send_if_modified(|stage| {
                    // A failed start stays failed for callers that ask later.
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
        matches!(&*self.stage.borrow(), Stage::Ended | Stage::Failed(_))
    }

    /// Closes the client within about `limit` and waits for the end. Idempotent.
    pub(super) async fn close(&self, limit: Duration) {
        self.order(Order::Close(limit));
        let mut stage = self.stage.clone();
        // The only error is that the thread has already ended.
        let _ = stage.wait_for(|stage| matches!(stage, Stage::Ended | Stage::Failed(_))).await;
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
    events: EventSink,
    stages: &watch::Sender<Stage>,
    mut order: watch::Receiver<Order>,
) {
    let ports = ClientPorts {
        clock: Arc::new(SystemClock),
        store: Box::new(OsStore::new(&config.app_id)),
        keychain_limits: KeychainLimits::default(),
        lock_folder: user_folder(),
        machine_id: system_machine_id,
        extra_ca_certs: std::env::var_os("NODE_EXTRA_CA_CERTS").filter(|path| !path.is_empty()).map(Into::into),
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
        // The handle was dropped, so no order can come any more.
        _ => Duration::ZERO,
    };
    client.close(limit).await;
}
