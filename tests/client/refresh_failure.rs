//! A failed refresh: the current token stays in use, the app is told, and the client waits before it asks again.

use std::time::Duration;

use valetkey::client::error::ClientError;
use valetkey::client::refresh::Reason;
use valetkey::client::status::ClientState;

use testkit::client::fake_service::{FakeService, Route, Say};
use testkit::client::{Setup, TestClient};

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);

/// Makes requests as an app does; returns when the client has handled the refreshes that they caused.
pub async fn work(client: &TestClient, requests: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..requests {
        statuses.push(client.messages("hello").await.status);
    }
    // The client handles asks in order, and this one needs no attempt.
    let _ = client.client.refresher.ask(Reason::Aged(0)).await;
    statuses
}

pub async fn until_it_failed(client: &TestClient) -> ClientError {
    let status =
        client.wait_for("a failure", |status| status.last_error.is_some() && status.state != ClientState::Refreshing);
    status.await.last_error.unwrap()
}

#[tokio::test]
async fn f48_a_good_token_stays_in_use_during_an_outage_and_the_app_is_told() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    service.always(Route::Refresh, Say::cut());
    client.clock.advance(23 * HOUR);
    assert!(matches!(until_it_failed(&client).await, ClientError::Network(_)));
    assert_eq!(client.client.status().state, ClientState::Offline);
    assert!(!client.events.errors().is_empty());
    assert_eq!(work(&client, 5).await, [200; 5]);
    service.heal(Route::Refresh);
    client.clock.advance(31 * SECOND);
    let status = client.wait_for("recovery", |status| status.state == ClientState::Ready).await;
    assert!(status.last_error.is_none());
}

#[tokio::test]
async fn f48_a_failed_refresh_of_a_fresh_token_is_made_again_so_that_the_state_does_not_stay_offline() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    service.once(Route::Refresh, Say::cut());
    client.client.refresher.ask(Reason::Forced).await.unwrap_err();
    assert_eq!(client.client.status().state, ClientState::Offline);
    client.clock.advance(SECOND);
    client.wait_for("recovery", |status| status.state == ClientState::Ready).await;
    assert_eq!((service.count(Route::Refresh), client.client.status().last_error.is_none()), (2, true));
}

#[tokio::test]
async fn f48_an_outage_is_probed_at_growing_intervals_and_not_with_every_request() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    service.always(Route::Refresh, Say::cut());
    client.clock.advance(23 * HOUR);
    until_it_failed(&client).await;
    for _ in 0..60 {
        client.clock.advance(SECOND);
        assert_eq!(work(&client, 2).await, [200, 200]);
    }
    // 1, 2, 4, 8, 16 and 30 s, half of each at random.
    assert!((2..=12).contains(&service.count(Route::Refresh)), "{}", service.count(Route::Refresh));
}

#[tokio::test]
async fn a_retry_after_is_honoured_while_the_token_is_good() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    service.once(Route::Refresh, Say::json(503, "{}").header("retry-after", "120"));
    client.clock.advance(23 * HOUR);
    until_it_failed(&client).await;
    for _ in 0..11 {
        client.clock.advance(10 * SECOND);
        assert_eq!(work(&client, 3).await, [200; 3]);
    }
    assert_eq!(service.count(Route::Refresh), 1);
    client.clock.advance(11 * SECOND);
    service.wait_for(Route::Refresh, 2).await;
}

#[tokio::test]
async fn a_retry_after_is_honoured_without_a_token() {
    for status in [429, 503] {
        let service = FakeService::start().await;
        let client = Setup::new(&service.url).start().await;
        service.once(Route::Bootstrap, Say::json(status, "{}").header("retry-after", "60"));
        client.clock.advance(25 * HOUR);
        assert_eq!(work(&client, 1).await, [503]);
        for _ in 0..5 {
            client.clock.advance(10 * SECOND);
            assert_eq!(work(&client, 3).await, [503; 3]);
        }
        assert_eq!(service.count(Route::Bootstrap), 2);
        client.clock.advance(11 * SECOND);
        assert_eq!(work(&client, 1).await, [200]);
    }
}

#[tokio::test]
async fn a_request_without_a_token_gets_a_retryable_error_in_the_usual_shape() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    service.always(Route::Bootstrap, Say::cut());
    client.clock.advance(25 * HOUR);
    let answer = client.messages("hello").await;
    assert_eq!((answer.status, answer.error_code().as_str()), (503, "not_ready"));
    assert_eq!(answer.header("x-should-retry"), Some("true"));
    assert!(answer.header("retry-after").is_some());
    assert_eq!((client.client.status().state, service.count(Route::V1)), (ClientState::Expired, 0));
}

#[tokio::test]
async fn f49_a_service_that_comes_back_is_used_at_once() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    assert_eq!(client.messages("one").await.status, 200);
    let port = service.stop().await;
    let answer = client.messages("two").await;
    assert_eq!((answer.status, answer.error_code().as_str()), (502, "upstream_unreachable"));
    assert_eq!(answer.header("x-should-retry"), Some("true"));
    let again = FakeService::start_on(port).await;
    assert_eq!(client.messages("three").await.status, 200);
    assert_eq!(again.count(Route::Bootstrap), 1);
}

#[tokio::test]
async fn a_captive_portal_neither_revokes_nor_denies_the_device() {
    for say in [Say::html(), Say::redirect("http://127.0.0.1:1/"), Say::json(401, "{}"), Say::json(403, "{}")] {
        let service = FakeService::start().await;
        let client = Setup::new(&service.url).start().await;
        service.once(Route::Refresh, say);
        client.clock.advance(23 * HOUR);
        assert!(matches!(until_it_failed(&client).await, ClientError::Unhealthy(_)));
        assert_eq!(work(&client, 2).await, [200, 200]);
        client.clock.advance(SECOND);
        client.wait_for("recovery", |status| status.state == ClientState::Ready).await;
    }
}
