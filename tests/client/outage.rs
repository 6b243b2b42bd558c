//! The service cannot be reached: the status says so while it lasts, and an app with a good token can start.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use valetkey::client::error::ClientError;
use valetkey::client::refresh::Reason;
use valetkey::client::status::{ClientState, Event, Level, Storage};

use testkit::client::fake_service::{FakeService, Route, Say};
use testkit::client::keychain::FakeStore;
use testkit::client::{Setup, TestClient};
use testkit::http::raw::Raw;

use crate::refresh_failure::work;

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

async fn until(client: &TestClient, state: ClientState) {
    client.wait_for(&format!("{state:?}"), |status| status.state == state).await;
}

/// Lets time pass once the client knows of the outage.
async fn pass(client: &TestClient, time: Duration) {
    client.client.refresher.ask(Reason::LinkChanged).await.unwrap();
    client.clock.advance(time);
}

/// A set-up whose keychain holds the token of an earlier start.
async fn with_stored_token(service: &FakeService) -> Setup {
    let setup = Setup::new(&service.url);
    setup.start().await.client.close(SECOND).await;
    setup
}

#[tokio::test]
async fn f76_requests_that_do_not_reach_the_service_make_the_state_offline_and_are_told_once() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    let port = service.stop().await;
    for _ in 0..20 {
        let answer = client.messages("hello").await;
        assert_eq!((answer.status, client.client.status().state), (502, ClientState::Offline));
        assert!(answer.text().contains(&format!("127.0.0.1:{port}")), "{}", answer.text());
    }
    let [error] = &client.events.errors()[..] else { panic!("{:?}", client.events.errors()) };
    assert_eq!(error.code(), "VALET_NETWORK");
    assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");
    assert_eq!(client.client.status().last_error.unwrap().code(), "VALET_NETWORK");
}

#[tokio::test]
async fn f76_the_service_is_found_again_without_a_request() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    let port = service.stop().await;
    client.messages("hello").await;
    until(&client, ClientState::Offline).await;
    let again = FakeService::start_on(port).await;
    pass(&client, 30 * SECOND).await;
    until(&client, ClientState::Ready).await;
    assert_eq!((again.count(Route::V1), again.tokens_asked()), (0, 0));
    assert!(client.client.status().last_error.is_none());
    let told = |event: &Event| matches!(event, Event::Log(Level::Info, line) if line.contains("reached again"));
    assert_eq!(client.events.all().iter().filter(|event| told(event)).count(), 1);
}

#[tokio::test]
async fn f49_f76_the_first_request_that_reaches_the_service_makes_the_state_ready() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    for round in 1..=2 {
        service.always(Route::V1, Say::cut());
        for _ in 0..5 {
            assert_eq!(client.messages("hello").await.status, 503);
            assert_eq!(client.client.status().state, ClientState::Offline);
        }
        service.heal(Route::V1);
        assert_eq!(client.messages("hello").await.status, 200);
        assert_eq!((client.client.status().state, client.events.errors().len()), (ClientState::Ready, round));
    }
}

#[tokio::test]
async fn f76_a_request_that_fails_after_a_later_one_was_answered_is_a_doubt_and_no_outage() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    let gate = Arc::new(Notify::new());
    service.once(Route::V1, Say::cut().after(&gate));
    let (slow, ()) = tokio::join!(client.messages("slow"), async {
        service.wait_for(Route::V1, 1).await;
        assert_eq!(client.messages("quick").await.status, 200);
        gate.notify_one();
    });
    assert_eq!((slow.status, client.client.status().state), (503, ClientState::Ready));
    service.wait_for(Route::Health, 2).await;
    assert!(client.events.errors().is_empty());
}

#[tokio::test]
async fn f01_f76_an_error_that_the_service_answers_is_no_outage() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    for say in [Say::json(500, "{}"), Say::json(529, "{}"), Say::error("upstream_unreachable"), Say::error("not_ready")]
    {
        service.once(Route::V1, say);
        assert!(client.messages("hello").await.status >= 500);
        assert_eq!(client.client.status().state, ClientState::Ready);
    }
    assert!(client.events.errors().is_empty());
}

#[tokio::test]
async fn f76_a_5xx_of_a_load_balancer_ends_no_outage() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    service.once(Route::V1, Say::cut());
    service.once(Route::V1, Say::json(502, "<html>Bad Gateway</html>"));
    for status in [503, 502] {
        assert_eq!(client.messages("hello").await.status, status);
        assert_eq!(client.client.status().state, ClientState::Offline);
    }
    // A check gets no better answer from it.
    service.always(Route::Health, Say::json(503, "{}"));
    pass(&client, 30 * SECOND).await;
    service.wait_for(Route::Health, 2).await;
    assert_eq!(client.client.status().state, ClientState::Offline);
    assert_eq!(client.messages("hello").await.status, 200);
    assert_eq!(client.client.status().state, ClientState::Ready);
}

