//! A revoked device that is let in again: it finds out by itself, and asks rarely until then.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use valetkey::client::error::ClientError;
use valetkey::client::refresh::Reason;
use valetkey::client::status::{ClientState, Event};

use testkit::client::fake_service::{FakeService, Route, Say};
use testkit::client::{Setup, TestClient};

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);
const ROUTES: [Route; 3] = [Route::V1, Route::Refresh, Route::Bootstrap];

fn revoke(service: &FakeService) {
    ROUTES.iter().for_each(|route| service.always(*route, Say::error("token_revoked")));
}

fn restore(service: &FakeService) {
    ROUTES.iter().for_each(|route| service.heal(*route));
}

async fn until(client: &TestClient, state: ClientState) {
    client.wait_for(&format!("{state:?}"), |status| status.state == state).await;
}

#[tokio::test]
async fn f75_a_restored_device_is_let_in_within_half_a_minute_when_its_token_has_ended() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    revoke(&service);
    client.clock.advance(25 * HOUR);
    until(&client, ClientState::Revoked).await;
    assert_eq!(client.messages("hello").await.status, 401);
    restore(&service);
    client.clock.advance(30 * SECOND);
    until(&client, ClientState::Ready).await;
    assert_eq!(client.messages("hello").await.status, 200);
}

#[tokio::test]
async fn f75_a_restored_device_is_ready_within_half_a_minute_when_its_token_lives() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    revoke(&service);
    assert_eq!(client.messages("hello").await.error_code(), "token_revoked");
    until(&client, ClientState::Revoked).await;
    restore(&service);
    client.clock.advance(30 * SECOND);
    until(&client, ClientState::Ready).await;
    assert!(client.client.status().last_error.is_none());
}

#[tokio::test]
async fn f75_a_request_that_succeeds_ends_the_state_revoked() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    revoke(&service);
    client.messages("hello").await;
    until(&client, ClientState::Revoked).await;
    let before = service.tokens_asked();
    service.heal(Route::V1);
    assert_eq!(client.messages("hello").await.status, 200);
    assert_eq!((client.client.status().state, service.tokens_asked()), (ClientState::Ready, before));
    // Revoked once more, within the wait of the first time.
    service.always(Route::V1, Say::error("token_revoked"));
    client.messages("hello").await;
    until(&client, ClientState::Revoked).await;
}

#[tokio::test]
async fn f56_f75_a_request_that_began_before_the_revocation_does_not_end_the_state_revoked() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    let gate = Arc::new(Notify::new());
    service.once(Route::V1, Say::json(200, "{}").after(&gate));
    let (answer, ()) = tokio::join!(client.messages("early"), async {
        service.wait_for(Route::V1, 1).await;
        revoke(&service);
        client.client.refresher.ask(Reason::Forced).await.unwrap_err();
        gate.notify_one();
    });
    assert_eq!((answer.status, client.client.status().state), (200, ClientState::Revoked));
}

#[tokio::test]
async fn f75_a_revoked_device_asks_every_half_minute_and_is_told_once() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    revoke(&service);
    let error = client.client.refresher.ask(Reason::Forced).await.unwrap_err();
    assert!(matches!(error, ClientError::Revoked(_)), "{error}");
    let before = service.tokens_asked();
    for _ in 0..120 {
        client.clock.advance(5 * SECOND);
        client.client.refresher.ask(Reason::Resumed).await.unwrap();
        assert_eq!(client.messages("hello").await.status, 401);
    }
    let asked = service.tokens_asked() - before;
    assert!((18..=24).contains(&asked), "{asked} in ten minutes");
    assert_eq!((client.client.status().state, client.events.errors().len()), (ClientState::Revoked, 1));
}

#[tokio::test]
async fn f75_an_outage_while_a_device_is_revoked_ends_neither_the_state_nor_the_questions() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    revoke(&service);
    client.client.refresher.ask(Reason::Forced).await.unwrap_err();
    service.always(Route::Refresh, Say::cut());
    client.clock.advance(30 * SECOND);
    let outage = |event: &Event| matches!(event, Event::Error(ClientError::Network(_)));
    client.events.wait("the outage", |events| events.iter().any(outage)).await;
    assert_eq!(client.client.status().state, ClientState::Revoked);
    restore(&service);
    client.clock.advance(30 * SECOND);
    until(&client, ClientState::Ready).await;
}

#[tokio::test]
async fn f75_a_login_page_while_a_device_is_revoked_ends_neither_the_state_nor_the_questions() {
    for page in [Say::html(), Say::redirect("http://127.0.0.1:1/login")] {
        let service = FakeService::start().await;
        let client = Setup::new(&service.url).start().await;
        revoke(&service);
        client.client.refresher.ask(Reason::Forced).await.unwrap_err();
        service.always(Route::Refresh, page);
        client.clock.advance(30 * SECOND);
        let told = |event: &Event| matches!(event, Event::Error(ClientError::Unhealthy(_)));
        client.events.wait("the login page", |events| events.iter().any(told)).await;
        assert_eq!(client.client.status().state, ClientState::Revoked);
        restore(&service);
        client.clock.advance(30 * SECOND);
        until(&client, ClientState::Ready).await;
    }
}
