//! What is kept of devices, on SQLite and on PostgreSQL.

use std::time::{Duration, SystemTime};

use sqlx::Executor;
use valetkey::service::govern::budgets::Limits;
use valetkey::service::govern::features::FeaturePolicy;
use valetkey::service::govern::overrides::LimitOverrides;
use valetkey::service::meter::money::MicroDollars;
use valetkey::service::store::database::{
    AuditOutcome, Database, Device, DeviceActivity, DeviceFilter, DevicePatch, DeviceState, DeviceTable, NewAuditEntry,
    NewRevocation, PageRequest, RevocationKind,
};

use testkit::stores::database::{TestDatabase, at, device};

#[tokio::test]
async fn a_device_is_added_when_it_is_first_seen_and_keeps_its_first_and_last_time() {
    for database in TestDatabase::each().await {
        let devices = database.open().await.devices();
        devices.see(&[seen(1, 5000, Some("acme"), None)], at(20_000)).await.unwrap();
        devices.see(&[seen(1, 9000, None, Some("ann")), seen(2, 9000, None, None)], at(20_000)).await.unwrap();
        devices.see(&[seen(1, 2000, Some("old"), Some("old"))], at(20_000)).await.unwrap();
        let first = devices.get(&device(1), at(0)).await.unwrap().unwrap();
        assert_eq!((first.first_seen, first.last_seen), (Some(at(2000)), Some(at(9000))), "{}", database.name);
        assert_eq!((first.org, first.user.as_deref()), (None, Some("ann")), "{}", database.name);
        assert_eq!((first.models, first.limits, first.budget), (None, LimitOverrides::default(), None));
        assert_eq!((first.features, first.state, first.updated_at), (None, DeviceState::Active, None));
        assert_eq!(devices.get(&device(3), at(0)).await.unwrap(), None);
    }
}

#[tokio::test]
async fn f40_a_last_time_that_lies_ahead_because_the_clock_did_comes_back_with_the_next_request() {
    let hour = Duration::from_secs(3600);
    for database in TestDatabase::each().await {
        let devices = database.open().await.devices();
        let seen_at = async || {
            let device = devices.get(&device(1), at(0)).await.unwrap().unwrap();
            (device.first_seen.unwrap(), device.last_seen.unwrap(), device.user)
        };
        let now = at(1_700_000_000_000);
        let ahead = DeviceActivity { at: now + hour, ..seen(1, 0, None, Some("ann")) };
        devices.see(std::slice::from_ref(&ahead), now + hour).await.unwrap();
        assert_eq!(seen_at().await.1, now + hour, "{}: nothing is known of a better clock", database.name);

        let next = DeviceActivity { at: now, ..seen(1, 0, None, Some("bob")) };
        devices.see(&[next], now).await.unwrap();
        assert_eq!(seen_at().await, (now, now, Some("bob".to_owned())), "{}", database.name);

        // Spilled while the clock was ahead, and taken in when it is right again.
        let now = now + Duration::from_secs(5);
        devices.see(&[ahead], now).await.unwrap();
        assert_eq!(seen_at().await, (at(1_700_000_000_000), now, Some("ann".to_owned())), "{}", database.name);

        // The clock of another instance is a little behind.
        let behind = DeviceActivity { at: now - Duration::from_secs(40), ..seen(1, 0, None, Some("eve")) };
        devices.see(&[behind], now - Duration::from_secs(10)).await.unwrap();
        assert_eq!(seen_at().await.1, now, "{}", database.name);
    }
}

#[tokio::test]
async fn the_same_device_many_times_in_one_batch_is_one_device() {
    for database in TestDatabase::each().await {
        let devices = database.open().await.devices();
        let batch: Vec<_> = (0..3000).map(|number| seen(number % 1200, 1000 + number as u64, None, None)).collect();
        devices.see(&batch, at(20_000)).await.unwrap();
        let first = devices.get(&device(0), at(0)).await.unwrap().unwrap();
        assert_eq!((first.first_seen, first.last_seen), (Some(at(1000)), Some(at(3400))), "{}", database.name);
        assert_eq!(ids(&devices, DeviceFilter::default()).await.len(), 1200, "{}", database.name);
    }
}

