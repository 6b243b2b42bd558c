//! The time of a refresh, by a wall clock that jumps.

use std::time::Duration;

use valetkey::client::refresh::Reason;
use valetkey::client::status::{ClientState, Event, Level};

use testkit::client::fake_service::{FakeService, Route, Say};
use testkit::client::{Setup, TestClient};

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);

/// Moves the clock and lets the client check its token once.
async fn pass(client: &TestClient, time: Duration) {
    client.clock.advance(time);
    client.client.refresher.ask(Reason::Resumed).await.unwrap();
}

#[tokio::test]
async fn a_day_long_token_is_refreshed_an_hour_before_its_end_and_not_before() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    pass(&client, 22 * HOUR).await;
    assert_eq!(service.tokens_asked(), 1);
    pass(&client, HOUR).await;
    assert_eq!((service.count(Route::Bootstrap), service.count(Route::Refresh)), (1, 1));
    let refresh = &service.seen(Route::Refresh)[0];
    assert_eq!((refresh.method.as_str(), refresh.body.len()), ("POST", 0));
    assert_eq!(refresh.header("authorization"), Some("Bearer sk-ant-proxy-canary-wrapper-1"));
    assert_eq!(client.client.status().expires_at, Some(std::time::SystemTime::UNIX_EPOCH + now(&client) + 24 * HOUR));
}

fn now(client: &TestClient) -> Duration {
    use valetkey::clock::Clock;
    client.clock.now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap()
}

#[tokio::test]
async fn a_refresh_at_the_usual_interval_comes_at_most_three_minutes_early() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).without("refreshIntervalMs").start().await;
    pass(&client, (23 * HOUR).checked_sub(181 * SECOND).unwrap()).await;
    assert_eq!(service.tokens_asked(), 1);
    pass(&client, 181 * SECOND).await;
    assert_eq!(service.count(Route::Refresh), 1);
}

#[tokio::test]
async fn the_app_may_ask_for_an_earlier_refresh() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).with("refreshBeforeMs", 6 * 3_600_000).start().await;
    pass(&client, (18 * HOUR).checked_sub(SECOND).unwrap()).await;
    assert_eq!(service.tokens_asked(), 1);
    pass(&client, SECOND).await;
    assert_eq!(service.count(Route::Refresh), 1);
}

#[tokio::test]
async fn f42_a_sleep_past_the_due_time_is_noticed_without_the_app() {
    let service = FakeService::start().await;
    service.issue_for(3 * 3600, 0);
    let client = Setup::new(&service.url).start().await;
    client.clock.advance(2 * HOUR + SECOND);
    service.wait_for(Route::Refresh, 1).await;
    client.wait_for("the new token", |status| status.state == ClientState::Ready).await;
    assert_eq!(service.count(Route::Bootstrap), 1);
}

#[tokio::test]
async fn f42_the_first_request_after_a_sleep_past_the_expiry_waits_for_a_bootstrap() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).without("refreshIntervalMs").start().await;
    service.expire_tokens();
    client.clock.advance(32 * HOUR);
    assert_eq!(client.client.status().state, ClientState::Expired);
    assert_eq!(client.messages("hello").await.status, 200);
    assert_eq!((service.count(Route::Bootstrap), service.count(Route::Refresh), service.count(Route::V1)), (2, 0, 1));
}

/// What the timers of a process do while its machine sleeps: those of Linux and macOS stand still, those of Windows go on.
#[derive(Debug, Clone, Copy)]
enum Timers {
    Stand,
    GoOn,
}

async fn sleep_through(client: &TestClient, time: Duration, timers: Timers) {
    client.clock.advance(time);
    if let Timers::GoOn = timers {
        tokio::time::pause();
        tokio::time::advance(time).await;
        tokio::time::resume();
    }
}

#[tokio::test]
async fn f42_the_first_requests_after_eight_hours_of_sleep_are_good_and_cost_one_token_at_most() {
    // A token that is still fresh, one that is due, and one that has expired.
    for (lifetime, renewals) in [(24 * HOUR, 0), (8 * HOUR + HOUR / 2, 1), (7 * HOUR, 1)] {
        for timers in [Timers::Stand, Timers::GoOn] {
            let service = FakeService::start().await;
            service.issue_for(lifetime.as_secs(), 0);
            let client = Setup::new(&service.url).without("refreshIntervalMs").start().await;
            assert_eq!(client.messages("before").await.status, 200);
            if lifetime < 8 * HOUR {
                service.expire_tokens();
            }
            sleep_through(&client, 8 * HOUR, timers).await;
            let statuses: Vec<_> = client.messages_at_once(10).await.iter().map(|answer| answer.status).collect();
            assert_eq!(statuses, [200; 10], "{lifetime:?}, {timers:?}");
            // The client handles asks in order, and this one needs no attempt.
            let _ = client.client.refresher.ask(Reason::Aged(0)).await;
            assert_eq!(service.tokens_asked() - 1, renewals, "{lifetime:?}, {timers:?}");
        }
    }
}

