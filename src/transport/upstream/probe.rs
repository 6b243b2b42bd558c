//! Proves that a pooled connection still reaches the other side before a request goes over it.
//!
//! A laptop sleeps and changes its networks, and its open connections are then dead without notice. A request that is
//! written to one is lost, so after a pause a `HEAD` request goes first, which asks for nothing. A new connection that
//! opens before the answer comes takes the old one's place; one that cannot be opened says nothing of the old one.
//!
//! A shared connection (HTTP/2) can die with silent streams on it, so it is proved after a pause in what comes over it.
//! A PING would prove it, too, but hyper sends those by its own clock only.

use std::pin::pin;
use std::time::Duration;

use http::Request;
use http::header::HOST;
use tokio::time::{Instant, timeout, timeout_at};

use crate::transport::buffered_body::BufferedBody;
use crate::transport::connect::{ConnectError, Connection};
use crate::transport::origin::Origin;

/// When a pooled connection is proved, and by which request.
#[derive(Debug, Clone, Copy)]
pub struct ProbeRule {
    /// A connection that was idle for so long is proved, and a shared one over which nothing has come for so long.
    pub after: Duration,
    /// A path that the other side answers to `HEAD` at once, without a credential.
    pub path: &'static str,
}

impl ProbeRule {
    pub(super) fn request(&self, origin: &Origin) -> Request<BufferedBody> {
        let request = Request::head(self.path).header(HOST, origin.authority());
        request.body(BufferedBody::default()).expect("the rule's path is a path")
    }
}

/// The connection that a request uses after a probe.
pub(super) enum Proven<T> {
    /// The pooled connection, which answered.
    Pooled(T),
    /// A new connection; the pooled one is dead or slower to answer than this one was to open.
    New(Connection),
}

/// Waits for `probe`, which gives the connection back when it was answered, and after a while for `connect` too. An
/// error means that the probe has failed or is late, too.
pub(super) async fn proven<T>(
    probe: impl Future<Output = Option<T>>,
    connect: impl Future<Output = Result<Connection, ConnectError>>,
) -> Result<Proven<T>, ConnectError> {
    let began = Instant::now();
    let (mut probe, mut connect) = (pin!(probe), pin!(connect));
    match timeout(HEAD_START, probe.as_mut()).await {
        Ok(Some(pooled)) => return Ok(Proven::Pooled(pooled)),
        Ok(None) => return connect.await.map(Proven::New),
        Err(_) => {}
    }
    let failed = tokio::select! {
        biased;
        answered = probe.as_mut() => match answered {
            Some(pooled) => return Ok(Proven::Pooled(pooled)),
            None => return connect.await.map(Proven::New),
        },
        opened = connect.as_mut() => match opened {
            Ok(connection) => return Ok(Proven::New(connection)),
            Err(error) => error,
        },
    };
    match timeout_at(began + LATEST, probe).await {
        Ok(Some(pooled)) => Ok(Proven::Pooled(pooled)),
        Ok(None) | Err(_) => Err(failed),
    }
}

/// How long the probe alone is waited for: a round trip to the other side of the world.
const HEAD_START: Duration = Duration::from_millis(300);

/// How long the probe is waited for in all when no connection can be opened: a lost packet is sent again twice by then.
const LATEST: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::time::sleep;

    use super::*;

    fn refused() -> impl Future<Output = Result<Connection, ConnectError>> {
        std::future::ready(Err(ConnectError::Reach("refused".into())))
    }

    #[tokio::test(start_paused = true)]
    async fn f81_a_pooled_connection_that_answers_late_is_used_when_no_new_one_can_be_opened() {
        let late = async {
            sleep(Duration::from_secs(1)).await;
            Some("pooled")
        };
        assert!(matches!(proven(late, refused()).await, Ok(Proven::Pooled("pooled"))));
    }

    #[tokio::test(start_paused = true)]
    async fn f81_without_a_new_connection_a_silent_or_dead_pooled_one_is_waited_for_three_seconds_at_most() {
        let began = Instant::now();
        assert!(matches!(proven(ready(None::<()>), refused()).await, Err(ConnectError::Reach(_))));
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert!(matches!(proven(pending::<Option<()>>(), refused()).await, Err(ConnectError::Reach(_))));
        assert!(began.elapsed() <= LATEST + HEAD_START, "{:?}", began.elapsed());
    }
}