#[tokio::test]
async fn an_administrator_changes_what_is_named_and_nothing_else() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        let devices = store.devices();
        devices.see(&[seen(1, 5000, None, None)], at(20_000)).await.unwrap();
        let models = vec!["one \"quoted\"".to_owned(), "zwei €".to_owned()];
        let budget = Limits { day: Some(MicroDollars::new(1_500_001)), ..Limits::default() };
        let limits = LimitOverrides {
            requests: Some(0),
            window: Some(Duration::from_millis(1500)),
            tokens_per_minute: Some(u64::MAX >> 1),
            concurrent: None,
        };
        let patch = DevicePatch {
            models: Some(Some(models.clone())),
            limits: Some(limits),
            budget: Some(Some(budget)),
            state: Some(DeviceState::Revoked),
            ..DevicePatch::default()
        };
        let first = patched(&store, 1, &patch, at(6000)).await;
        assert_eq!((first.models.clone(), first.limits), (Some(models), limits), "{}", database.name);
        assert_eq!((first.budget, first.updated_at), (Some(budget), Some(at(6000))));
        assert_eq!(devices.get(&device(1), at(6000)).await.unwrap().as_ref(), Some(&first), "{}", database.name);

        let patch = DevicePatch { models: Some(None), ..DevicePatch::default() };
        let again = patched(&store, 1, &patch, at(7000)).await;
        assert_eq!((again.models, again.limits), (None, limits));
        let limits = LimitOverrides { concurrent: Some(3), ..limits };
        let patch = DevicePatch { limits: Some(limits), ..DevicePatch::default() };
        let again = patched(&store, 1, &patch, at(7000)).await;
        assert_eq!((again.models, again.limits), (None, LimitOverrides { concurrent: Some(3), ..limits }));
        assert_eq!((again.state, again.last_seen), (DeviceState::Revoked, Some(at(5000))));
    }
}

#[tokio::test]
async fn the_features_of_a_device_are_kept_replaced_and_taken_back_whole() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        let devices = store.devices();
        let policy = FeaturePolicy {
            server_tools: Some(vec!["web_fetch".to_owned()]),
            fast_mode: Some(false),
            betas: Some(Vec::new()),
            max_tokens: Some(u64::MAX),
            ..FeaturePolicy::default()
        };
        let threads = FeaturePolicy { threads: Some(true), ..FeaturePolicy::default() };
        for features in [Some(policy), Some(threads), Some(FeaturePolicy::default()), None] {
            let patch = DevicePatch { features: Some(features.clone()), ..DevicePatch::default() };
            let first = patched(&store, 1, &patch, at(6000)).await;
            assert_eq!(first.features, features, "{}", database.name);
            let other = DevicePatch { limits: Some(three_at_once()), ..DevicePatch::default() };
            assert_eq!(patched(&store, 1, &other, at(6000)).await.features, features, "{}", database.name);
            let changed = devices.changed_since(at(0), at(6000)).await.unwrap();
            assert_eq!(changed[0].features, features, "{}", database.name);
        }
    }
}

