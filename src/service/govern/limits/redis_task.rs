//! The Redis task: a thread that keeps the connection to Redis and makes the calls that no request waits for.
//!
//! It connects, and reconnects for ever; loads our functions; reports at each heartbeat that this instance lives, and
//! learns how many do; renews held leases and ends released ones. When requests have lost their trust in Redis, it
//! finds out when Redis is fast again. It has a thread of its own because workers come and go with their event loops,
//! and the connection must not depend on one of them.

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Pipeline};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use super::InstanceSettings;
use super::calls;
use super::gossip::GossipListener;
use super::key_names::KeyNames;
use super::lease::RedisUpdate;
use super::link::Link;
use super::pending::PendingUpdates;
use super::redis_error::RedisLinkError;

/// Dropping this ends the thread, which first takes leave of Redis for at most a quarter of a second.
pub(super) struct RedisTask {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

pub(super) struct RedisLoop {
    pub client: Client,
    pub link: Arc<Link>,
    pub updates: mpsc::UnboundedReceiver<RedisUpdate>,
    pub instance: Arc<str>,
    pub names: KeyNames,
    pub settings: InstanceSettings,
    pub pending: PendingUpdates,
    /// Receives the notes of other instances.
    pub listener: GossipListener,
    /// How many instances there were at the last few heartbeats.
    pub seen: VecDeque<u32>,
}

impl RedisTask {
    pub(super) fn start(mut redis_loop: RedisLoop) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("limits-redis".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = redis_loop.run() => {}
                    _ = stopped => {}
                }
                // If Redis does not hear the goodbye, the instance's entry expires.
                let _ = timeout(GOODBYE, redis_loop.say_goodbye()).await;
            });
            // The look-up of a name may hang on a thread of the system; the end does not wait for it.
            runtime.shutdown_background();
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for RedisTask {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("The Redis task of the limits panicked");
        }
    }
}