#[tokio::test]
async fn f76_a_balancer_that_answers_for_a_service_that_is_away_makes_the_state_offline() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    let away = [Route::Health, Route::V1];
    away.iter().for_each(|route| service.always(*route, Say::json(503, "<html>Service Unavailable</html>")));
    assert_eq!(client.messages("hello").await.status, 503);
    until(&client, ClientState::Offline).await;
    assert_eq!(client.client.status().last_error.unwrap().code(), "VALET_UNAVAILABLE");
    away.iter().for_each(|route| service.heal(*route));
    pass(&client, 30 * SECOND).await;
    until(&client, ClientState::Ready).await;
    assert_eq!(client.events.errors().len(), 1);
}

#[tokio::test]
async fn f01_f76_errors_of_an_overloaded_upstream_cost_one_check_and_are_no_outage() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    service.always(Route::V1, Say::json(529, "{}"));
    for _ in 0..20 {
        assert_eq!(client.messages("hello").await.status, 529);
    }
    service.wait_for(Route::Health, 2).await;
    client.client.refresher.ask(Reason::LinkDoubtful).await.unwrap();
    assert_eq!((client.client.status().state, service.count(Route::Health)), (ClientState::Ready, 2));
    assert!(client.events.errors().is_empty());
}

#[tokio::test]
async fn f76_a_redirect_and_a_page_that_is_missing_end_no_outage() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    for say in [Say::redirect("http://127.0.0.1:1/login"), Say::json(404, "{}")] {
        service.once(Route::Health, say);
    }
    service.once(Route::V1, Say::cut());
    client.messages("hello").await;
    for checks in 2..=4 {
        pass(&client, 30 * SECOND).await;
        // A check that ended the outage would be the last one.
        service.wait_for(Route::Health, checks).await;
    }
    until(&client, ClientState::Ready).await;
}

#[tokio::test]
async fn f76_an_outage_costs_few_checks() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    service.always(Route::V1, Say::cut());
    service.always(Route::Health, Say::cut());
    client.messages("hello").await;
    let before = service.count(Route::Health);
    for _ in 0..120 {
        client.clock.advance(SECOND);
        client.client.refresher.ask(Reason::LinkChanged).await.unwrap();
        client.messages("hello").await;
    }
    let checks = service.count(Route::Health) - before;
    assert!((2..=15).contains(&checks), "{checks} in two minutes");
}

#[tokio::test]
async fn f49_f76_half_an_hour_of_outage_costs_four_checks_a_minute_at_most_and_the_token_is_used_after_it() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    let away = [Route::V1, Route::Health, Route::Refresh, Route::Bootstrap];
    away.iter().for_each(|route| service.always(*route, Say::cut()));
    client.messages("hello").await;
    let before = service.count(Route::Health);
    for minutes in 1..=30 {
        for _ in 0..12 {
            client.clock.advance(5 * SECOND);
            client.client.refresher.ask(Reason::LinkChanged).await.unwrap();
        }
        service.wait_for(Route::Health, before + minutes).await;
    }
    let checks = service.count(Route::Health) - before;
    assert!(checks <= 120, "{checks} in half an hour");
    away.iter().for_each(|route| service.heal(*route));
    let asked = service.tokens_asked();
    assert_eq!(client.messages("hello").await.status, 200);
    assert_eq!((client.client.status().state, service.tokens_asked()), (ClientState::Ready, asked));
}

#[tokio::test]
async fn f48_f125_half_an_hour_without_renewals_fails_no_request_and_costs_four_attempts_a_minute_at_most() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    let away = [Route::Refresh, Route::Bootstrap];
    away.iter().for_each(|route| service.always(*route, Say::cut()));
    let before = service.tokens_asked();
    // From now on the token is due; it lives for another hour.
    client.clock.advance(23 * HOUR);
    for _ in 0..360 {
        client.clock.advance(5 * SECOND);
        assert_eq!(work(&client, 1).await, [200]);
    }
    let attempts = service.tokens_asked() - before;
    assert!((40..=120).contains(&attempts), "{attempts} in half an hour");
    away.iter().for_each(|route| service.heal(*route));
    client.clock.advance(31 * SECOND);
    until(&client, ClientState::Ready).await;
}