#[tokio::test]
async fn a_device_can_be_spoken_of_before_it_is_seen() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        let devices = store.devices();
        let mut change = store.change(&entry(), at(4000)).await.unwrap();
        let patch = DevicePatch { limits: Some(three_at_once()), ..DevicePatch::default() };
        let spoken_of = change.patch_device(&device(1), &patch).await.unwrap();
        assert_eq!((spoken_of.is_new, spoken_of.device.limits.concurrent), (true, Some(3)), "{}", database.name);
        assert_eq!((spoken_of.device.first_seen, spoken_of.device.last_seen), (None, None), "{}", database.name);
        assert!(!change.patch_device(&device(1), &patch).await.unwrap().is_new, "{}", database.name);
        change.commit().await.unwrap();
        assert_eq!(devices.changed_since(at(0), at(0)).await.unwrap().len(), 1, "{}", database.name);

        devices.see(&[seen(1, 9000, Some("acme"), None)], at(20_000)).await.unwrap();
        devices.see(&[seen(1, 5000, None, Some("ann"))], at(20_000)).await.unwrap();
        let first = devices.get(&device(1), at(0)).await.unwrap().unwrap();
        assert_eq!((first.first_seen, first.last_seen), (Some(at(5000)), Some(at(9000))), "{}", database.name);
        assert_eq!((first.org.as_deref(), first.user), (Some("acme"), None), "the later one counts: {}", database.name);
        assert_eq!(first.limits.concurrent, Some(3), "{}", database.name);
        devices.see(&[seen(1, 10_000, Some("acme"), None), seen(1, 11_000, None, None)], at(20_000)).await.unwrap();
        let first = devices.get(&device(1), at(0)).await.unwrap().unwrap();
        assert_eq!((first.org, first.user), (None, None), "it belongs to nobody any more: {}", database.name);
    }
}

#[tokio::test]
async fn a_device_is_revoked_as_long_as_its_revocation_lasts() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        let (devices, revocations) = (store.devices(), store.revocations());
        devices.see(&[seen(1, 1000, None, None), seen(2, 1000, None, None)], at(20_000)).await.unwrap();
        let state = async |now: u64| devices.get(&device(1), at(now)).await.unwrap().unwrap().state;
        let revocation = NewRevocation {
            kind: RevocationKind::DeviceId,
            value: device(1).to_string(),
            reason: Some("stolen".to_owned()),
            created_by: "root".to_owned(),
            expires_at: Some(at(9000)),
        };
        let other = NewRevocation { kind: RevocationKind::User, value: device(2).to_string(), ..revocation.clone() };
        revocations.insert(&other, at(2000)).await.unwrap();
        let first = revocations.insert(&revocation, at(2000)).await.unwrap();
        assert_eq!((state(8999).await, state(9000).await), (DeviceState::Revoked, DeviceState::Active));
        for (wanted, now, found) in [
            (DeviceState::Revoked, 8999, vec![device(1)]),
            (DeviceState::Active, 8999, vec![device(2)]),
            (DeviceState::Active, 9000, vec![device(1), device(2)]),
        ] {
            let filter = DeviceFilter { prefix: None, state: Some(wanted) };
            let page = devices.list(&filter, &PageRequest::first(10), at(now)).await.unwrap();
            let ids: Vec<_> = page.items.into_iter().map(|device| device.id).collect();
            assert_eq!(ids, found, "{}", database.name);
        }

        let revoke = DevicePatch { state: Some(DeviceState::Revoked), ..DevicePatch::default() };
        let revision = revocations.revision().await.unwrap();
        assert_eq!(patched(&store, 1, &revoke, at(3000)).await.state, DeviceState::Revoked);
        assert!(revocations.revision().await.unwrap() > revision, "{}", database.name);
        assert_eq!(state(u64::MAX >> 10).await, DeviceState::Revoked, "{}: now for good", database.name);
        let revision = revocations.revision().await.unwrap();
        patched(&store, 1, &revoke, at(3500)).await;
        assert_eq!(revocations.revision().await.unwrap(), revision, "{}: it was so", database.name);

        let mut change = store.change(&entry(), at(4000)).await.unwrap();
        assert!(change.let_in(&first.id).await.unwrap(), "{}: it is the same one", database.name);
        change.commit().await.unwrap();
        assert_eq!(state(4000).await, DeviceState::Active, "{}", database.name);
        revocations.insert(&revocation, at(4000)).await.unwrap();
        let restore = DevicePatch { state: Some(DeviceState::Active), ..DevicePatch::default() };
        assert_eq!(patched(&store, 1, &restore, at(5000)).await.state, DeviceState::Active, "{}", database.name);
        let left = revocations.live(at(5000)).await.unwrap().1;
        assert_eq!(left.iter().map(|left| left.kind).collect::<Vec<_>>(), [RevocationKind::User], "{}", database.name);
    }
}

