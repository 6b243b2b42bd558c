//! Revocations and the audit trail, on SQLite and on PostgreSQL.

use serde_json::json;
use valetkey::service::store::database::{
    AuditOutcome, Database, NewAuditEntry, NewRevocation, PageRequest, RevocationKind,
};

use testkit::stores::database::{TestDatabase, at};

#[tokio::test]
async fn a_revocation_is_live_until_it_expires_or_is_removed() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        let revocations = store.revocations();
        let start = revocations.revision().await.unwrap();
        let mut kept = Vec::new();
        for (number, kind) in RevocationKind::ALL.into_iter().enumerate() {
            let mut new = revocation(kind, "it");
            new.expires_at = (kind == RevocationKind::Jti).then(|| at(9000));
            kept.push(revocations.insert(&new, at(1000 + number as u64)).await.unwrap());
        }
        let (revision, live) = revocations.live(at(8999)).await.unwrap();
        assert_eq!((revision, &live), (start + 7, &kept), "{}", database.name);
        assert_eq!((live[1].reason.as_deref(), live[1].created_at), (Some("stolen"), at(1001)));
        assert_eq!(revocations.live(at(9000)).await.unwrap().1, kept[1..], "{}", database.name);

        assert!(let_in(&store, &kept[2].id).await);
        assert_eq!(revocations.revision().await.unwrap(), start + 8, "{}", database.name);
        assert!(!let_in(&store, &kept[2].id).await);
        assert_eq!(revocations.revision().await.unwrap(), start + 8, "{}", database.name);
        assert_eq!(revocations.delete_expired(at(9000)).await.unwrap(), 1);
        assert_eq!(revocations.live(at(0)).await.unwrap().1.len(), 5, "{}", database.name);
    }
}

#[tokio::test]
async fn the_same_revocation_twice_is_one_that_ends_with_the_later() {
    for database in TestDatabase::each().await {
        let revocations = database.open().await.revocations();
        let until =
            |end: Option<u64>| NewRevocation { expires_at: end.map(at), ..revocation(RevocationKind::User, "ann") };
        let first = revocations.insert(&until(Some(5000)), at(1000)).await.unwrap();
        for (end, expected) in [(Some(3000), Some(5000)), (Some(8000), Some(8000)), (None, None), (Some(9000), None)] {
            let again = revocations.insert(&until(end), at(2000)).await.unwrap();
            assert_eq!((&again.id, again.expires_at), (&first.id, expected.map(at)), "{}", database.name);
        }
        assert_eq!(revocations.live(at(0)).await.unwrap().1.len(), 1, "{}", database.name);
    }
}

#[tokio::test]
async fn lists_have_the_newest_first() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        for number in 0..25_u64 {
            // All within the same few milliseconds.
            let (now, name) = (at(1000 + number / 10), format!("it-{number:02}"));
            store.revocations().insert(&revocation(RevocationKind::Jti, &name), now).await.unwrap();
            store.audit().insert(&entry(&name), now).await.unwrap();
        }
        let mut page = PageRequest::first(10);
        let (mut values, mut targets) = (Vec::new(), Vec::new());
        loop {
            let answer = store.revocations().list(&page).await.unwrap();
            values.extend(answer.items.into_iter().map(|item| item.value));
            page.cursor = answer.next;
            if page.cursor.is_none() {
                break;
            }
        }
        loop {
            let answer = store.audit().list(&page).await.unwrap();
            targets.extend(answer.items.into_iter().filter_map(|item| item.entry.target));
            page.cursor = answer.next;
            if page.cursor.is_none() {
                break;
            }
        }
        let expected: Vec<_> = (0..25).rev().map(|number| format!("it-{number:02}")).collect();
        assert_eq!((&values, &targets), (&expected, &expected), "{}", database.name);
    }
}

#[tokio::test]
async fn an_audit_entry_comes_back_as_it_was_written() {
    for database in TestDatabase::each().await {
        let audit = database.open().await.audit();
        let full = entry("device-0001");
        let empty =
            NewAuditEntry { source: None, target: None, detail: None, outcome: AuditOutcome::Failed, ..full.clone() };
        let id = audit.insert(&full, at(1000)).await.unwrap();
        audit.insert(&empty, at(2000)).await.unwrap();
        let page = audit.list(&PageRequest::first(10)).await.unwrap();
        assert_eq!((&page.items[0].entry, &page.items[1].entry), (&empty, &full), "{}", database.name);
        assert_eq!((&page.items[1].id, page.items[1].at), (&id, at(1000)), "{}", database.name);
    }
}

#[tokio::test]
async fn a_change_and_its_entry_are_there_together_or_not_at_all() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        let page = PageRequest::first(10);
        let counts = async || {
            let revocations = store.revocations().list(&page).await.unwrap().items.len();
            (revocations, store.audit().list(&page).await.unwrap().items.len())
        };
        let new = revocation(RevocationKind::User, "ann");
        let mut dropped = store.change(&entry("dropped"), at(1000)).await.unwrap();
        dropped.revoke(&new).await.unwrap();
        drop(dropped);
        assert_eq!(counts().await, (0, 0), "{}", database.name);

        let mut made = store.change(&entry("made"), at(2000)).await.unwrap();
        let revocation = made.revoke(&new).await.unwrap();
        assert_eq!(counts().await, (0, 0), "{}: before it is made nobody sees it", database.name);
        made.commit().await.unwrap();
        assert_eq!(counts().await, (1, 1), "{}", database.name);

        let mut undone = store.change(&entry("undone"), at(3000)).await.unwrap();
        assert!(undone.let_in(&revocation.id).await.unwrap(), "{}", database.name);
        assert!(!undone.let_in(&revocation.id).await.unwrap(), "{}", database.name);
        undone.commit().await.unwrap();
        assert_eq!(counts().await, (0, 2), "{}", database.name);
    }
}

/// Ends a revocation. Returns whether it existed.
async fn let_in(store: &Database, id: &str) -> bool {
    let mut change = store.change(&entry(id), at(8999)).await.unwrap();
    let existed = change.let_in(id).await.unwrap();
    change.commit().await.unwrap();
    existed
}

fn revocation(kind: RevocationKind, value: &str) -> NewRevocation {
    NewRevocation {
        kind,
        value: value.to_owned(),
        reason: Some("stolen".to_owned()),
        created_by: "root".to_owned(),
        expires_at: None,
    }
}

fn entry(target: &str) -> NewAuditEntry {
    NewAuditEntry {
        actor: "root".to_owned(),
        source: Some("2001:db8::1".parse().unwrap()),
        action: "device.patch".to_owned(),
        target: Some(target.to_owned()),
        detail: Some(json!({ "state": "revoked" })),
        outcome: AuditOutcome::Refused,
    }
}
