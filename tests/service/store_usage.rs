//! The history of usage, on SQLite and on PostgreSQL.

use std::time::{Duration, SystemTime};

use sqlx::{Connection, Executor};
use valetkey::service::meter::usage::CostCertainty;
use valetkey::service::store::database::{PageRequest, StoreError, Totals, TotalsBy, UsageFilter, UsageRow};

use testkit::stores::database::{TestDatabase, at, device, row};

#[tokio::test]
async fn a_row_comes_back_as_it_was_written() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        let full = row("req_1", device(1), at(1_700_000_000_123));
        let empty = UsageRow {
            upstream_request_id: None,
            org: None,
            user: Some("ann".to_owned()),
            model_asked: None,
            model_answered: None,
            status: None,
            first_byte_ms: None,
            cost_microusd: None,
            cost_certainty: None,
            ..row("req_2", device(2), at(1_700_000_000_122))
        };
        store.usage().insert(&[empty.clone(), full.clone()], SystemTime::now()).await.unwrap();
        let page = store.usage().list(&UsageFilter::default(), &PageRequest::first(10)).await.unwrap();
        assert_eq!((page.items, page.next), (vec![full, empty], None), "{}", database.name);
        let seen = store.devices().get(&device(1), at(0)).await.unwrap().unwrap();
        assert_eq!((seen.last_seen, seen.org.as_deref()), (Some(at(1_700_000_000_123)), Some("acme")));
    }
}

#[tokio::test]
async fn a_row_that_is_written_twice_is_there_once() {
    for database in TestDatabase::each().await {
        let usage = database.open().await.usage();
        let first = row("req_1", device(1), at(1000));
        usage.insert(&[first.clone(), first.clone()], SystemTime::now()).await.unwrap();
        usage
            .insert(&[row("req_2", device(1), at(1000)), UsageRow { total_ms: 9, ..first.clone() }], SystemTime::now())
            .await
            .unwrap();
        let page = usage.list(&UsageFilter::default(), &PageRequest::first(10)).await.unwrap();
        assert_eq!(page.items, [row("req_2", device(1), at(1000)), first], "{}", database.name);
    }
}

#[tokio::test]
async fn f71_rows_that_come_late_are_counted_and_others_are_not() {
    for database in TestDatabase::each().await {
        let (usage, now) = (database.open().await.usage(), at(1_700_000_000_000));
        let start = usage.late_revision().await.unwrap();
        let ended =
            |number: usize, before: u64| row(&format!("req_{number}"), device(1), now - Duration::from_secs(before));
        for (number, (before, late)) in [(0, 0), (30, 0), (31, 1), (30, 1), (3600, 2)].into_iter().enumerate() {
            usage.insert(&[ended(2 * number, 0), ended(2 * number + 1, before)], now).await.unwrap();
            assert_eq!(usage.late_revision().await.unwrap(), start + late, "{}: {before} s", database.name);
        }
    }
}

#[tokio::test]
async fn what_a_request_may_hold_and_a_database_may_not_does_no_harm() {
    for database in TestDatabase::each().await {
        let usage = database.open().await.usage();
        let odd = UsageRow {
            model_asked: Some("nul\0 '; DROP TABLE usage_records; -- \u{1f980}".to_owned()),
            total_ms: u64::MAX,
            ..row("req_1", device(1), at(1000))
        };
        usage.insert(std::slice::from_ref(&odd), SystemTime::now()).await.unwrap();
        let page = usage.list(&UsageFilter::default(), &PageRequest::first(10)).await.unwrap();
        let kept = odd.model_asked.map(|model| model.replace('\0', "\u{fffd}"));
        assert_eq!(page.items[0].model_asked, kept, "{}", database.name);
        assert_eq!(page.items[0].total_ms, u64::MAX >> 1, "{}", database.name);
    }
}

#[tokio::test]
async fn a_list_has_the_newest_first_and_goes_on_where_a_page_ended() {
    for database in TestDatabase::each().await {
        let usage = database.open().await.usage();
        // Three at each moment, so that pages end between equal times.
        let rows: Vec<_> = (0..1203)
            .map(|number| row(&format!("req_{number:05}"), device(number % 3), at(number as u64 / 3)))
            .collect();
        usage.insert(&rows, SystemTime::now()).await.unwrap();
        let mut page = PageRequest::first(100);
        let mut found = Vec::new();
        loop {
            let answer = usage.list(&UsageFilter::default(), &page).await.unwrap();
            found.extend(answer.items);
            page.cursor = answer.next;
            if page.cursor.is_none() {
                break;
            }
        }
        let newest_first: Vec<_> = rows.into_iter().rev().collect();
        assert!(found == newest_first, "{}: {} rows", database.name, found.len());
        for cursor in ["", "x", "x.y", "9999999999999999999999.x"] {
            let page = PageRequest { cursor: Some(cursor.to_owned()), limit: 1 };
            let refused = usage.list(&UsageFilter::default(), &page).await.unwrap_err();
            assert!(matches!(refused, StoreError::Cursor), "{cursor:?}: {refused}");
        }
    }
}

