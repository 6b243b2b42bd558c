//! The thread beside the workers: the database, the admin listener, and the tasks that update workers' policy and
//! budgets, delete old records, bill batches, probe the key and renew it. Only requests for tokens, requests about batches and
//! files, and requests that name a message, container or file that the instance does not know, wait for it.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::service::admin::api::AdminConfig;
use crate::service::admin::api::{self, AdminState, Responder};
use crate::service::enrol::db_requests::DbRequests;
use crate::service::govern::access::AccessPolicy;
use crate::service::govern::budgets::Budgets;
use crate::service::govern::limits::{InstanceSettings, Limiter};
use crate::service::relay::batches::Biller;
use crate::service::relay::key_probe::KeyProbe;
use crate::service::relay::key_renewal::KeyRenewal;
use crate::service::run::start_error::StartError;
use crate::service::store::database::{Database, UsageWriter, WriterSettings};
use crate::service::store::policy_sync::PolicySync;
use crate::service::store::retention::Retention;
use crate::service::store::spent_loader::SpentLoader;
use crate::service::store::stores::Stores;

/// The thread with everything open, not yet serving.
pub(crate) struct Control {
    thread: JoinHandle<()>,
    begin: oneshot::Sender<Beginning>,
    pub opened: Opened,
}

/// The parts that the thread has opened.
#[derive(Clone)]
pub(crate) struct Opened {
    /// The address of the admin listener.
    pub address: SocketAddr,
    /// The address of the listener with metrics alone, if there is one.
    pub metrics_address: Option<SocketAddr>,
    pub database: Database,
    /// Database requests of the workers.
    pub db_requests: DbRequests,
    /// Keeps the policy of the workers up to date; it has loaded the policy before this exists.
    pub sync: Arc<PolicySync>,
    /// Loads spent money into the budgets; it has loaded them before this exists.
    pub spending: Arc<SpentLoader>,
    pub retention: Arc<Retention>,
    pub usage: Arc<UsageWriter>,
    pub limiter: Limiter,
}

pub(crate) struct ControlHandle {
    thread: JoinHandle<()>,
    end: oneshot::Sender<()>,
    usage: Arc<UsageWriter>,
}

/// What the thread does beside its own work while the service runs.
pub(crate) struct ControlTasks {
    /// None when batches are not offered.
    pub biller: Option<Arc<Biller>>,
    pub probe: Arc<KeyProbe>,
    /// None when no command gives the real key.
    pub renewal: Option<Arc<KeyRenewal>>,
    pub responder: Responder,
}

struct Beginning {
    admin_state: AdminState,
    tasks: ControlTasks,
    end: oneshot::Receiver<()>,
}

/// The listeners of the thread, bound.
struct Listeners {
    admin: TcpListener,
    /// The listener with metrics alone.
    metrics: Option<TcpListener>,
}

struct Plan {
    stores: Stores,
    admin: AdminConfig,
    access: AccessPolicy,
    budgets: Budgets,
    clock: Arc<dyn Clock>,
}

impl Control {
    /// Opens the database, loads the policy and binds the admin listener. Without the revocations the service does not
    /// start.
    pub(crate) fn open(
        stores: &Stores,
        admin: &AdminConfig,
        (access, budgets): (AccessPolicy, Budgets),
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::Worker)?;
        let plan = Plan { stores: stores.clone(), admin: admin.clone(), access, budgets, clock: Arc::clone(clock) };
        let (report, reported) = mpsc::channel();
        let (begin, beginning) = oneshot::channel();
        let run = move || {
            runtime.block_on(async move {
                match plan.open().await {
                    Ok((opened, listeners)) => {
                        // The caller of `Control::open` waits for this.
                        let _ = report.send(Ok(opened.clone()));
                        serve(opened, listeners, beginning).await;
                    }
                    Err(error) => drop(report.send(Err(error))),
                }
            });
        };
        let thread = std::thread::Builder::new().name("control".into()).spawn(run).map_err(StartError::Worker)?;
        let ended = |_| StartError::Worker(io::Error::other("the control thread has ended"));
        let opened = reported.recv().map_err(ended)??;
        Ok(Self { thread, begin, opened })
    }

    /// Starts to serve. The admin listener ends with the thread, after everything that it tells of.
    pub(crate) fn start(self, admin_state: AdminState, tasks: ControlTasks) -> ControlHandle {
        let (end, ended) = oneshot::channel();
        // If the thread has ended, `join` reports it.
        let _ = self.begin.send(Beginning { admin_state, tasks, end: ended });
        ControlHandle { thread: self.thread, end, usage: self.opened.usage }
    }
}

