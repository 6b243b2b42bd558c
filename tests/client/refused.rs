//! A client does not ask again and again when the service refuses its device.

use std::time::Duration;

use valetkey::client::error::ClientError;
use valetkey::client::refresh::Reason;
use valetkey::client::status::ClientState;

use crate::refresh_failure::{until_it_failed, work};
use testkit::client::Setup;
use testkit::client::fake_service::{FakeService, Route, Say};

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn the_app_of_a_revoked_device_is_told_and_its_requests_are_refused_here() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    service.always(Route::Refresh, Say::error("token_revoked"));
    service.always(Route::Bootstrap, Say::error("token_revoked"));
    client.clock.advance(25 * HOUR);
    assert!(matches!(until_it_failed(&client).await, ClientError::Revoked(_)));
    assert_eq!(client.client.status().state, ClientState::Revoked);
    assert_eq!(work(&client, 20).await, [401; 20]);
    assert_eq!((service.tokens_asked(), service.count(Route::V1)), (2, 0));
    let answer = client.messages("hello").await;
    assert_eq!((answer.status, answer.error_code().as_str()), (401, "token_revoked"));
    assert_eq!(answer.header("x-should-retry"), Some("false"));
}

#[tokio::test]
async fn a_revoked_device_may_come_back_when_the_app_asks() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    service.once(Route::Refresh, Say::error("token_revoked"));
    assert!(client.client.refresher.ask(Reason::Forced).await.is_err());
    assert_eq!(client.client.status().state, ClientState::Revoked);
    client.client.refresher.ask(Reason::Forced).await.unwrap();
    assert_eq!(client.client.status().state, ClientState::Ready);
}

#[tokio::test]
async fn a_device_that_is_denied_asks_every_five_minutes() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    service.always(Route::Bootstrap, Say::error("bootstrap_closed"));
    client.clock.advance(25 * HOUR);
    for _ in 0..20 {
        assert_eq!(work(&client, 2).await, [401, 401]);
        client.clock.advance(60 * SECOND);
        client.client.refresher.ask(Reason::Resumed).await.unwrap();
    }
    let asked = service.count(Route::Bootstrap) - 1;
    assert!((4..=6).contains(&asked), "{asked} in twenty minutes");
    assert_eq!(client.events.errors().len(), 1);
}

#[tokio::test]
async fn f57_a_service_that_answers_401_to_all_sees_one_bootstrap_a_minute() {
    for code in ["token_expired", "token_invalid"] {
        let service = FakeService::start().await;
        let client = Setup::new(&service.url).start().await;
        service.always(Route::V1, Say::error(code));
        for _ in 0..50 {
            assert_eq!(work(&client, 1).await, [401]);
            client.clock.advance(SECOND);
        }
        assert_eq!(service.tokens_asked(), 2, "{code}");
        // Fifty requests, one of them made twice.
        assert_eq!(service.count(Route::V1), 51);
        client.clock.advance(11 * SECOND);
        assert_eq!(work(&client, 1).await, [401]);
        assert_eq!(service.tokens_asked(), 3);
    }
}

#[tokio::test]
async fn f57_a_service_that_refuses_everything_gets_four_token_requests_at_most() {
    for code in ["token_expired", "token_invalid", "token_missing", "token_revoked"] {
        let service = FakeService::start().await;
        let client = Setup::new(&service.url).start().await;
        for route in [Route::V1, Route::Refresh, Route::Bootstrap] {
            service.always(route, Say::error(code));
        }
        client.clock.advance(23 * HOUR);
        for _ in 0..50 {
            work(&client, 1).await;
            client.clock.advance(SECOND);
        }
        assert!(service.tokens_asked() <= 4, "{code}: {}", service.tokens_asked());
    }
}
