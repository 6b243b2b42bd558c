//! What is too old is deleted, if the settings say so.

use std::time::{Duration, SystemTime};

use valetkey::service::meter::usage::{Reference, ReferenceKind};
use valetkey::service::store::database::{
    AuditOutcome, Database, NewAuditEntry, NewRevocation, PageRequest, RevocationKind, TotalsBy, UsageFilter, UsageRow,
};

use testkit::service::TestService;
use testkit::stores::database::{TestDatabase, at, device, row};

#[tokio::test]
async fn the_oldest_go_first_and_so_many_at_once() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        let rows: Vec<_> = (0..10).map(|number| row(&format!("req_{number}"), device(1), at(1000 + number))).collect();
        store.usage().insert(&rows, SystemTime::now()).await.unwrap();
        for number in 0..10 {
            store.audit().insert(&entry(&number.to_string()), at(1000 + number)).await.unwrap();
        }
        let (usage, audit) = (store.usage(), store.audit());
        for (deleted, left) in [(3, 7), (3, 4), (1, 3), (0, 3)] {
            assert_eq!(usage.delete_before(at(1007), 3).await.unwrap(), deleted, "{}", database.name);
            assert_eq!(audit.delete_before(at(1007), 3).await.unwrap(), deleted, "{}", database.name);
            assert_eq!(usage_and_audit(&store).await, (left, left), "{}", database.name);
        }
        let entries = audit.list(&PageRequest::first(10)).await.unwrap().items;
        let targets: Vec<_> = entries.into_iter().filter_map(|entry| entry.entry.target).collect();
        assert_eq!(targets, ["9", "8", "7"], "{}", database.name);
    }
}

#[tokio::test]
async fn what_is_older_than_the_settings_say_is_deleted_every_hour() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        let mut rows: Vec<_> = (0..1200).map(|number| row(&format!("req_{number}"), device(1), days_ago(3))).collect();
        rows.push(row("req_young", device(1), days_ago(1)));
        store.usage().insert(&rows, SystemTime::now()).await.unwrap();
        store.audit().insert(&entry("old"), days_ago(40)).await.unwrap();
        store.audit().insert(&entry("young"), days_ago(1)).await.unwrap();
        let service = TestService::start_with("http://127.0.0.1:9", |flags| {
            flags.set("DATABASE_URL", database.setting());
            flags.set("USAGE_RETENTION_DAYS", "2");
            flags.set("AUDIT_RETENTION_DAYS", "30");
        });
        service.until(async || usage_and_audit(&store).await == (1, 1)).await;
        service.clock.advance(Duration::from_secs(2 * 24 * 3600));
        service.until(async || usage_and_audit(&store).await == (0, 1)).await;
        let settings = service.admin("GET", "/admin/config", None).await.json();
        assert_eq!((&settings["USAGE_RETENTION_DAYS"], &settings["AUDIT_RETENTION_DAYS"]), (&2.into(), &30.into()));
    }
}

#[tokio::test]
async fn by_default_only_revocations_and_references_go_that_have_ended() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        store.usage().insert(&[row("req_old", device(1), at(1000))], SystemTime::now()).await.unwrap();
        store.audit().insert(&entry("old"), at(1000)).await.unwrap();
        for (value, end) in [("ended", Some(days_ago(1))), ("for-ever", None)] {
            let new = NewRevocation {
                kind: RevocationKind::Jti,
                value: value.to_owned(),
                reason: None,
                created_by: "root".to_owned(),
                expires_at: end,
            };
            store.revocations().insert(&new, days_ago(2)).await.unwrap();
        }
        let (references, now) = (store.owned_references(), SystemTime::now());
        for (id, finished_at) in [("msg_old", days_ago(1)), ("msg_young", now)] {
            let made = Reference { kind: ReferenceKind::Message, id: id.into(), tokens: None };
            let row = UsageRow { references: vec![made], ..row(id, device(1), finished_at) };
            store.usage().insert(&[row], SystemTime::now()).await.unwrap();
        }
        let service =
            TestService::start_with("http://127.0.0.1:9", |flags| flags.set("DATABASE_URL", database.setting()));
        let ids = ["msg_old".to_owned(), "msg_young".to_owned()];
        let kept = async || references.of_device(&device(1), &ids, days_ago(2)).await.unwrap();
        service.until(async || kept().await.len() == 1).await;
        let left = async || {
            let page = store.revocations().list(&PageRequest::first(10)).await.unwrap();
            page.items.into_iter().map(|revocation| revocation.value).collect::<Vec<_>>()
        };
        service.until(async || left().await == ["for-ever"]).await;
        // In the same turn as revocations, and after them.
        let new = NewRevocation {
            kind: RevocationKind::Jti,
            value: "ended later".to_owned(),
            reason: None,
            created_by: "root".to_owned(),
            expires_at: Some(SystemTime::now()),
        };
        store.revocations().insert(&new, days_ago(2)).await.unwrap();
        service.clock.advance(Duration::from_secs(3601));
        service.until(async || left().await == ["for-ever"]).await;
        assert_eq!(usage_and_audit(&store).await, (3, 1), "{}", database.name);
        service.until(async || kept().await.is_empty()).await; // the other one has ended, too
    }
}

async fn usage_and_audit(store: &Database) -> (u64, u64) {
    let totals = store.usage().totals(TotalsBy::Device, &UsageFilter::default()).await.unwrap();
    let entries = store.audit().list(&PageRequest::first(PageRequest::MOST)).await.unwrap().items.len();
    (totals.iter().map(|total| total.requests).sum(), entries as u64)
}

fn days_ago(days: u64) -> SystemTime {
    SystemTime::now() - Duration::from_secs(days * 24 * 3600)
}

fn entry(target: &str) -> NewAuditEntry {
    NewAuditEntry {
        actor: "root".to_owned(),
        source: None,
        action: "PATCH".to_owned(),
        target: Some(target.to_owned()),
        detail: None,
        outcome: AuditOutcome::Done,
    }
}