#[tokio::test]
async fn f49_f125_a_request_is_good_within_five_seconds_of_an_outage_in_which_the_token_expired() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    let away = [Route::V1, Route::Health, Route::Refresh, Route::Bootstrap];
    away.iter().for_each(|route| service.always(*route, Say::cut()));
    client.clock.advance(23 * HOUR + 50 * MINUTE);
    for _ in 0..30 {
        client.clock.advance(MINUTE);
        assert_eq!(client.messages("hello").await.status, 503);
    }
    away.iter().for_each(|route| service.heal(*route));
    let mut statuses = vec![client.messages("hello").await.status];
    for _ in 0..5 {
        client.clock.advance(SECOND);
        statuses.push(client.messages("hello").await.status);
    }
    // A request waits a second after a failure, and each one after that is good.
    assert_eq!(statuses[1..], [200; 5], "{statuses:?}");
}

#[tokio::test]
async fn f76_a_good_stored_token_is_enough_to_start_while_the_service_is_away() {
    let service = FakeService::start().await;
    let setup = with_stored_token(&service).await;
    let port = service.stop().await;
    let client = setup.start().await;
    let status = client.client.status();
    assert_eq!((status.state, status.storage), (ClientState::Offline, Storage::Keychain));
    assert_eq!(status.last_error.unwrap().code(), "VALET_NETWORK");
    assert_eq!(client.messages("hello").await.status, 502);
    assert_eq!(client.events.errors().len(), 1);
    let again = FakeService::start_on(port).await;
    pass(&client, 30 * SECOND).await;
    until(&client, ClientState::Ready).await;
    assert_eq!(client.messages("hello").await.status, 200);
    // The new service does not know the stored token, which the request found out.
    assert_eq!(again.count(Route::Bootstrap), 1);
}

#[tokio::test]
async fn f76_a_good_stored_token_is_enough_while_a_balancer_answers_for_the_service_or_nobody_does() {
    for (say, code) in [
        (Say::json(502, "<html>Bad Gateway</html>"), "VALET_UNAVAILABLE"),
        (Say::json(503, r#"{"status":"ok"}"#), "VALET_UNAVAILABLE"),
        (Say::hang(), "VALET_TIMEOUT"),
    ] {
        let service = FakeService::start().await;
        let setup = with_stored_token(&service).await.with("startupTimeoutMs", 4000);
        service.always(Route::Health, say);
        let status = setup.start().await.client.status();
        assert_eq!(status.state, ClientState::Offline);
        assert_eq!(status.last_error.unwrap().code(), code);
        assert_eq!(service.count(Route::Bootstrap), 1);
    }
}

#[tokio::test]
async fn f76_without_a_good_stored_token_a_start_fails_while_the_service_is_away() {
    let service = FakeService::start().await;
    let setup = with_stored_token(&service).await;
    service.stop().await;
    let first = Setup { store: FakeStore::new(), ..setup.clone() };
    assert!(matches!(first.refusal().await, ClientError::Network(_)));
    setup.clock.advance(Duration::from_secs(86_400));
    assert!(matches!(setup.refusal().await, ClientError::Network(_)));
}

#[tokio::test]
async fn f76_a_token_that_is_due_is_refreshed_when_the_service_is_back() {
    let service = FakeService::start().await;
    let setup = with_stored_token(&service).await;
    let away = [Route::Health, Route::Refresh];
    away.iter().for_each(|route| service.always(*route, Say::cut()));
    setup.clock.advance(Duration::from_secs(23 * 3600));
    let client = setup.start().await;
    service.wait_for(Route::Refresh, 1).await;
    until(&client, ClientState::Offline).await;
    away.iter().for_each(|route| service.heal(*route));
    pass(&client, 30 * SECOND).await;
    until(&client, ClientState::Ready).await;
    assert_eq!((service.count(Route::Bootstrap), client.client.status().last_error.is_none()), (1, true));
}

#[tokio::test]
async fn f62_a_client_that_closes_says_so_while_open_requests_go_on() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    service.once(Route::V1, Say::open_stream(&["event: ping\n\n"]));
    let mut raw = Raw::connect(&client.url()).await;
    let (host, bearer) = (client.client.address, client.bearer());
    let head = format!("POST /v1/messages HTTP/1.1\r\nhost: {host}\r\nauthorization: {bearer}\r\n");
    raw.send(format!("{head}content-length: 2\r\n\r\n{{}}")).await;
    raw.read_until("event: ping").await;
    tokio::join!(client.client.close(10 * SECOND), async {
        let closing = client.wait_for("closed", |status| status.state == ClientState::Closed).await;
        assert_eq!((closing.bound, closing.expires_at.is_some()), (None, true), "the stream still has its token");
        drop(raw);
    });
    assert_eq!(client.client.status().expires_at, None);
}