#[tokio::test]
async fn rows_are_narrowed_by_every_filter() {
    for database in TestDatabase::each().await {
        let usage = database.open().await.usage();
        let plain = row("req_1", device(1), at(1000));
        let asked = UsageRow { model_answered: None, org: None, ..row("req_2", device(2), at(2000)) };
        let user = UsageRow { user: Some("ann".to_owned()), ..row("req_3", device(2), at(3000)) };
        usage.insert(&[plain, asked, user], SystemTime::now()).await.unwrap();
        let ids = async |filter: UsageFilter| -> Vec<String> {
            let page = usage.list(&filter, &PageRequest::first(10)).await.unwrap();
            page.items.into_iter().map(|row| row.request_id).collect()
        };
        let all = UsageFilter::default;
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            ids(UsageFilter { device: Some(device(2)), ..all() }).await,
            ["req_3", "req_2"],
            "{}",
            database.name
        );
        assert_eq!(ids(UsageFilter { user: text("ann"), ..all() }).await, ["req_3"]);
        assert_eq!(ids(UsageFilter { org: text("acme"), ..all() }).await, ["req_3", "req_1"]);
        assert_eq!(ids(UsageFilter { model: text("model-asked"), ..all() }).await, ["req_2"]);
        assert_eq!(ids(UsageFilter { model: text("model-answered"), ..all() }).await, ["req_3", "req_1"]);
        assert_eq!(ids(UsageFilter { from: Some(at(1000)), to: Some(at(3000)), ..all() }).await, ["req_2", "req_1"]);
        assert!(ids(UsageFilter { org: text("acme"), to: Some(at(1000)), ..all() }).await.is_empty());
    }
}

#[tokio::test]
async fn ids_of_one_model_are_found_and_summed_together() {
    let models = ["claude-opus-5", "claude-opus-5-20260101", "claude-opus-5[1m]", "claude-opus-5-20260101[1m]"];
    let others = ["claude-opus-5-5", "claude-opus-5-2026010", "claude-opus-5-2026010x", "claude-opus-55-20260101"];
    for database in TestDatabase::each().await {
        let usage = database.open().await.usage();
        let rows = models.iter().chain(&others).enumerate().map(|(number, model)| UsageRow {
            model_answered: Some((*model).to_owned()),
            ..row(&format!("req_{number}"), device(1), at(1000))
        });
        usage.insert(&rows.collect::<Vec<_>>(), SystemTime::now()).await.unwrap();
        let totals = usage.totals(TotalsBy::Model, &UsageFilter::default()).await.unwrap();
        let sums: Vec<_> = totals.iter().map(|sum| (sum.key.as_deref().unwrap(), sum.requests)).collect();
        let expected = [
            ("claude-opus-5", 4),
            ("claude-opus-5-2026010", 1),
            ("claude-opus-5-2026010x", 1),
            ("claude-opus-5-5", 1),
            ("claude-opus-55", 1),
        ];
        assert_eq!(sums, expected, "{}", database.name);
        for (asked, count) in
            models.map(|model| (model, 4)).into_iter().chain([("claude-opus-5-5", 1), ("claude-opus", 0)])
        {
            let filter = UsageFilter { model: Some(asked.to_owned()), ..UsageFilter::default() };
            let found = usage.list(&filter, &PageRequest::first(10)).await.unwrap();
            assert_eq!(found.items.len(), count, "{}: {asked}", database.name);
        }
    }
}

