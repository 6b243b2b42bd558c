//! What was spent before this start, on other days and by other instances.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;
use sqlx::Executor;
use valetkey::clock::{Clock, ManualClock};
use valetkey::service::govern::budgets::Period;
use valetkey::service::store::database::{Database, UsageRow};

use crate::governed_budgets::{BODY, costing};
use testkit::service::TestService;
use testkit::stores::database::{TestDatabase, device, row};
use testkit::upstream::Upstream;

#[tokio::test]
async fn instances_know_what_others_have_spent_ten_seconds_after_it_is_on_record() {
    for database in TestDatabase::each().await {
        let (upstream, clock) = (expensive(), noon());
        let [one, other] = [(); 2].map(|()| on(&database, &upstream, &clock, "0.15/day"));
        let token = one.token().await;
        for count in 1..=2 {
            assert_eq!(one.messages(&token, BODY).await.status, 200, "{}", database.name);
            one.usage.wait_for(count).await;
        }
        assert_eq!(one.messages(&token, BODY).await.error_code(), "budget_spent", "{}", database.name);
        on_record(&other, 2).await;
        assert_eq!(spent(&other, "day").await, 0.0, "{}: it has not looked yet", database.name);
        clock.advance(EVERY);
        let since = Instant::now();
        other.until(async || spent(&other, "day").await > 0.2).await;
        assert!(since.elapsed() < Duration::from_secs(2), "{}: {:?}", database.name, since.elapsed());
        assert_eq!(other.messages(&token, BODY).await.error_code(), "budget_spent", "{}", database.name);
        assert_eq!(upstream.requests().len(), 2, "{}", database.name);
    }
}

#[tokio::test]
async fn what_an_instance_has_spent_itself_counts_once() {
    for database in TestDatabase::each().await {
        let (upstream, clock) = (expensive(), noon());
        let service = on(&database, &upstream, &clock, "5/day,5/week,5/month");
        let token = service.token().await;
        for count in 1..=3 {
            assert_eq!(service.messages(&token, BODY).await.status, 200, "{}", database.name);
            service.usage.wait_for(count).await;
            on_record(&service, 2 * count as u64 - 1).await;
            // Of another device: when this is known, the rest was looked at too.
            let another = UsageRow { device: device(count + 1), ..costly(count, clock.now(), 7) };
            database.open().await.usage().insert(&[another], clock.now()).await.unwrap();
            clock.advance(EVERY);
            let path = format!("/admin/budgets/device/{}", device(count + 1));
            let known = async || service.admin("GET", &path, None).await.json()["day"]["spent_usd"].clone();
            service.until(async || known().await == 0.000_007).await;
            for window in ["day", "week", "month"] {
                let expected = (102_000 * count) as f64 / 1e6;
                assert_eq!(spent(&service, window).await, expected, "{}: {window}", database.name);
            }
        }
    }
}

#[tokio::test]
async fn a_budget_that_one_instance_is_told_of_is_in_force_at_another_within_two_seconds() {
    for database in TestDatabase::each().await {
        let (upstream, clock) = (expensive(), noon());
        let [one, other] = [(); 2].map(|()| on(&database, &upstream, &clock, ""));
        let token = one.token().await;
        one.admin("PATCH", "/admin/devices/device-0001", Some(json!({ "user": "ada" }))).await;
        other.until(async || other.messages(&token, BODY).await.status == 200).await;
        for (method, path, body, served) in [
            ("PUT", "/admin/budgets/user/ada", Some(json!({ "month_usd": 0 })), 429),
            ("PATCH", "/admin/devices/device-0001", Some(json!({ "user": "bob" })), 200),
            ("PATCH", "/admin/devices/device-0001", Some(json!({ "user": "ada" })), 429),
            ("DELETE", "/admin/budgets/user/ada", None, 200),
            ("PATCH", "/admin/devices/device-0001", Some(json!({ "budget": { "day_usd": 0 } })), 429),
            ("PATCH", "/admin/devices/device-0001", Some(json!({ "budget": null })), 200),
        ] {
            let since = Instant::now();
            assert!(one.admin(method, path, body).await.status < 300, "{}: {method} {path}", database.name);
            assert_eq!(one.messages(&token, BODY).await.status, served, "{}: at once here", database.name);
            other.until(async || other.messages(&token, BODY).await.status == served).await;
            assert!(since.elapsed() < Duration::from_secs(2), "{}: {:?}", database.name, since.elapsed());
        }
    }
}

