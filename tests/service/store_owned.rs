//! Who owns what upstream, on SQLite and on PostgreSQL.

use std::time::{Duration, SystemTime};

use serde_json::json;
use valetkey::service::meter::usage::{Reference, ReferenceKind, UsageRecord};
use valetkey::service::store::database::{
    ObjectKind, OwnedObject, PageRequest, PageStart, StoreError, UsageFilter, UsageRow,
};

use testkit::stores::database::{TestDatabase, at, device, record};

#[tokio::test]
async fn an_object_is_found_by_its_owner_alone() {
    for database in TestDatabase::each().await {
        let objects = database.open().await.owned_objects();
        let batch = OwnedObject { look_at: Some(at(5000)), ..object("msgbatch_1", ObjectKind::Batch, 1, 1000) };
        objects.insert(&batch).await.unwrap();
        let found = objects.find(&device(1), ObjectKind::Batch, "msgbatch_1").await.unwrap();
        assert_eq!(found, Some(batch.clone()), "{}", database.name);
        assert_eq!(objects.with_id("msgbatch_1").await.unwrap(), Some(batch), "{}", database.name);
        assert_eq!(objects.with_id("msgbatch_2").await.unwrap(), None, "{}", database.name);
        for (owner, kind, id) in [
            (2, ObjectKind::Batch, "msgbatch_1"),
            (1, ObjectKind::File, "msgbatch_1"),
            (1, ObjectKind::Batch, "msgbatch_"),
            (1, ObjectKind::Batch, "MSGBATCH_1"),
            (1, ObjectKind::Batch, "msgbatch%"),
        ] {
            assert_eq!(objects.find(&device(owner), kind, id).await.unwrap(), None, "{} {id}", database.name);
        }
        objects.delete(&device(2), "msgbatch_1").await.unwrap();
        assert!(objects.with_id("msgbatch_1").await.unwrap().is_some(), "{}: it is another device's", database.name);
        objects.delete(&device(1), "msgbatch_1").await.unwrap();
        assert_eq!(objects.find(&device(1), ObjectKind::Batch, "msgbatch_1").await.unwrap(), None);
    }
}

#[tokio::test]
async fn a32_nobody_can_take_what_somebody_has() {
    for database in TestDatabase::each().await {
        let objects = database.open().await.owned_objects();
        let first = object("file_1", ObjectKind::File, 1, 1000);
        objects.insert(&first).await.unwrap();
        let again = objects.insert(&object("file_1", ObjectKind::File, 2, 2000)).await.unwrap_err();
        assert!(matches!(again, StoreError::Refused(_)), "{}: {again:?}", database.name);
        assert_eq!(objects.find(&device(1), ObjectKind::File, "file_1").await.unwrap(), Some(first));
    }
}

#[tokio::test]
async fn a32_a_devices_files_are_told_from_others_among_many() {
    for database in TestDatabase::each().await {
        let objects = database.open().await.owned_objects();
        let mut names = Vec::new();
        for number in 0..600 {
            let file = object(&format!("file_{number}"), ObjectKind::File, 1, number);
            objects.insert(&file).await.unwrap();
            names.push(file.id);
        }
        objects.insert(&object("file_x", ObjectKind::File, 2, 1)).await.unwrap();
        objects.insert(&object("msgbatch_1", ObjectKind::Batch, 1, 1)).await.unwrap();
        let own = async |names: &[String]| {
            let mut own = objects.of_device(&device(1), ObjectKind::File, names).await.unwrap();
            own.sort_unstable();
            own
        };
        assert_eq!(own(&[]).await, Vec::<String>::new(), "{}", database.name);
        let others = ["file_x", "file_unknown", "msgbatch_1"].map(str::to_owned);
        let asked: Vec<_> = names[..550].iter().chain(&others).chain(&names[550..]).cloned().collect();
        let unknown_first: Vec<_> = others.iter().chain(&names).cloned().collect();
        names.sort_unstable();
        assert_eq!(own(&asked).await, names, "{}", database.name);
        let found = own(&unknown_first).await.len();
        assert_eq!(found, 500 - others.len(), "{}: no statement follows one that finds an id unknown", database.name);
    }
}