#[tokio::test]
async fn a_deleted_device_is_shut_out_for_a_while_and_no_shorter_than_it_was() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        store.devices().see(&[seen(1, 1000, None, None), seen(2, 1000, None, None)], at(20_000)).await.unwrap();
        let revoke = DevicePatch { state: Some(DeviceState::Revoked), ..DevicePatch::default() };
        patched(&store, 2, &revoke, at(2000)).await;
        let mut change = store.change(&entry(), at(3000)).await.unwrap();
        for number in [1, 2] {
            assert!(change.delete_device(&device(number), at(9000)).await.unwrap(), "{}", database.name);
            assert!(!change.delete_device(&device(number), at(9000)).await.unwrap(), "{}", database.name);
        }
        change.commit().await.unwrap();
        assert_eq!(ids(&store.devices(), DeviceFilter::default()).await, [] as [&str; 0], "{}", database.name);
        let live = store.revocations().live(at(3000)).await.unwrap().1;
        let ends: Vec<_> = live.iter().map(|entry| (entry.value.clone(), entry.expires_at)).collect();
        let expected = [(device(2).to_string(), None), (device(1).to_string(), Some(at(9000)))];
        assert_eq!(ends, expected, "{}", database.name);
    }
}

#[tokio::test]
async fn a_poll_sees_rules_and_not_traffic() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        let devices = store.devices();
        devices.see(&[seen(1, 5000, None, None), seen(2, 5000, None, None)], at(20_000)).await.unwrap();
        let before = devices.revision().await.unwrap();
        devices.see(&[seen(1, 8000, None, None)], at(20_000)).await.unwrap();
        assert_eq!(devices.revision().await.unwrap(), before, "{}", database.name);
        assert_eq!(devices.changed_since(at(0), at(0)).await.unwrap(), []);

        let patch = DevicePatch { limits: Some(three_at_once()), ..DevicePatch::default() };
        patched(&store, 2, &patch, at(6000)).await;
        patched(&store, 1, &patch, at(7000)).await;
        let changed = devices.changed_since(at(6000), at(0)).await.unwrap();
        assert_eq!(changed.iter().map(|changed| changed.id.clone()).collect::<Vec<_>>(), [device(2), device(1)]);
        assert_eq!(devices.changed_since(at(6001), at(0)).await.unwrap().len(), 1);
        let revision = devices.revision().await.unwrap();
        assert!(revision > before);

        let mut change = store.change(&entry(), at(8000)).await.unwrap();
        assert!(change.delete_device(&device(1), at(9000)).await.unwrap());
        change.commit().await.unwrap();
        assert!(devices.revision().await.unwrap() > revision, "{}", database.name);
        assert_eq!(devices.get(&device(1), at(0)).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_poll_is_told_which_devices_changed_unless_an_instance_of_an_earlier_version_changed_one() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        let devices = store.devices();
        let patch = DevicePatch { limits: Some(three_at_once()), ..DevicePatch::default() };
        patched(&store, 1, &patch, at(6000)).await;
        let known = devices.revision().await.unwrap();
        assert_eq!(devices.changes_after(known, known, at(0)).await.unwrap(), None, "{}: there is none", database.name);

        let second = patched(&store, 2, &patch, at(7000)).await;
        patched(&store, 3, &patch, at(7000)).await;
        let third = patched(&store, 3, &DevicePatch { models: Some(Some(vec![])), ..patch.clone() }, at(8000)).await;
        let mut change = store.change(&entry(), at(8000)).await.unwrap();
        assert!(change.delete_device(&device(1), at(9000)).await.unwrap());
        change.commit().await.unwrap();
        let latest = devices.revision().await.unwrap();
        let changes = devices.changes_after(known, latest, at(0)).await.unwrap().unwrap();
        assert_eq!(changes.revision, known + 4, "{}", database.name);
        let expected = [(device(1), None), (device(2), Some(second)), (device(3), Some(third))];
        assert_eq!(changes.devices, expected, "{}", database.name);

        // It was seen after it was deleted, and has no rules.
        devices.see(&[seen(1, 8500, None, None)], at(8500)).await.unwrap();
        let changes = devices.changes_after(known, latest, at(0)).await.unwrap().unwrap();
        assert_eq!(changes.devices[0], (device(1), None), "{}", database.name);

        let uncounted = "UPDATE revisions SET revision = revision + 1 WHERE subject = 'devices'";
        database.connect().await.execute(uncounted).await.unwrap();
        patched(&store, 2, &patch, at(9000)).await;
        for known in [known, latest] {
            let changes = devices.changes_after(known, latest + 2, at(0)).await.unwrap();
            assert_eq!(changes, None, "{}: after {known}", database.name);
        }
        assert!(devices.changes_after(latest + 1, latest + 2, at(0)).await.unwrap().is_some(), "{}", database.name);
    }
}