impl Plan {
    async fn open(&self) -> Result<(Opened, Listeners), StartError> {
        let database = Database::open(&self.stores.database).await?;
        let db_requests = DbRequests::open(&database)?;
        let (access, budgets, clock) = (self.access.clone(), self.budgets.clone(), Arc::clone(&self.clock));
        let sync = Arc::new(PolicySync::new(database.clone(), access, budgets.clone(), Arc::clone(&clock)));
        sync.catch_up().await?;
        let spending = Arc::new(SpentLoader::new(database.clone(), budgets, clock));
        spending.catch_up().await?;
        let retention = Retention::new(database.clone(), self.stores.retention, Arc::clone(&self.clock));
        let settings = WriterSettings::spilling_to(self.stores.spill.clone());
        let usage = Arc::new(UsageWriter::start(&database, settings, Arc::clone(&self.clock))?);
        let (admin, address) = bind(self.admin.address, "ADMIN_HOST and ADMIN_PORT").await?;
        let metrics = match self.admin.metrics {
            Some(address) => Some(bind(address, "METRICS_HOST and METRICS_PORT").await?),
            None => None,
        };
        let (metrics, metrics_address) = metrics.unzip();
        let limiter = self.limiter().await?;
        let retention = Arc::new(retention);
        let listeners = Listeners { admin, metrics };
        let opened =
            Opened { address, metrics_address, database, db_requests, sync, spending, retention, usage, limiter };
        Ok((opened, listeners))
    }

    async fn limiter(&self) -> Result<Limiter, StartError> {
        let Some(url) = &self.stores.redis else { return Ok(Limiter::local()) };
        let settings =
            InstanceSettings { deployment: Arc::clone(&self.stores.deployment), ..InstanceSettings::default() };
        Ok(Limiter::with_redis(url, settings).await?)
    }
}

async fn bind(address: SocketAddr, settings: &'static str) -> Result<(TcpListener, SocketAddr), StartError> {
    let unbound = |source| StartError::Bind { address, settings, source };
    let listener = TcpListener::bind(address).await.map_err(unbound)?;
    let bound = listener.local_addr().map_err(unbound)?;
    Ok((listener, bound))
}

async fn serve(opened: Opened, listeners: Listeners, beginning: oneshot::Receiver<Beginning>) {
    if let Ok(Beginning { admin_state, tasks, end }) = beginning.await {
        if let Some(metrics) = listeners.metrics {
            tokio::spawn(api::serve_metrics(metrics, admin_state.clone()));
        }
        tokio::spawn(api::serve(listeners.admin, admin_state));
        tokio::select! {
            () = opened.sync.run() => {}
            () = opened.spending.run() => {}
            () = opened.retention.run() => {}
            () = look_after_batches(tasks.biller) => {}
            () = tasks.probe.run() => {}
            () = renew_key(tasks.renewal) => {}
            () = tasks.responder.run() => {}
            _ = end => {}
        }
    }
    opened.usage.close(WRITE_LIMIT);
    opened.db_requests.close().await;
    opened.database.close().await;
}

async fn look_after_batches(biller: Option<Arc<Biller>>) {
    match biller {
        Some(biller) => biller.run().await,
        None => std::future::pending().await,
    }
}

async fn renew_key(renewal: Option<Arc<KeyRenewal>>) {
    match renewal {
        Some(renewal) => renewal.run().await,
        None => std::future::pending().await,
    }
}

impl ControlHandle {
    /// Writes the remaining usage records and ends the thread. Called when no request is open any more.
    pub(crate) fn end(self) {
        let left = self.usage.close(WRITE_LIMIT);
        if left.waiting > 0 {
            tracing::error!(waiting = left.waiting, "Usage records could not be written in time");
        }
        // The thread may have ended already.
        let _ = self.end.send(());
        if self.thread.join().is_err() {
            tracing::error!("The control thread panicked");
        }
    }
}

/// How long the end waits for the database. Unwritten records are spilled to a file.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
