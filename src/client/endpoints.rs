//! The endpoints of the service: those that the app names, in the app's order, and then those that the service announces.
//!
//! The first one that is well is in use. Tokens are good at all of them: the regions of a service share their signing secrets.

mod health;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use self::health::Health;
use super::credential::WrapperToken;
use super::endpoint::Endpoint;
use crate::lock::lock;
use crate::transport::origin::Origin;

/// All endpoints of one client, and how each does.
pub(super) struct Endpoints {
    /// At least one: the app names one or more, and those stay.
    entries: Mutex<Vec<Entry>>,
    /// Tells when an endpoint is passed over.
    news: watch::Sender<()>,
}

struct Entry {
    choice: Choice,
    is_announced: bool,
    health: Health,
}

/// An endpoint, and where its requests go.
#[derive(Clone)]
pub(super) struct Choice {
    pub endpoint: Arc<Endpoint>,
    /// The endpoint's own address, or another one that the service has named there (`base_url`).
    pub origin: Arc<Origin>,
}

impl Endpoints {
    /// `named` by the app, at least one.
    #[must_use]
    pub(super) fn new(named: &[Endpoint]) -> Self {
        let entries = named.iter().map(|endpoint| Entry::new(endpoint.clone(), false)).collect();
        Self { entries: Mutex::new(entries), news: watch::Sender::new(()) }
    }

    /// All, in the order in which a request tries them: those that are well first. Never empty.
    #[must_use]
    pub(super) fn ranked(&self) -> Vec<Choice> {
        let entries = lock(&self.entries);
        if let [only] = &entries[..] {
            return vec![only.choice.clone()];
        }
        let (good, others): (Vec<&Entry>, Vec<&Entry>) = entries.iter().partition(|entry| entry.health.is_good());
        good.into_iter().chain(others).map(|entry| entry.choice.clone()).collect()
    }

    /// The endpoint that a request tries first.
    #[must_use]
    pub(super) fn in_use(&self) -> Arc<Endpoint> {
        let entries = lock(&self.entries);
        let in_use = entries.iter().find(|entry| entry.health.is_good()).unwrap_or(&entries[0]);
        Arc::clone(&in_use.choice.endpoint)
    }

    #[must_use]
    pub(super) fn are_several(&self) -> bool {
        lock(&self.entries).len() > 1
    }

    /// Learns from an answer of `issuer` where its requests go and which regions there are. Returns the endpoint that the
    /// answer's token is stored with: `issuer`, or the first of the app's if the app does not name `issuer`.
    pub(super) fn learn(&self, issuer: &Arc<Endpoint>, origin: Arc<Origin>, regions: &[Arc<Origin>]) -> Choice {
        let mut entries = lock(&self.entries);
        let mut home = entries[0].choice.clone();
        if let Some(entry) = entries.iter_mut().find(|entry| Arc::ptr_eq(&entry.choice.endpoint, issuer)) {
            entry.choice.origin = origin;
            if !entry.is_announced {
                home = entry.choice.clone();
            }
        }
        announce(&mut entries, regions);
        home
    }

    /// Whether a stored token is for the app's endpoints, and names no address that is less protected than they are.
    #[must_use]
    pub(super) fn accept(&self, token: &WrapperToken) -> bool {
        let entries = lock(&self.entries);
        let home = entries.iter().map(|entry| &entry.choice.endpoint).find(|endpoint| is_home(endpoint, token));
        home.is_some_and(|home| home.trusts(&token.origin) && token.regions.iter().all(|region| home.trusts(region)))
    }

    /// Takes up what an earlier start had learnt with `token`.
    pub(super) fn restore(&self, token: &WrapperToken) {
        let mut entries = lock(&self.entries);
        if let Some(home) = entries.iter_mut().find(|entry| is_home(&entry.choice.endpoint, token)) {
            home.choice.origin = Arc::clone(&token.origin);
        }
        announce(&mut entries, &token.regions);
    }

    /// Passes `losers` over, because `winner` answered and they did not. Returns those that were well until now, each with
    /// the number of its spell.
    pub(super) fn outdone(&self, losers: &[Arc<Endpoint>], winner: &Arc<Endpoint>) -> Vec<(Choice, u32)> {
        let now = Instant::now();
        let mut entries = lock(&self.entries);
        let mut passed_over = Vec::new();
        for entry in entries.iter_mut() {
            if losers.iter().any(|loser| Arc::ptr_eq(loser, &entry.choice.endpoint))
                && let Some(spell) = entry.health.pass_over(now)
            {
                passed_over.push((entry.choice.clone(), spell));
            }
        }
        if !entries.iter().any(|entry| entry.health.is_good())
            && let Some(entry) = entries.iter_mut().find(|entry| Arc::ptr_eq(&entry.choice.endpoint, winner))
        {
            entry.health.use_again(now);
        }
        drop(entries);
        if !passed_over.is_empty() {
            self.news.send_replace(());
        }
        passed_over
    }

    /// Tells each time that an endpoint is passed over.
    pub(super) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// Forgets which endpoints failed: on another network others may.
    pub(super) fn forget_failures(&self) {
        lock(&self.entries).iter_mut().for_each(|entry| entry.health.forget());
    }

    #[must_use]
    pub(super) fn is_good(&self, endpoint: &Arc<Endpoint>) -> bool {
        self.with_health(endpoint, |health| health.is_good()).unwrap_or_default()
    }