#[tokio::test]
async fn f82_a_file_that_claude_made_is_its_devices_like_one_that_it_uploads() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        let file = [reference(ReferenceKind::File, "file_1", None)];
        for _ in 0..2 {
            store.usage().insert(&[with("req_1", 1, at(1000), &file)], SystemTime::now()).await.unwrap();
        }
        let objects = store.owned_objects();
        let found = objects.find(&device(1), ObjectKind::File, "file_1").await.unwrap();
        assert_eq!(found, Some(object("file_1", ObjectKind::File, 1, 1000)), "{}", database.name);
        let ids = ["file_1".to_owned()];
        let kept = store.owned_references().of_device(&device(1), &ids, at(1000)).await.unwrap();
        assert!(kept.is_empty(), "{}: it is in one table", database.name);
    }
}

#[test]
fn f82_a_version_that_knows_no_files_reads_the_spilled_record_of_an_answer_that_made_one() {
    let made = [ReferenceKind::Message, ReferenceKind::Container, ReferenceKind::File];
    let made = made.map(|kind| reference(kind, "id_1", None));
    let row = with("req_1", 1, at(1000), &made);
    let mut line = serde_json::to_value(&row).unwrap();
    let kinds: Vec<_> = line["references"].as_array().unwrap().iter().map(|one| one["kind"].clone()).collect();
    assert_eq!((json!(kinds), &line["files"]), (json!(["message", "container"]), &json!(["id_1"])));
    line["of_a_later_version"] = json!([{ "kind": "new" }]);
    assert_eq!(serde_json::from_str::<UsageRow>(&line.to_string()).unwrap(), row, "no field is too many");
}

#[tokio::test]
async fn a61_a_file_that_has_an_owner_stays_that_owners() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        let objects = store.owned_objects();
        let uploaded = object("file_1", ObjectKind::File, 1, 1000);
        objects.insert(&uploaded).await.unwrap();
        let files = ["file_1", "file_2"].map(|id| reference(ReferenceKind::File, id, None));
        // The second file is in two records, of which the later one comes first.
        let rows = [(3, at(3000), &files[1..]), (2, at(2000), &files[..])];
        let rows = rows.map(|(owner, at, files)| with(&format!("req_{owner}"), owner, at, files));
        store.usage().insert(&rows, SystemTime::now()).await.unwrap();
        let found = async |owner, id| objects.find(&device(owner), ObjectKind::File, id).await.unwrap();
        assert_eq!(found(1, "file_1").await, Some(uploaded), "{}", database.name);
        assert_eq!((found(2, "file_1").await, found(3, "file_2").await), (None, None), "{}", database.name);
        assert!(found(2, "file_2").await.is_some(), "{}", database.name);
    }
}

#[tokio::test]
async fn pages_go_both_ways_and_know_their_end() {
    for database in TestDatabase::each().await {
        let objects = database.open().await.owned_objects();
        for number in 0..10_u64 {
            // Two each at the same time.
            let owner = if number == 5 { 2 } else { 1 };
            let file = object(&format!("file_{number}"), ObjectKind::File, owner, 1000 + number / 2);
            objects.insert(&file).await.unwrap();
        }
        objects.insert(&object("msgbatch_1", ObjectKind::Batch, 1, 1000)).await.unwrap();
        let page = async |start: PageStart, limit| {
            let page = objects.page(&device(1), ObjectKind::File, &start, limit).await.unwrap()?;
            let numbers: Vec<_> = page.objects.iter().map(|object| object.id.replace("file_", "")).collect();
            Some((numbers.concat(), page.has_more))
        };
        let (after, before) = (|id: &str| PageStart::After(id.into()), |id: &str| PageStart::Before(id.into()));
        for (start, limit, expected) in [
            (PageStart::Newest, 4, Some(("9876", true))),
            (after("file_6"), 4, Some(("4321", true))),
            (after("file_1"), 4, Some(("0", false))),
            (after("file_0"), 4, Some(("", false))),
            (before("file_4"), 2, Some(("67", true))),
            (before("file_6"), 3, Some(("789", false))),
            (before("file_9"), 3, Some(("", false))),
            (PageStart::Newest, 9, Some(("987643210", false))),
            (after("file_5"), 4, None),
            (after("msgbatch_1"), 4, None),
            (before("file_77"), 4, None),
        ] {
            let found = page(start.clone(), limit).await;
            let found = found.as_ref().map(|(numbers, more)| (numbers.as_str(), *more));
            assert_eq!(found, expected, "{} {start:?}", database.name);
        }
    }
}

