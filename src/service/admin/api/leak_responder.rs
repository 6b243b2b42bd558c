//! Acts on suspicions: ends the device's tokens, or revokes the device. It runs on the control thread, because it needs
//! the database: both are rows among the revocations, so they survive a restart, and every instance knows them within
//! about a second. A genuine client whose token was ended gets `token_outdated`, and asks for another one.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::state::AdminState;
use crate::service::base::enum_names::enum_names;
use crate::service::govern::leak::{LeakMode, LeakResponse, Leaks, Suspicion};
use crate::service::store::database::{AuditOutcome, NewAuditEntry, NewRevocation, RevocationKind, StoreError};

pub(crate) struct Responder {
    leaks: Arc<Leaks>,
    suspicions: mpsc::Receiver<Suspicion>,
    admin_state: AdminState,
    /// Whether a device whose tokens were ended can get another.
    can_enrol: bool,
    /// The recent actions, in Unix seconds.
    done: VecDeque<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LeakAction {
    /// Ends the device's tokens. The device asks for a new one by itself; the holder of a copied token cannot.
    EndTokens,
    /// Revokes the device until an administrator ends the revocation.
    Revoke,
}

impl Responder {
    pub(crate) fn new(
        leaks: Arc<Leaks>,
        suspicions: mpsc::Receiver<Suspicion>,
        admin_state: AdminState,
        can_enrol: bool,
    ) -> Self {
        Self { leaks, suspicions, admin_state, can_enrol, done: VecDeque::new() }
    }

    pub(crate) async fn run(mut self) {
        while let Some(suspicion) = self.suspicions.recv().await {
            self.respond(&suspicion).await;
        }
        pending::<()>().await;
    }

    /// Acts on a suspicion. When the database does not take the action, it is tried again for half a minute.
    async fn respond(&mut self, suspicion: &Suspicion) {
        let device = &suspicion.device;
        let ended = self.admin_state.access.revocations.tokens_ended_before(device);
        let Some(action) = action(self.leaks.mode(), self.can_enrol, ended, suspicion.at) else { return };
        if !may_act(&mut self.done, self.leaks.watched(), suspicion.at) {
            self.leaks.count(LeakResponse::Withheld);
            tracing::error!(%device, "So many devices are suspected that TRUSTED_PROXIES may be wrong; nothing is done");
            return;
        }
        let mut pauses = PAUSES.into_iter();
        while let Err(error) = self.act(action, suspicion).await {
            let Some(pause) = pauses.next() else {
                self.leaks.count(LeakResponse::Failed);
                tracing::error!(%device, %error, "A suspected device could not be stopped");
                return;
            };
            sleep(pause).await;
        }
        match action {
            LeakAction::EndTokens => self.leaks.count(LeakResponse::Refreshed),
            LeakAction::Revoke => self.leaks.count(LeakResponse::Revoked),
        }
        tracing::warn!(%device, action = action.as_str(), "A suspected device was stopped");
    }

    async fn act(&self, action: LeakAction, suspicion: &Suspicion) -> Result<(), StoreError> {
        let (admin_state, now) = (&self.admin_state, self.admin_state.clock.now());
        admin_state.database.revocations().insert(&self.revocation(action, suspicion), now).await?;
        admin_state.database.audit().insert(&entry(action, suspicion), now).await?;
        // If this fails, the next round of the policy sync will do.
        let _ = admin_state.sync.catch_up().await;
        Ok(())
    }