#[tokio::test]
async fn a_list_is_given_page_by_page_and_narrowed() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        let devices = store.devices();
        let orgs = [Some("acme"), Some("Acme"), Some("a%me"), None];
        let batch: Vec<_> = (0..20).map(|number| seen(number, 1000, orgs[number % 4], Some("müller"))).collect();
        devices.see(&batch, at(20_000)).await.unwrap();
        let patch = DevicePatch { state: Some(DeviceState::Revoked), ..DevicePatch::default() };
        patched(&store, 7, &patch, at(2000)).await;

        let mut page = PageRequest::first(7);
        let mut found = Vec::new();
        let mut pages = 0;
        loop {
            let answer = devices.list(&DeviceFilter::default(), &page, at(2000)).await.unwrap();
            assert!(answer.items.len() <= 7);
            found.extend(answer.items.into_iter().map(|device| device.id));
            pages += 1;
            page.cursor = answer.next;
            if page.cursor.is_none() {
                break;
            }
        }
        assert_eq!((found, pages), ((0..20).map(device).collect(), 3), "{}", database.name);

        let count = async |prefix: &str, state: Option<DeviceState>| {
            ids(&devices, DeviceFilter { prefix: Some(prefix.to_owned()), state }).await.len()
        };
        assert_eq!(count("device-001", None).await, 10, "{}", database.name);
        assert_eq!((count("ac", None).await, count("A", None).await, count("a%", None).await), (5, 5, 5));
        assert_eq!((count("mül", None).await, count("x' OR '1", None).await, count("", None).await), (20, 0, 20));
        assert_eq!(
            (count("device", Some(DeviceState::Revoked)).await, count("zzz", Some(DeviceState::Revoked)).await),
            (1, 0)
        );
    }
}

async fn ids(devices: &DeviceTable, filter: DeviceFilter) -> Vec<String> {
    let page = PageRequest::first(PageRequest::MOST);
    let mut ids = Vec::new();
    let mut page = page;
    loop {
        let answer = devices.list(&filter, &page, at(2000)).await.unwrap();
        ids.extend(answer.items.into_iter().map(|device| device.id.to_string()));
        match answer.next {
            Some(next) => page.cursor = Some(next),
            None => return ids,
        }
    }
}

fn three_at_once() -> LimitOverrides {
    LimitOverrides { concurrent: Some(3), ..LimitOverrides::default() }
}

/// A device after a change by an administrator.
async fn patched(store: &Database, number: usize, patch: &DevicePatch, now: SystemTime) -> Device {
    let mut change = store.change(&entry(), now).await.unwrap();
    let patched = change.patch_device(&device(number), patch).await.unwrap();
    change.commit().await.unwrap();
    patched.device
}

fn entry() -> NewAuditEntry {
    NewAuditEntry {
        actor: "root".to_owned(),
        source: None,
        action: "PATCH".to_owned(),
        target: None,
        detail: None,
        outcome: AuditOutcome::Done,
    }
}

fn seen(number: usize, millis: u64, org: Option<&str>, user: Option<&str>) -> DeviceActivity {
    DeviceActivity { device: device(number), at: at(millis), org: org.map(Into::into), user: user.map(Into::into) }
}