#[tokio::test]
async fn what_is_missing_for_a_moment_stays_and_what_is_missing_for_a_day_goes() {
    let day = Duration::from_secs(24 * 3600);
    for database in TestDatabase::each().await {
        let objects = database.open().await.owned_objects();
        objects.insert(&object("file_1", ObjectKind::File, 1, 1000)).await.unwrap();
        let found = async || objects.find(&device(1), ObjectKind::File, "file_1").await.unwrap();
        objects.note_missing(&found().await.unwrap(), true, at(5000)).await.unwrap();
        assert_eq!(found().await.unwrap().missing_since, Some(at(5000)), "{}", database.name);
        objects.note_missing(&found().await.unwrap(), true, at(9000)).await.unwrap();
        assert_eq!(found().await.unwrap().missing_since, Some(at(5000)), "{}", database.name);
        objects.note_missing(&found().await.unwrap(), false, at(9000)).await.unwrap();
        assert_eq!(found().await.unwrap().missing_since, None, "{}", database.name);
        objects.note_missing(&found().await.unwrap(), true, at(10_000)).await.unwrap();
        objects.note_missing(&found().await.unwrap(), true, at(10_000) + day).await.unwrap();
        assert!(found().await.is_some(), "{}", database.name);
        objects.note_missing(&found().await.unwrap(), true, at(10_001) + day).await.unwrap();
        assert_eq!(found().await, None, "{}", database.name);
    }
}

#[tokio::test]
async fn one_of_several_instances_looks_after_a_batch() {
    for database in TestDatabase::each().await {
        let (one, other) = (database.open().await.owned_objects(), database.open().await.owned_objects());
        for (number, look_at) in [(1, Some(3000)), (2, Some(2000)), (3, None)] {
            let batch = object(&format!("msgbatch_{number}"), ObjectKind::Batch, 1, 1000);
            one.insert(&OwnedObject { look_at: look_at.map(at), ..batch }).await.unwrap();
        }
        assert_eq!(one.due(at(1999)).await.unwrap(), None, "{}", database.name);
        let seen = [one.due(at(2500)).await.unwrap().unwrap(), other.due(at(2500)).await.unwrap().unwrap()];
        assert_eq!((seen[0].id.as_str(), &seen[0]), ("msgbatch_2", &seen[1]), "{}", database.name);
        assert!(other.look_again(&seen[1], Some(at(9000))).await.unwrap());
        assert!(!one.look_again(&seen[0], Some(at(9500))).await.unwrap(), "{}", database.name);
        assert_eq!(one.due(at(2500)).await.unwrap(), None, "{}", database.name);
        assert_eq!(one.due(at(3000)).await.unwrap().map(|batch| batch.id).as_deref(), Some("msgbatch_1"));
        one.settle("msgbatch_1").await.unwrap();
        assert_eq!(one.due(at(8999)).await.unwrap(), None, "{}", database.name);
        let moved = one.due(at(9000)).await.unwrap().unwrap();
        assert!(one.look_again(&moved, None).await.unwrap());
        assert_eq!(one.due(at(u64::from(u32::MAX))).await.unwrap(), None, "{}", database.name);
    }
}

#[tokio::test]
async fn a51_a52_a_reference_is_recorded_with_the_usage_of_its_request_and_found_by_its_owner_alone() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        let made = [
            reference(ReferenceKind::Message, "msg_1", Some(900_000)),
            reference(ReferenceKind::Container, "c_1", None),
        ];
        store.usage().insert(&[with("req_1", 1, at(1000), &made)], SystemTime::now()).await.unwrap();
        let found = async |owner, now| {
            let ids = ["msg_1".to_owned(), "c_1".to_owned(), "msg_2".to_owned()];
            let mut found = store.owned_references().of_device(&device(owner), &ids, now).await.unwrap();
            found.sort_by(|one, other| other.id.cmp(&one.id));
            found
        };
        assert_eq!(found(1, at(1000)).await, made, "{}", database.name);
        assert!(found(2, at(1000)).await.is_empty(), "{}", database.name);
        // Another device cannot take them, and a repeated record changes nothing.
        let taken =
            [reference(ReferenceKind::Message, "msg_1", None), reference(ReferenceKind::Container, "c_1", None)];
        store.usage().insert(&[with("req_2", 2, at(2000), &taken)], SystemTime::now()).await.unwrap();
        store.usage().insert(&[with("req_1", 1, at(1000), &made)], SystemTime::now()).await.unwrap();
        assert_eq!((found(1, at(2000)).await, found(2, at(2000)).await), (made.to_vec(), vec![]), "{}", database.name);
        let [message, container] = [ReferenceKind::Message, ReferenceKind::Container].map(life);
        assert_eq!(found(1, at(1000) + message).await, made[1..].to_vec(), "{}", database.name);
        assert!(found(1, at(1000) + container).await.is_empty(), "{}", database.name);
        let rows = store.usage().list(&UsageFilter::default(), &PageRequest::first(10)).await.unwrap().items;
        assert!(rows.iter().all(|row| row.references.is_empty()), "{}", database.name);
    }
}