#[tokio::test]
async fn sums_are_right_for_every_key() {
    const DAY: u64 = 86_400_000;
    for database in TestDatabase::each().await {
        let usage = database.open().await.usage();
        // The last and the first millisecond of two days.
        let first = row("req_1", device(1), at(20_000 * DAY - 1));
        let second = row("req_2", device(1), at(20_000 * DAY));
        let third = UsageRow {
            org: None,
            user: Some("ann".to_owned()),
            model_answered: None,
            cost_microusd: None,
            ..row("req_3", device(2), at(20_000 * DAY + 5))
        };
        usage.insert(&[first, second, third], SystemTime::now()).await.unwrap();
        let totals = async |by| usage.totals(by, &UsageFilter::default()).await.unwrap();
        let sum = |key: Option<&str>, requests: u64, priced: u64| Totals {
            key: key.map(Into::into),
            requests,
            input_tokens: requests,
            output_tokens: 20 * requests,
            cache_creation_input_tokens: 4300 * requests,
            cache_read_input_tokens: 50_000 * requests,
            cost_microusd: 7 * priced,
            cost_exact_microusd: 0,
            requests_of_unknown_cost: 0,
        };
        let name = database.name;
        assert_eq!(
            totals(TotalsBy::Device).await,
            [sum(Some("device-0001"), 2, 2), sum(Some("device-0002"), 1, 0)],
            "{name}"
        );
        assert_eq!(totals(TotalsBy::User).await, [sum(None, 2, 2), sum(Some("ann"), 1, 0)], "{name}");
        assert_eq!(totals(TotalsBy::Org).await, [sum(None, 1, 0), sum(Some("acme"), 2, 2)], "{name}");
        let models = [sum(Some("model-answered"), 2, 2), sum(Some("model-asked"), 1, 0)];
        assert_eq!(totals(TotalsBy::Model).await, models, "{name}");
        assert_eq!(
            totals(TotalsBy::Day).await,
            [sum(Some("2024-10-03"), 1, 1), sum(Some("2024-10-04"), 2, 1)],
            "{name}"
        );
        let filter = UsageFilter { from: Some(at(20_000 * DAY)), ..UsageFilter::default() };
        assert_eq!(usage.totals(TotalsBy::Day, &filter).await.unwrap(), [sum(Some("2024-10-04"), 2, 1)], "{name}");
        let none = UsageFilter { to: Some(at(0)), ..UsageFilter::default() };
        assert_eq!(usage.totals(TotalsBy::Day, &none).await.unwrap(), [], "{name}");
    }
}

#[tokio::test]
async fn sums_say_how_much_of_them_is_exact_and_how_many_costs_are_unknown() {
    for database in TestDatabase::each().await {
        let usage = database.open().await.usage();
        let of = |number: usize, model: &str, cost: Option<u64>, certainty: Option<CostCertainty>| UsageRow {
            model_answered: Some(model.to_owned()),
            cost_microusd: cost,
            cost_certainty: certainty,
            ..row(&format!("req_{number}"), device(1), at(1000))
        };
        let rows = [
            of(1, "claude-opus-5", Some(1), Some(CostCertainty::Exact)),
            of(2, "claude-opus-5-20260101", Some(20), Some(CostCertainty::Exact)),
            of(3, "claude-opus-5", Some(300), Some(CostCertainty::Estimated)),
            of(4, "claude-opus-5[1m]", None, Some(CostCertainty::Unknown)),
            of(5, "claude-opus-5", Some(4000), Some(CostCertainty::Unknown)),
            // Costs nothing.
            of(6, "claude-opus-5", None, Some(CostCertainty::Exact)),
            // Of an earlier version.
            of(7, "claude-opus-5", Some(50_000), None),
            of(8, "claude-opus-5", None, None),
        ];
        usage.insert(&rows, SystemTime::now()).await.unwrap();
        for by in [TotalsBy::Device, TotalsBy::Model] {
            let sums = usage.totals(by, &UsageFilter::default()).await.unwrap();
            assert_eq!(sums.len(), 1, "{}: {by:?}", database.name);
            let sum = &sums[0];
            let costs = (sum.cost_microusd, sum.cost_exact_microusd, sum.requests_of_unknown_cost);
            assert_eq!((sum.requests, costs), (8, (54_321, 21, 2)), "{}: {by:?}", database.name);
        }
        let page = usage.list(&UsageFilter::default(), &PageRequest::first(10)).await.unwrap();
        let listed = page.items.iter().rev().map(|row| row.cost_certainty);
        assert!(listed.eq(rows.iter().map(|row| row.cost_certainty)), "{}", database.name);
    }
}

#[tokio::test]
async fn records_of_an_earlier_version_are_kept_and_do_not_say_how_sure_their_cost_is() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        store.usage().insert(&[row("req_1", device(1), at(1000))], SystemTime::now()).await.unwrap();
        store.close().await;
        let mut connection = database.connect().await;
        connection.execute("ALTER TABLE usage_records DROP COLUMN cost_certainty").await.unwrap();
        connection.execute("DELETE FROM _sqlx_migrations WHERE version >= 8").await.unwrap();
        connection.close().await.unwrap();

        let usage = database.open().await.usage();
        let page = usage.list(&UsageFilter::default(), &PageRequest::first(10)).await.unwrap();
        assert_eq!((page.items[0].cost_microusd, page.items[0].cost_certainty), (Some(7), None), "{}", database.name);
        let sums = usage.totals(TotalsBy::Device, &UsageFilter::default()).await.unwrap();
        assert_eq!((sums[0].cost_microusd, sums[0].cost_exact_microusd), (7, 0), "{}", database.name);
        assert_eq!(sums[0].requests_of_unknown_cost, 0, "{}", database.name);
    }
}