impl RedisLoop {
    async fn run(&mut self) {
        let mut pause = SHORTEST_PAUSE;
        loop {
            let began = Instant::now();
            let fault = match self.connect().await {
                Ok(connection) => self.serve(connection).await,
                Err(fault) => fault,
            };
            self.link.degrade(fault);
            self.link.tried.send_replace(true);
            pause = if began.elapsed() > LONGEST_PAUSE * 4 { SHORTEST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            self.idle(pause).await;
        }
    }

    async fn connect(&self) -> Result<MultiplexedConnection, RedisLinkError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None) // each call has its own
            .set_pipeline_buffer_size(1024);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let connected = timeout(ANSWER, connecting).await.map_err(|_| RedisLinkError::Unreachable)?;
        Ok(connected?)
    }

    /// Serves a connection until it fails.
    async fn serve(&mut self, mut connection: MultiplexedConnection) -> RedisLinkError {
        let mut beats = ticks(self.settings.heartbeat);
        let mut renewals = ticks(self.settings.lease / 3);
        let mut talks = ticks(TALK);
        let mut done = self.examine(&mut connection).await;
        if done.is_ok() {
            self.link.tried.send_replace(true);
        }
        let link = Arc::clone(&self.link);
        loop {
            if let Err(fault) = done {
                return fault;
            }
            done = tokio::select! {
                () = link.trouble.notified() => self.examine(&mut connection).await,
                _ = beats.tick() => self.beat(&mut connection).await,
                _ = renewals.tick() => self.send(&mut connection, self.pending.renewals(self.settings.lease)).await,
                _ = talks.tick() => self.talk(&mut connection).await,
                Some(update) = self.updates.recv() => {
                    self.note(update);
                    let calls = self.pending.take();
                    self.send(&mut connection, calls).await
                }
            };
        }
    }

    /// Waits until Redis is fast, makes the calls that it missed, and lets requests ask it again.
    async fn examine(&mut self, connection: &mut MultiplexedConnection) -> Result<(), RedisLinkError> {
        for _ in 0..EXAMINATIONS {
            let asked = Instant::now();
            self.beat(connection).await?;
            if asked.elapsed() < self.settings.decision {
                let missed = self.pending.take();
                self.send(connection, missed).await?;
                self.send(connection, self.pending.renewals(self.settings.lease)).await?;
                self.link.restore(connection);
                return Ok(());
            }
            self.idle(SHORTEST_PAUSE).await;
        }
        Err(RedisLinkError::Slow)
    }

    /// Reports that this instance lives, and learns how many do.
    async fn beat(&mut self, connection: &mut MultiplexedConnection) -> Result<(), RedisLinkError> {
        let (life, instances) = (self.settings.heartbeat * 4, self.names.instances());
        let count = match answered(calls::beat(connection, &instances, &self.instance, life)).await {
            Err(RedisLinkError::FunctionMissing) => {
                answered(calls::load(connection)).await?;
                answered(calls::beat(connection, &instances, &self.instance, life)).await?
            }
            other => other?,
        };
        // After Redis lost its data it counts too few instances, so the highest of the last counts holds.
        self.seen.push_back(count);
        if self.seen.len() > BEATS_REMEMBERED {
            self.seen.pop_front();
        }
        let most = self.seen.iter().copied().max().and_then(NonZeroU32::new);
        self.link.set_instances(most.map_or(self.settings.instances, |most| most.max(self.settings.instances)));
        Ok(())
    }

    /// Sends the notes that wait for other instances, and reads theirs.
    async fn talk(&mut self, connection: &mut MultiplexedConnection) -> Result<(), RedisLinkError> {
        for _ in 0..MOST_CALLS {
            let Some(round) = self.pending.notes.take() else { break };
            let calls = self.pending.notes.call(&round, &self.instance, &self.names);
            // Each device has an answer of its own.
            let answers = answered(calls.query_async(connection)).await?;
            let mut discards = Pipeline::new();
            for device in self.pending.notes.hear(round, answers, &self.instance, &self.listener) {
                discards.add_command(calls::discard_notes(&self.names.notes(&device))).ignore();
            }
            self.send(connection, (!discards.is_empty()).then_some(discards)).await?;
        }
        Ok(())
    }

    async fn send(
        &self,
        connection: &mut MultiplexedConnection,
        calls: Option<Pipeline>,
    ) -> Result<(), RedisLinkError> {
        let Some(calls) = calls else { return Ok(()) };
        match answered(calls.exec_async(connection)).await {
            Err(fault) if !fault.is_passing() => Err(fault),
            _ => Ok(()),
        }
    }

    /// Takes this errand and all others that wait.
    fn note(&mut self, update: RedisUpdate) {
        self.pending.note(update);
        while let Ok(update) = self.updates.try_recv() {
            self.pending.note(update);
        }
    }

    /// Takes errands until `pause` is over, without acting on them.
    async fn idle(&mut self, pause: Duration) {
        let end = Instant::now() + pause;
        loop {
            tokio::select! {
                () = sleep_until(end) => break,
                Some(update) = self.updates.recv() => self.note(update),
            }
        }
        self.pending.forget_charges();
    }

    async fn say_goodbye(&mut self) -> Result<(), RedisLinkError> {
        let mut connection = self.link.connection()?;
        while let Ok(update) = self.updates.try_recv() {
            self.pending.note(update);
        }
        let mut calls = self.pending.take().unwrap_or_default();
        calls::leave(&mut calls, &self.names.instances(), &self.instance);
        Ok(calls.exec_async(&mut connection).await?)
    }
}

/// Waits for an answer, but not for ever.
async fn answered<T, E: Into<RedisLinkError>>(answer: impl Future<Output = Result<T, E>>) -> Result<T, RedisLinkError> {
    timeout(ANSWER, answer).await.map_err(|_| RedisLinkError::Slow)?.map_err(Into::into)
}

fn ticks(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// The longest wait for a connection, and for an answer that no request waits for.
const ANSWER: Duration = Duration::from_secs(1);

/// Between two attempts to connect, or two examinations of a slow Redis.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Examinations of a slow Redis before the connection is replaced.
const EXAMINATIONS: u32 = 100;

/// Between two rounds of notes.
const TALK: Duration = Duration::from_millis(500);

/// The most calls of notes in a row: a longer round would delay heartbeats.
const MOST_CALLS: usize = 32;

const BEATS_REMEMBERED: usize = 4;
const GOODBYE: Duration = Duration::from_millis(250);