#[tokio::test]
async fn a_first_budget_counts_what_was_spent_before_it() {
    for database in TestDatabase::each().await {
        let (upstream, clock) = (expensive(), noon());
        let service = on(&database, &upstream, &clock, "");
        let token = service.token().await;
        assert_eq!(service.messages(&token, BODY).await.status, 200, "{}", database.name);
        on_record(&service, 1).await;
        let budget = json!({ "budget": { "day_usd": 0.1, "month_usd": 0.1 } });
        assert_eq!(service.admin("PATCH", "/admin/devices/device-0001", Some(budget)).await.status, 200);
        service.until(async || spent(&service, "month").await == 0.102).await;
        assert_eq!(service.messages(&token, BODY).await.error_code(), "budget_spent", "{}", database.name);
    }
}

#[tokio::test]
async fn a44_a_restart_forgets_nothing_that_was_spent() {
    for database in TestDatabase::each().await {
        let (upstream, clock) = (expensive(), noon());
        let service = on(&database, &upstream, &clock, "0.1/day");
        let token = service.token().await;
        assert_eq!(service.messages(&token, BODY).await.status, 200, "{}", database.name);
        service.usage.wait_for(1).await;
        service.stop();
        let service = on(&database, &upstream, &clock, "0.1/day");
        assert_eq!(service.messages(&token, BODY).await.error_code(), "budget_spent", "{}", database.name);
        assert_eq!(upstream.requests().len(), 1, "{}", database.name);
    }
}

#[tokio::test]
async fn earlier_days_count_for_the_week_and_the_month_they_are_in() {
    for database in TestDatabase::each().await {
        let (upstream, clock) = (expensive(), noon());
        let [day, week, month] = Period::ALL.map(|period| period.window(clock.now()));
        let second = Duration::from_secs(1);
        let rows: Vec<_> = [
            (month.begin() - second, 1),
            (month.begin(), 20_000),
            (week.begin() - second, 300_000),
            (week.begin(), 4_000_000),
            (day.begin() - second, 50_000_000),
        ]
        .into_iter()
        .enumerate()
        .map(|(number, (at, cost))| costly(number, at, cost))
        .collect();
        database.open().await.usage().insert(&rows, clock.now()).await.unwrap();
        let service = on(&database, &upstream, &clock, "99/day,99/week,99/month");
        for (window, dollars) in [("day", 0.0), ("week", 54.0), ("month", 54.32)] {
            assert_eq!(spent(&service, window).await, dollars, "{}: {window}, at the start", database.name);
        }
        let token = service.token().await;
        assert_eq!(service.messages(&token, BODY).await.status, 200, "{}", database.name);
        service.usage.wait_for(1).await;
        assert_eq!(spent(&service, "month").await, 54.422, "{}", database.name);

        // One that was spilled comes late, and is found at the next look.
        database
            .open()
            .await
            .usage()
            .insert(&[costly(9, day.begin() - second * 2, 600_000)], clock.now())
            .await
            .unwrap();
        on_record(&service, 7).await;
        clock.advance(EVERY);
        service.until(async || spent(&service, "week").await == 54.702).await;
        clock.advance(Duration::from_secs(24 * 3600));
        service.until(async || spent(&service, "day").await == 0.0).await;
        assert_eq!(spent(&service, "month").await, 55.022, "{}", database.name);
    }
}

#[tokio::test]
async fn f71_what_comes_late_to_the_database_counts_within_ten_seconds_and_once() {
    let second = Duration::from_secs(1);
    for database in TestDatabase::each().await {
        let (upstream, clock, store) = (expensive(), noon(), database.open().await);
        let service = on(&database, &upstream, &clock, "99/day,99/month");
        store.usage().insert(&[costly(1, clock.now(), 1_000_000)], clock.now()).await.unwrap();
        look_again(&service, &store, &clock, 101).await;
        assert_eq!(spent(&service, "day").await, 1.0, "{}", database.name);

        // It ended before the last look, and writing it took longer than that.
        let ended = clock.now() - second * 20;
        store.usage().insert(&[costly(2, ended, 200_000)], ended + second).await.unwrap();
        look_again(&service, &store, &clock, 102).await;
        assert_eq!(spent(&service, "day").await, 1.2, "{}", database.name);

        // Another instance has spilled these.
        let early = [costly(3, clock.now() - second * 3600, 30_000), costly(4, clock.now() - second * 300, 4000)];
        store.usage().insert(&early, clock.now()).await.unwrap();
        look_again(&service, &store, &clock, 103).await;
        for number in 104..124 {
            assert_eq!(spent(&service, "day").await, 1.234, "{}: before {number}", database.name);
            assert_eq!(spent(&service, "month").await, 1.234, "{}: before {number}", database.name);
            look_again(&service, &store, &clock, number).await;
        }
    }
}