#[tokio::test]
async fn f41_a_clock_that_is_set_back_starts_no_refresh_and_extends_no_token() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    let expires_at = client.client.status().expires_at;
    client.clock.set_back(2 * HOUR);
    pass(&client, Duration::ZERO).await;
    assert_eq!(client.messages("hello").await.status, 200);
    assert_eq!((service.tokens_asked(), client.client.status().expires_at), (1, expires_at));
    pass(&client, 25 * HOUR).await;
    assert_eq!(service.count(Route::Refresh), 1);
}

#[tokio::test]
async fn f41_a_clock_that_is_a_day_ahead_for_a_while_costs_one_token_and_no_request() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    client.clock.advance(24 * HOUR);
    assert_eq!(client.messages("hello").await.status, 200);
    client.clock.set_back(24 * HOUR);
    for _ in 0..5 {
        pass(&client, HOUR).await;
        assert_eq!(client.messages("hello").await.status, 200);
    }
    assert_eq!((service.tokens_asked(), client.client.status().state), (2, ClientState::Ready));
}

#[tokio::test]
async fn f41_a_clock_that_is_set_back_during_a_wait_does_not_stop_refreshes() {
    let service = FakeService::start().await;
    service.issue_for(3600, 0);
    let client = Setup::new(&service.url).start().await;
    service.once(Route::Refresh, Say::json(503, "{}"));
    client.clock.advance(31 * 60 * SECOND);
    service.wait_for(Route::Refresh, 1).await;
    client.wait_for("the failure", |status| status.last_error.is_some()).await;
    client.clock.set_back(60 * SECOND);
    service.wait_for(Route::Refresh, 2).await;
}

#[tokio::test]
async fn a_token_that_lives_for_seconds_is_refreshed_at_half_its_life_and_not_in_a_loop() {
    for (lifetime, most) in [(2, 60), (30, 4), (60, 2)] {
        let service = FakeService::start().await;
        service.issue_for(lifetime, 0);
        let client = Setup::new(&service.url).start().await;
        for _ in 0..60 {
            pass(&client, SECOND).await;
        }
        let calls = service.tokens_asked() - 1;
        assert!(calls >= most / 2 && calls <= most, "{lifetime} s: {calls} calls in a minute");
        assert_eq!(client.client.status().state, ClientState::Ready);
    }
}

#[tokio::test]
async fn a_service_cannot_make_a_client_refresh_every_second() {
    let service = FakeService::start().await;
    service.issue_for(86_400, 1);
    let client = Setup::new(&service.url).start().await;
    for _ in 0..60 {
        pass(&client, SECOND).await;
    }
    assert!((1..=2).contains(&service.count(Route::Refresh)), "{}", service.count(Route::Refresh));
}

#[tokio::test]
async fn the_service_may_ask_for_an_earlier_refresh() {
    let service = FakeService::start().await;
    service.issue_for(86_400, 3600);
    let client = Setup::new(&service.url).start().await;
    pass(&client, HOUR).await;
    assert_eq!(service.count(Route::Refresh), 1);
}

#[tokio::test]
async fn f41_a_service_clock_that_is_off_is_reported_and_changes_no_expiry() {
    for (offset, expected) in [(600, -600_000), (-600, 600_000)] {
        let service = FakeService::start().await;
        let setup = Setup::new(&service.url);
        let date = if offset > 0 { system_now(&setup) + 600 * SECOND } else { system_now(&setup) - 600 * SECOND };
        service.always(Route::Bootstrap, Say::token().header("date", &httpdate::fmt_http_date(date)));
        let client = setup.start().await;
        let status = client.client.status();
        let skew = status.clock_skew_ms.unwrap();
        assert!((expected - 2_000..=expected + 2_000).contains(&skew), "{skew}");
        assert_eq!(status.expires_at, Some(system_now(&setup) + 24 * HOUR));
        let warned = |event: &Event| matches!(event, Event::Log(Level::Warn, text) if text.contains("clock"));
        assert!(client.events.all().iter().any(warned));
    }
}

fn system_now(setup: &Setup) -> std::time::SystemTime {
    valetkey::clock::Clock::now(&setup.clock)
}

#[tokio::test]
async fn a_token_that_arrives_expired_does_not_replace_a_good_one() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    service.issue_for(0, 0);
    client.clock.advance(23 * HOUR);
    service.wait_for(Route::Refresh, 1).await;
    client.wait_for("the failure", |status| status.last_error.is_some()).await;
    service.heal(Route::Refresh);
    assert_eq!(client.messages("hello").await.status, 200);
    assert_eq!(service.seen(Route::V1)[0].header("authorization"), Some("Bearer sk-ant-proxy-canary-wrapper-1"));
}
