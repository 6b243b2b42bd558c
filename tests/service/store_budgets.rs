//! What is kept of budgets, and what was spent, on SQLite and on PostgreSQL.

use std::time::SystemTime;

use sqlx::Executor;
use valetkey::service::govern::budgets::{Limits, Subject};
use valetkey::service::meter::money::MicroDollars;
use valetkey::service::store::database::{AuditOutcome, Costs, DevicePatch, NewAuditEntry, PageRequest, UsageRow};

use testkit::stores::database::{TestDatabase, at, device, row};

#[tokio::test]
async fn a_budget_is_there_as_it_was_last_said_until_it_is_removed() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        let budgets = store.budgets();
        let (start, none) = budgets.all().await.unwrap();
        assert!(none.is_empty(), "{}", database.name);
        let daily = Limits { day: usd(5_000_001), ..Limits::default() };
        let all = Limits { day: usd(0), week: usd(7), month: usd(1_000_000_000_000_000) };
        for (limits, is_new) in [(daily, true), (all, false), (Limits::default(), false), (all, false)] {
            let mut change = store.change(&entry(), at(1000)).await.unwrap();
            assert_eq!(change.set_budget(&ada(), &limits).await.unwrap(), is_new, "{}", database.name);
            change.commit().await.unwrap();
            let (_, kept) = budgets.all().await.unwrap();
            assert_eq!((kept.len(), &kept[0].subject, kept[0].limits), (1, &ada(), limits), "{}", database.name);
            assert_eq!(kept[0].updated_at, at(1000));
        }
        assert_eq!(budgets.revision().await.unwrap(), start + 4, "{}", database.name);
        for removed in [true, false] {
            let mut change = store.change(&entry(), at(2000)).await.unwrap();
            assert_eq!(change.remove_budget(&ada()).await.unwrap(), removed, "{}", database.name);
            change.commit().await.unwrap();
        }
        let (revision, none) = budgets.all().await.unwrap();
        assert_eq!((revision, none.len()), (start + 5, 0), "{}: nothing was removed the second time", database.name);
    }
}

#[tokio::test]
async fn a_change_of_a_budget_that_is_not_made_leaves_nothing() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        let revision = store.budgets().revision().await.unwrap();
        let mut dropped = store.change(&entry(), at(1000)).await.unwrap();
        dropped.set_budget(&ada(), &Limits::default()).await.unwrap();
        drop(dropped);
        assert_eq!(store.budgets().all().await.unwrap(), (revision, vec![]), "{}", database.name);
        assert!(store.audit().list(&PageRequest::first(10)).await.unwrap().items.is_empty(), "{}", database.name);
    }
}

#[tokio::test]
async fn budgets_are_listed_by_kind_and_name_page_by_page() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        let mut change = store.change(&entry(), at(1000)).await.unwrap();
        for name in ["c", "a.b", "d"] {
            for subject in [Subject::User(name.into()), Subject::Org(name.into())] {
                change.set_budget(&subject, &Limits::default()).await.unwrap();
            }
        }
        change.commit().await.unwrap();
        let (mut page, mut found) = (PageRequest::first(4), Vec::new());
        loop {
            let answer = store.budgets().list(&page).await.unwrap();
            found.extend(answer.items.into_iter().map(|budget| budget.subject));
            page.cursor = answer.next;
            if page.cursor.is_none() {
                break;
            }
        }
        let names = ["a.b", "c", "d"];
        let orgs = names.map(|name| Subject::Org(name.into()));
        let expected: Vec<_> = orgs.into_iter().chain(names.map(|name| Subject::User(name.into()))).collect();
        assert_eq!(found, expected, "{}", database.name);
    }
}

#[tokio::test]
async fn costs_are_summed_up_by_device_user_and_organisation_between_two_times() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        let spent = |number: u64, user: Option<&str>, org: Option<&str>, millis: u64, cost: Option<u64>| UsageRow {
            user: user.map(str::to_owned),
            org: org.map(str::to_owned),
            cost_microusd: cost,
            ..row(&format!("req_{number}"), device(1), at(millis))
        };
        let rows = [
            spent(1, Some("ada"), Some("acme"), 1000, Some(1)),
            spent(2, Some("ada"), Some("acme"), 1999, Some(20)),
            spent(3, Some("ada"), None, 1500, Some(300)),
            spent(4, Some("bob"), None, 1500, None),
            spent(5, None, None, 1500, Some(u64::from(u32::MAX) << 16)),
            spent(6, None, None, 2000, Some(7)),
            spent(7, None, None, 999, Some(7)),
        ];
        store.usage().insert(&rows, SystemTime::now()).await.unwrap();
        let mut found = store.usage().costs(at(1000), at(2000)).await.unwrap();
        found.sort_by_key(|costs| costs.sum);
        let costs = |user: Option<&str>, org: Option<&str>, sum: u64| Costs {
            device: device(1),
            user: user.map(str::to_owned),
            org: org.map(str::to_owned),
            sum: MicroDollars::new(sum),
        };
        let large = u64::from(u32::MAX) << 16;
        let expected = [costs(Some("ada"), Some("acme"), 21), costs(Some("ada"), None, 300), costs(None, None, large)];
        assert_eq!(found, expected, "{}", database.name);
    }
}

#[tokio::test]
async fn what_an_earlier_version_kept_as_a_devices_budget_is_none() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        let mut change = store.change(&entry(), at(1000)).await.unwrap();
        change.patch_device(&device(1), &DevicePatch::default()).await.unwrap();
        change.commit().await.unwrap();
        let mut connection = database.connect().await;
        for (kept, budget) in [
            (r#"{"usd":1.5}"#, None),
            ("[]", None),
            (r#"{"day_usd":1.5}"#, Some(Limits { day: usd(1_500_000), ..Limits::default() })),
            ("{}", Some(Limits::default())),
        ] {
            connection.execute(format!("UPDATE devices SET budget = '{kept}'").as_str()).await.unwrap();
            let device = store.devices().get(&device(1), at(0)).await.unwrap().unwrap();
            assert_eq!(device.budget, budget, "{}: {kept}", database.name);
        }
    }
}

fn ada() -> Subject {
    Subject::User("ada".into())
}

fn usd(micros: u64) -> Option<MicroDollars> {
    Some(MicroDollars::new(micros))
}

fn entry() -> NewAuditEntry {
    NewAuditEntry {
        actor: "root".to_owned(),
        source: None,
        action: "PUT".to_owned(),
        target: None,
        detail: None,
        outcome: AuditOutcome::Done,
    }
}