    /// Whether a doubt about `endpoint` is to be followed up now.
    pub(super) fn takes_doubt(&self, endpoint: &Arc<Endpoint>) -> bool {
        self.with_health(endpoint, |health| health.takes_doubt(Instant::now())).unwrap_or_default()
    }

    pub(super) fn answered_after(&self, endpoint: &Arc<Endpoint>, round_trip: Duration) {
        self.with_health(endpoint, |health| health.answered_after(round_trip));
    }

    /// How long a check of `endpoint` is waited for before the next endpoint is asked too.
    #[must_use]
    pub(super) fn head_start(&self, endpoint: &Arc<Endpoint>) -> Duration {
        self.with_health(endpoint, |health| health.head_start()).unwrap_or_default()
    }

    /// How long until `endpoint` is to be checked in this spell; `None` once the spell is over.
    #[must_use]
    pub(super) fn until_check(&self, endpoint: &Arc<Endpoint>, spell: u32) -> Option<Duration> {
        self.with_health(endpoint, |health| health.until_check(spell)).flatten()
    }

    /// Records a check of `endpoint`. True if it is used again from now on.
    pub(super) fn checked(&self, endpoint: &Arc<Endpoint>, spell: u32, is_healthy: bool) -> bool {
        self.with_health(endpoint, |health| health.checked(spell, is_healthy, Instant::now())).unwrap_or_default()
    }

    /// `None` if the service does not announce `endpoint` any more.
    fn with_health<T>(&self, endpoint: &Arc<Endpoint>, look: impl FnOnce(&mut Health) -> T) -> Option<T> {
        let mut entries = lock(&self.entries);
        let entry = entries.iter_mut().find(|entry| Arc::ptr_eq(&entry.choice.endpoint, endpoint))?;
        Some(look(&mut entry.health))
    }
}

impl Entry {
    fn new(endpoint: Endpoint, is_announced: bool) -> Self {
        let choice = Choice { origin: Arc::clone(&endpoint.service), endpoint: Arc::new(endpoint) };
        Self { choice, is_announced, health: Health::default() }
    }

    fn is_at(&self, origin: &Origin) -> bool {
        *self.choice.endpoint.service == *origin || *self.choice.origin == *origin
    }
}

/// Replaces the announced endpoints by those of `regions`. A region whose address is known already is no new one.
fn announce(entries: &mut Vec<Entry>, regions: &[Arc<Origin>]) {
    entries.retain(|entry| !entry.is_announced || regions.contains(&entry.choice.endpoint.service));
    for region in regions {
        if !entries.iter().any(|entry| entry.is_at(region)) {
            entries.push(Entry::new(Endpoint::announced(Arc::clone(region)), true));
        }
    }
}

fn is_home(endpoint: &Endpoint, token: &WrapperToken) -> bool {
    endpoint.bootstrap_url.as_str() == token.bootstrap_url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(name: &str) -> Arc<Origin> {
        Arc::new(Origin::parse(&format!("https://{name}.example")).unwrap())
    }

    fn of(names: &[&str]) -> Endpoints {
        let endpoints: Vec<_> = names.iter().map(|name| Endpoint::announced(origin(name))).collect();
        Endpoints::new(&endpoints)
    }

    fn order(endpoints: &Endpoints) -> Vec<String> {
        endpoints.ranked().iter().map(|choice| choice.origin.host().replace(".example", "")).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn f93_the_apps_order_counts_among_endpoints_that_are_well() {
        let endpoints = of(&["us", "eu", "ap"]);
        let [us, eu, ap] = &endpoints.ranked()[..] else { panic!("there are three") };
        assert_eq!(endpoints.outdone(&[Arc::clone(&us.endpoint)], &eu.endpoint).len(), 1);
        assert_eq!(order(&endpoints), ["eu", "ap", "us"]);
        assert!(endpoints.outdone(&[Arc::clone(&us.endpoint)], &eu.endpoint).is_empty(), "it is no news");
        // The last one that is well fails too, and one that was passed over answers.
        let lost = [Arc::clone(&eu.endpoint), Arc::clone(&ap.endpoint)];
        assert_eq!(endpoints.outdone(&lost, &us.endpoint).len(), 2);
        assert_eq!(order(&endpoints), ["us", "eu", "ap"]);
        endpoints.forget_failures();
        assert!(endpoints.is_good(&ap.endpoint));
    }

    #[test]
    fn f96_announced_regions_come_after_the_apps_own_and_go_when_they_are_announced_no_more() {
        let endpoints = of(&["us"]);
        let us = endpoints.ranked()[0].clone();
        let home = endpoints.learn(&us.endpoint, origin("us"), &[origin("eu"), origin("us"), origin("ap")]);
        assert!(Arc::ptr_eq(&home.endpoint, &us.endpoint));
        assert_eq!(order(&endpoints), ["us", "eu", "ap"]);
        let eu = endpoints.ranked()[1].clone();
        let home = endpoints.learn(&eu.endpoint, origin("eu"), &[origin("eu")]);
        assert!(Arc::ptr_eq(&home.endpoint, &us.endpoint), "a start finds the token by the app's own address");
        assert_eq!(order(&endpoints), ["us", "eu"]);
        assert!(Arc::ptr_eq(&endpoints.ranked()[1].endpoint, &eu.endpoint), "what is known of it is kept");
    }
}