#[tokio::test]
async fn a52_a_container_that_is_used_again_lives_longer_also_within_one_batch_of_records() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        let container = [reference(ReferenceKind::Container, "c_1", None)];
        let (first, day) = (at(1000), Duration::from_secs(24 * 3600));
        let rows = [(2, day), (1, Duration::ZERO), (3, day / 2)]
            .map(|(number, later)| with(&format!("req_{number}"), 1, first + later, &container));
        store.usage().insert(&rows, SystemTime::now()).await.unwrap();
        let references = store.owned_references();
        let ids = ["c_1".to_owned()];
        let lives = async |now| !references.of_device(&device(1), &ids, now).await.unwrap().is_empty();
        let life = life(ReferenceKind::Container);
        assert!(lives(first + life + day / 2).await, "{}: as long as by the last of them", database.name);
        store.usage().insert(&[with("req_4", 1, first + day * 2, &container)], SystemTime::now()).await.unwrap();
        assert!(lives(first + life + day).await && !lives(first + life + day * 2).await, "{}", database.name);
    }
}

#[tokio::test]
async fn a52_a_spilled_record_that_comes_after_a_later_one_takes_nothing_back() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        let (first, day) = (at(1000), Duration::from_secs(24 * 3600));
        let later = [reference(ReferenceKind::Message, "msg_1", Some(900_000))];
        store.usage().insert(&[with("req_2", 1, first + day, &later)], SystemTime::now()).await.unwrap();
        let spilled = [reference(ReferenceKind::Message, "msg_1", None)];
        store.usage().insert(&[with("req_1", 1, first, &spilled)], SystemTime::now()).await.unwrap();
        let last = first + day + life(ReferenceKind::Message) - Duration::from_secs(1);
        let found = store.owned_references().of_device(&device(1), &["msg_1".to_owned()], last).await.unwrap();
        assert_eq!(found, later, "{}", database.name);
    }
}

#[tokio::test]
async fn references_that_have_ended_are_deleted_so_many_at_once() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        let messages: Vec<_> =
            (0..10).map(|number| reference(ReferenceKind::Message, &format!("msg_{number}"), None)).collect();
        store.usage().insert(&[with("req_1", 1, at(1000), &messages[..7])], SystemTime::now()).await.unwrap();
        store.usage().insert(&[with("req_2", 1, at(2000), &messages[7..])], SystemTime::now()).await.unwrap();
        let (references, now) = (store.owned_references(), at(1000) + life(ReferenceKind::Message));
        for deleted in [4, 3, 0] {
            assert_eq!(references.delete_expired(now, 4).await.unwrap(), deleted, "{}", database.name);
        }
        let ids: Vec<_> = messages.iter().map(|message| message.id.to_string()).collect();
        assert_eq!(references.of_device(&device(1), &ids, at(1000)).await.unwrap().len(), 3, "{}", database.name);
    }
}

fn reference(kind: ReferenceKind, id: &str, tokens: Option<u64>) -> Reference {
    Reference { kind, id: id.into(), tokens }
}

/// How long the upstream keeps what it forgets by itself.
fn life(kind: ReferenceKind) -> Duration {
    kind.life().unwrap()
}

/// The record of a request that has made these.
fn with(id: &str, owner: usize, finished_at: SystemTime, references: &[Reference]) -> UsageRow {
    UsageRow::of(UsageRecord { references: references.to_vec(), ..record(id, device(owner)) }, finished_at, Some(7))
}

fn object(id: &str, kind: ObjectKind, owner: usize, created_at: u64) -> OwnedObject {
    OwnedObject {
        id: id.to_owned(),
        kind,
        device: device(owner),
        org: Some("acme".to_owned()),
        user: None,
        created_at: at(created_at),
        look_at: None,
        missing_since: None,
    }
}
