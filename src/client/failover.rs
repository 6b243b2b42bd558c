//! Chooses among the endpoints of the service: passes over those that another one outdoes, and looks when they are well again.
//!
//! Only a comparison decides. An endpoint that does not answer while none of the others does, either, says nothing about
//! itself: the network of this machine may be slow or away.

mod race;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use self::race::race;
use super::credential::WrapperToken;
use super::endpoint::Endpoint;
use super::endpoints::{Choice, Endpoints};
use super::error::ClientError;
use super::service_link::ServiceLink;
use super::session::Session;
use super::status::Level;
use crate::transport::origin::Origin;
use crate::transport::upstream::Begun;

/// The choice of endpoints of one client.
pub(super) struct Failover {
    endpoints: Endpoints,
    link: Arc<ServiceLink>,
    session: Arc<Session>,
}

impl Failover {
    #[must_use]
    pub(super) fn new(endpoints: Endpoints, link: Arc<ServiceLink>, session: Arc<Session>) -> Self {
        Self { endpoints, link, session }
    }

    /// All endpoints, in the order in which a request tries them. Never empty.
    #[must_use]
    pub(super) fn ranked(&self) -> Vec<Choice> {
        self.endpoints.ranked()
    }

    #[must_use]
    pub(super) fn are_several(&self) -> bool {
        self.endpoints.are_several()
    }

    /// As [`Endpoints::learn`].
    pub(super) fn learn(&self, issuer: &Arc<Endpoint>, origin: Arc<Origin>, regions: &[Arc<Origin>]) -> Choice {
        let home = self.endpoints.learn(issuer, origin, regions);
        self.show();
        home
    }

    /// As [`Endpoints::accept`].
    #[must_use]
    pub(super) fn accept(&self, token: &WrapperToken) -> bool {
        self.endpoints.accept(token)
    }

    /// As [`Endpoints::restore`].
    pub(super) fn restore(&self, token: &WrapperToken) {
        self.endpoints.restore(token);
        self.show();
    }

    /// Forgets which endpoints failed, after the machine slept or changed its network.
    pub(super) fn forget_failures(&self) {
        self.endpoints.forget_failures();
        self.show();
    }

    /// Passes `losers` over, because `winner` has answered in their place.
    pub(super) fn outdone(self: &Arc<Self>, losers: &[Arc<Endpoint>], winner: &Arc<Endpoint>) {
        let passed_over = self.endpoints.outdone(losers, winner);
        let Some((first, _)) = passed_over.first() else { return };
        let reason = format!("{} does not answer as it should", first.origin.as_base_url());
        if let Some(now) = self.show() {
            self.session.log(Level::Info, format!("Uses {now}: {reason}"));
        }
        for (choice, spell) in passed_over {
            tokio::spawn(Arc::clone(self).recover(choice, spell));
        }
    }

    /// Checks an endpoint that is passed over until it is used again.
    async fn recover(self: Arc<Self>, choice: Choice, spell: u32) {
        while let Some(pause) = self.endpoints.until_check(&choice.endpoint, spell) {
            sleep(pause).await;
            if self.session.is_closed() {
                return;
            }
            let is_healthy = matches!(self.link.reaches(&choice.origin).await, Ok(true));
            if self.endpoints.checked(&choice.endpoint, spell, is_healthy)
                && let Some(now) = self.show()
            {
                self.session.log(Level::Info, format!("Uses {now} again"));
            }
        }
    }

    /// Follows up a doubt about an endpoint: if another one answers a check before it does, it is passed over.
    pub(super) fn doubt(self: &Arc<Self>, endpoint: &Arc<Endpoint>) {
        if self.are_several() && self.endpoints.takes_doubt(endpoint) {
            let failover = Arc::clone(self);
            tokio::spawn(async move { failover.reaches().await });
        }
    }

    /// Waits until a request that was sent to `choice` had better go elsewhere: until another endpoint comes into use while no
    /// byte of the request is written. For ever if `begun` is `None`. While the request waits its endpoint is doubted.
    pub(super) async fn given_up(self: &Arc<Self>, choice: &Choice, begun: Option<&Begun>) {
        let Some(begun) = begun else { return std::future::pending().await };
        let (before, mut news) = (self.endpoints.in_use(), self.endpoints.news());
        loop {
            tokio::select! {
                _ = news.changed() => {}
                () = sleep(PATIENCE) => {
                    if !begun.is_set() || self.endpoints.is_good(&choice.endpoint) {
                        self.doubt(&choice.endpoint);
                    }
                }
            }
            let now = self.endpoints.in_use();
            if !begun.is_set() && !Arc::ptr_eq(&now, &before) && !Arc::ptr_eq(&now, &choice.endpoint) {
                return;
            }
        }
    }

    /// Whether the service answers its health check at one of the endpoints. False if something else answers.
    pub(super) async fn reaches(self: &Arc<Self>) -> Result<bool, ClientError> {
        let link = Arc::clone(&self.link);
        let check = move |choice: Choice| {
            let link = Arc::clone(&link);
            async move { link.reaches(&choice.origin).await }
        };
        self.first_healthy(check).await
    }

    /// Makes `check` of the endpoints in their order until one is well, and passes over those that it outdoes.
    pub(super) async fn first_healthy<F>(self: &Arc<Self>, check: impl Fn(Choice) -> F) -> Result<bool, ClientError>
    where
        F: Future<Output = Result<bool, ClientError>> + Send + 'static,
    {
        let ranked = self.ranked();
        let head_starts: Vec<Duration> =
            ranked.iter().map(|choice| self.endpoints.head_start(&choice.endpoint)).collect();
        let finish = race(&head_starts, |place| check(ranked[place].clone())).await;
        if let Some((winner, took)) = finish.winner {
            let winner = &ranked[winner].endpoint;
            self.endpoints.answered_after(winner, took);
            let losers: Vec<_> = finish.losers.iter().map(|place| Arc::clone(&ranked[*place].endpoint)).collect();
            self.outdone(&losers, winner);
            return Ok(true);
        }
        finish.error.map_or(Ok(false), Err)
    }

    /// Shows in the status which endpoint is in use; its address if it is another one than before.
    fn show(&self) -> Option<String> {
        let ranked = self.ranked();
        let address = ranked.first()?.origin.as_base_url();
        self.session.use_service(address).then(|| address.to_owned())
    }
}

/// How long a request waits for the first byte of its answer before its endpoint is doubted, where there is another one.
const PATIENCE: Duration = Duration::from_millis(250);