    /// The same suspicion gives the same kind and value, so that the revocation can be inserted twice.
    fn revocation(&self, action: LeakAction, suspicion: &Suspicion) -> NewRevocation {
        let Suspicion { device, networks: [one, other], at } = suspicion;
        let (kind, value, expires_at) = match action {
            LeakAction::EndTokens => {
                let value = format!("{device}@{}", at.saturating_sub(SLACK.as_secs()));
                // After that no such token lives anyway, and a further suspicion is a new one.
                let end = self.admin_state.clock.now() + self.admin_state.token_life.max(REMEMBERED) + SLACK;
                (RevocationKind::DeviceTokens, value, Some(end))
            }
            LeakAction::Revoke => (RevocationKind::DeviceId, device.to_string(), None),
        };
        let reason = Some(format!("in use from {one} and {other} at once"));
        NewRevocation { kind, value, reason, created_by: ACTOR.into(), expires_at }
    }
}

enum_names!(LeakAction { EndTokens = "device.end_tokens", Revoke = "device.revoke" });

/// The action for a suspected device. `ended` is the Unix second before which its tokens were ended, if they were.
/// Several instances may suspect a device at the same time, and one ends its tokens.
fn action(mode: LeakMode, can_enrol: bool, ended: Option<u64>, now: u64) -> Option<LeakAction> {
    let is_fresh = |ended: u64| now.saturating_sub(ended) < SAME_SUSPICION.as_secs();
    match (mode, ended) {
        (LeakMode::Off | LeakMode::Observe, _) => None,
        (LeakMode::Revoke, _) if !can_enrol => Some(LeakAction::Revoke),
        (_, Some(ended)) if is_fresh(ended) => None,
        (LeakMode::Revoke, Some(_)) => Some(LeakAction::Revoke),
        (LeakMode::Refresh, _) | (LeakMode::Revoke, None) => Some(LeakAction::EndTokens),
    }
}

/// Whether one more device may be stopped. If the service does not know its load balancer, all devices seem to be in
/// many places, and that must not shut all of them out.
fn may_act(done: &mut VecDeque<u64>, watched: usize, now: u64) -> bool {
    done.retain(|at| now.saturating_sub(*at) < HOUR.as_secs());
    let may = done.len() < MOST_IN_AN_HOUR.max(watched / 50);
    if may {
        done.push_back(now);
    }
    may
}

fn entry(action: LeakAction, suspicion: &Suspicion) -> NewAuditEntry {
    NewAuditEntry {
        actor: ACTOR.into(),
        source: None,
        action: action.as_str().into(),
        target: Some(suspicion.device.to_string()),
        detail: Some(json!({ "networks": suspicion.networks })),
        outcome: AuditOutcome::Done,
    }
}

/// The actor in the audit trail and in revocations.
const ACTOR: &str = "leak-detection";

/// Tokens issued just before are spared: the clock of the instance that issues the next token may be behind.
const SLACK: Duration = Duration::from_secs(10);

/// A device whose tokens were ended within this time is revoked at its next suspicion, if that is the mode.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

const HOUR: Duration = Duration::from_secs(3600);

/// The most devices stopped in an hour, or one in fifty watched devices, if that is more.
const MOST_IN_AN_HOUR: usize = 10;

/// A suspicion so soon after the last one is the same, found by another instance.
const SAME_SUSPICION: Duration = Duration::from_secs(120);

/// Pauses between attempts to act.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_about_load_balancers_does_not_shut_all_devices_out() {
        let mut done = VecDeque::new();
        let stopped = |done: &mut VecDeque<u64>, watched, now| (0..100).filter(|_| may_act(done, watched, now)).count();
        assert_eq!(stopped(&mut done, 100, 1000), 10);
        assert_eq!(stopped(&mut done, 1000, 2000), 10, "ten more, of twenty");
        assert_eq!(stopped(&mut done, 100, 4600), 0);
        assert_eq!(stopped(&mut done, 100, 5600), 10);
    }

    #[test]
    fn a_device_is_revoked_only_if_an_end_of_its_tokens_did_not_help() {
        use LeakMode::{Observe, Off, Refresh, Revoke};
        const NOW: u64 = 1_000_000;
        let (same, earlier) = (Some(NOW - 60), Some(NOW - 3600));
        for (mode, can_enrol, ended, expected) in [
            (Off, true, None, None),
            (Observe, true, None, None),
            (Refresh, true, None, Some(LeakAction::EndTokens)),
            (Refresh, true, same, None),
            (Refresh, true, earlier, Some(LeakAction::EndTokens)),
            (Revoke, true, None, Some(LeakAction::EndTokens)),
            (Revoke, true, same, None),
            (Revoke, true, earlier, Some(LeakAction::Revoke)),
            (Revoke, false, None, Some(LeakAction::Revoke)),
        ] {
            assert_eq!(action(mode, can_enrol, ended, NOW), expected, "{mode:?} {can_enrol} {ended:?}");
        }
    }
}
