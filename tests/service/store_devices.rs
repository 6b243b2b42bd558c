//! What is kept of devices, on SQLite and on PostgreSQL.

use std::time::Duration;

use serde_json::json;
use valetkey::service::rules::LimitOverrides;
use valetkey::service::store::{DeviceFilter, DevicePatch, DeviceState, Devices, PageRequest, Seen};

use crate::support::database::{TestDatabase, at, device};

#[tokio::test]
async fn a_device_is_added_when_it_is_first_seen_and_keeps_its_first_and_last_time() {
    for database in TestDatabase::each().await {
        let devices = database.open().await.devices();
        devices.see(&[seen(1, 5000, Some("acme"), None)]).await.unwrap();
        devices.see(&[seen(1, 9000, None, Some("ann")), seen(2, 9000, None, None)]).await.unwrap();
        devices.see(&[seen(1, 2000, Some("old"), Some("old"))]).await.unwrap();
        let first = devices.get(&device(1)).await.unwrap().unwrap();
        assert_eq!((first.first_seen, first.last_seen), (at(2000), at(9000)), "{}", database.name);
        assert_eq!((first.org.as_deref(), first.user.as_deref()), (Some("acme"), Some("ann")), "{}", database.name);
        assert_eq!((first.models, first.limits, first.budget), (None, LimitOverrides::default(), None));
        assert_eq!((first.state, first.updated_at), (DeviceState::Active, None));
        assert_eq!(devices.get(&device(3)).await.unwrap(), None);
    }
}

#[tokio::test]
async fn the_same_device_many_times_in_one_batch_is_one_device() {
    for database in TestDatabase::each().await {
        let devices = database.open().await.devices();
        let batch: Vec<_> = (0..3000).map(|number| seen(number % 1200, 1000 + number as u64, None, None)).collect();
        devices.see(&batch).await.unwrap();
        let first = devices.get(&device(0)).await.unwrap().unwrap();
        assert_eq!((first.first_seen, first.last_seen), (at(1000), at(3400)), "{}", database.name);
        assert_eq!(ids(&devices, DeviceFilter::default()).await.len(), 1200, "{}", database.name);
    }
}

#[tokio::test]
async fn an_administrator_changes_what_is_named_and_nothing_else() {
    for database in TestDatabase::each().await {
        let devices = database.open().await.devices();
        devices.see(&[seen(1, 5000, None, None)]).await.unwrap();
        let models = vec!["one \"quoted\"".to_owned(), "zwei €".to_owned()];
        let patch = DevicePatch {
            models: Some(Some(models.clone())),
            requests: Some(Some(0)),
            window: Some(Some(Duration::from_millis(1500))),
            tokens_per_minute: Some(Some(u64::MAX >> 1)),
            budget: Some(Some(json!({ "usd": 1.5 }))),
            state: Some(DeviceState::Revoked),
            ..DevicePatch::default()
        };
        let patched = devices.patch(&device(1), &patch, at(6000)).await.unwrap().unwrap();
        let limits = LimitOverrides {
            requests: Some(0),
            window: Some(Duration::from_millis(1500)),
            tokens_per_minute: Some(u64::MAX >> 1),
            concurrent: None,
        };
        assert_eq!((patched.models.clone(), patched.limits), (Some(models), limits), "{}", database.name);
        assert_eq!((patched.budget.clone(), patched.updated_at), (Some(json!({ "usd": 1.5 })), Some(at(6000))));
        assert_eq!(devices.get(&device(1)).await.unwrap().as_ref(), Some(&patched), "{}", database.name);

        let patch = DevicePatch { models: Some(None), concurrent: Some(Some(3)), ..DevicePatch::default() };
        let again = devices.patch(&device(1), &patch, at(7000)).await.unwrap().unwrap();
        assert_eq!((again.models, again.limits), (None, LimitOverrides { concurrent: Some(3), ..limits }));
        assert_eq!((again.state, again.last_seen), (DeviceState::Revoked, at(5000)));
        assert_eq!(devices.patch(&device(2), &patch, at(7000)).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_poll_sees_rules_and_not_traffic() {
    for database in TestDatabase::each().await {
        let devices = database.open().await.devices();
        devices.see(&[seen(1, 5000, None, None), seen(2, 5000, None, None)]).await.unwrap();
        let before = devices.revision().await.unwrap();
        devices.see(&[seen(1, 8000, None, None)]).await.unwrap();
        assert_eq!(devices.revision().await.unwrap(), before, "{}", database.name);
        assert_eq!(devices.changed_since(at(0)).await.unwrap(), []);

        let patch = DevicePatch { state: Some(DeviceState::Revoked), ..DevicePatch::default() };
        devices.patch(&device(2), &patch, at(6000)).await.unwrap();
        devices.patch(&device(1), &patch, at(7000)).await.unwrap();
        let changed = devices.changed_since(at(6000)).await.unwrap();
        assert_eq!(changed.iter().map(|changed| changed.id.clone()).collect::<Vec<_>>(), [device(2), device(1)]);
        assert_eq!(devices.changed_since(at(6001)).await.unwrap().len(), 1);
        let patched = devices.revision().await.unwrap();
        assert!(patched > before);

        assert!(devices.delete(&device(1)).await.unwrap());
        assert!(!devices.delete(&device(1)).await.unwrap());
        assert!(devices.revision().await.unwrap() > patched, "{}", database.name);
        assert_eq!(devices.get(&device(1)).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_list_is_given_page_by_page_and_narrowed() {
    for database in TestDatabase::each().await {
        let devices = database.open().await.devices();
        let orgs = [Some("acme"), Some("Acme"), Some("a%me"), None];
        let batch: Vec<_> = (0..20).map(|number| seen(number, 1000, orgs[number % 4], Some("müller"))).collect();
        devices.see(&batch).await.unwrap();
        let patch = DevicePatch { state: Some(DeviceState::Revoked), ..DevicePatch::default() };
        devices.patch(&device(7), &patch, at(2000)).await.unwrap();

        let mut page = PageRequest::first(7);
        let mut found = Vec::new();
        let mut pages = 0;
        loop {
            let answer = devices.list(&DeviceFilter::default(), &page).await.unwrap();
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

async fn ids(devices: &Devices, filter: DeviceFilter) -> Vec<String> {
    let page = PageRequest::first(PageRequest::MOST);
    let mut ids = Vec::new();
    let mut page = page;
    loop {
        let answer = devices.list(&filter, &page).await.unwrap();
        ids.extend(answer.items.into_iter().map(|device| device.id.to_string()));
        match answer.next {
            Some(next) => page.cursor = Some(next),
            None => return ids,
        }
    }
}

fn seen(number: usize, millis: u64, org: Option<&str>, user: Option<&str>) -> Seen {
    Seen { device: device(number), at: at(millis), org: org.map(Into::into), user: user.map(Into::into) }
}