#[tokio::test]
async fn what_was_read_some_minutes_ago_is_read_again_after_an_hour_and_no_sooner() {
    for database in TestDatabase::each().await {
        let (upstream, clock, store) = (expensive(), noon(), database.open().await);
        let service = on(&database, &upstream, &clock, "99/day,99/month");
        store.usage().insert(&[costly(1, clock.now(), 1_000_000)], clock.now()).await.unwrap();
        for number in 101..116 {
            look_again(&service, &store, &clock, number).await;
        }
        let more = "UPDATE usage_records SET cost_microusd = 5000000 WHERE request_id = 'req_1'";
        database.connect().await.execute(more).await.unwrap();
        look_again(&service, &store, &clock, 116).await;
        assert_eq!(spent(&service, "day").await, 1.0, "{}", database.name);
        clock.advance(Duration::from_secs(3600));
        look_again(&service, &store, &clock, 117).await;
        for window in ["day", "month"] {
            assert_eq!(spent(&service, window).await, 5.0, "{}: {window}", database.name);
        }
    }
}

/// Advances the clock and waits until this instance has read what was spent. The device with this number tells of it.
async fn look_again(service: &TestService, store: &Database, clock: &ManualClock, number: usize) {
    let teller = UsageRow { device: device(number), ..costly(number, clock.now(), 7) };
    store.usage().insert(&[teller], clock.now()).await.unwrap();
    clock.advance(EVERY);
    let path = format!("/admin/budgets/device/{}", device(number));
    let known = async || service.admin("GET", &path, None).await.json()["month"]["spent_usd"].clone();
    service.until(async || known().await == 0.000_007).await;
}

fn on(database: &TestDatabase, upstream: &Upstream, clock: &ManualClock, budget: &str) -> TestService {
    TestService::start_in(
        &upstream.url(),
        |flags| {
            flags.set("DATABASE_URL", database.setting());
            flags.set("DEVICE_BUDGET", budget);
        },
        |ports| ports.clock = Arc::new(clock.clone()),
    )
}

/// Answers each message at the price of 0.102 dollars.
fn expensive() -> Upstream {
    let upstream = Upstream::start();
    upstream.answer_always(costing(10_000));
    upstream
}

/// At noon of a day in whose month a week has begun that goes on, far from every midnight.
fn noon() -> ManualClock {
    let clock = ManualClock::starting_now();
    let day = Duration::from_secs(24 * 3600);
    clock.advance(Period::Day.window(clock.now()).rest(clock.now()) + day / 2);
    loop {
        let [today, week, month] = Period::ALL.map(|period| period.window(clock.now()));
        if month.start < week.start && week.start < today.start && today.end < week.end && today.end < month.end {
            return clock;
        }
        clock.advance(day);
    }
}

fn costly(number: usize, at: SystemTime, cost: u64) -> UsageRow {
    UsageRow { cost_microusd: Some(cost), ..row(&format!("req_{number}"), device(1), at) }
}

/// Waits until the database has so many requests.
async fn on_record(service: &TestService, requests: u64) {
    let sums = async || service.admin("GET", "/admin/usage", None).await.json();
    service.until(async || sums().await["total"]["requests"] == requests).await;
}

/// What `device-0001` has spent, in dollars, as this instance knows it.
async fn spent(service: &TestService, window: &str) -> f64 {
    let shown = service.admin("GET", "/admin/budgets/device/device-0001", None).await.json();
    shown[window]["spent_usd"].as_f64().unwrap_or(-1.0)
}

/// How often what was spent is read.
const EVERY: Duration = Duration::from_secs(10);
