//! Callers that ask for a refresh, and the answers that they share.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use valetkey::client::error::ClientError;
use valetkey::client::refresh::Reason;
use valetkey::client::status::ClientState;

use testkit::client::fake_service::{FakeService, Route, Say};
use testkit::client::{Setup, TestClient};

const HOUR: Duration = Duration::from_secs(3600);

fn ask(client: &TestClient, reason: Reason) -> tokio::task::JoinHandle<Result<(), ClientError>> {
    let refresher = client.client.refresher.clone();
    tokio::spawn(async move { refresher.ask(reason).await })
}

#[tokio::test]
async fn the_app_can_refresh_at_any_time() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    client.client.refresher.ask(Reason::Forced).await.unwrap();
    assert_eq!((service.count(Route::Bootstrap), service.count(Route::Refresh)), (1, 1));
    client.messages("hello").await;
    assert_eq!(service.seen(Route::V1)[0].header("authorization"), Some("Bearer sk-ant-proxy-canary-wrapper-2"));
    service.once(Route::Refresh, Say::cut());
    let error = client.client.refresher.ask(Reason::Forced).await.unwrap_err();
    assert!(matches!(error, ClientError::Network(_)), "{error:?}");
}

#[tokio::test]
async fn a_forced_refresh_does_not_join_an_unforced_one_in_flight() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    let gate = Arc::new(Notify::new());
    service.once(Route::Refresh, Say::token().after(&gate));
    client.clock.advance(23 * HOUR);
    service.wait_for(Route::Refresh, 1).await;
    let forced = ask(&client, Reason::Forced);
    let unforced = ask(&client, Reason::Aged(1));
    tokio::task::yield_now().await;
    gate.notify_one();
    assert!(unforced.await.unwrap().is_ok());
    assert!(forced.await.unwrap().is_ok());
    assert_eq!(service.count(Route::Refresh), 2);
}

#[tokio::test]
async fn many_forced_refreshes_at_once_are_two_calls_at_most() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    let gate = Arc::new(Notify::new());
    service.once(Route::Refresh, Say::token().after(&gate));
    let asks: Vec<_> = (0..50).map(|_| ask(&client, Reason::Forced)).collect();
    service.wait_for(Route::Refresh, 1).await;
    gate.notify_one();
    for ask in asks {
        ask.await.unwrap().unwrap();
    }
    assert!(service.count(Route::Refresh) <= 2, "{}", service.count(Route::Refresh));
}

#[tokio::test]
async fn a_caller_that_stops_waiting_does_not_cancel_the_refresh_for_others() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).without("refreshIntervalMs").start().await;
    let gate = Arc::new(Notify::new());
    service.once(Route::Bootstrap, Say::token().after(&gate));
    client.clock.advance(25 * HOUR);
    let (first, second) = (ask(&client, Reason::Aged(1)), ask(&client, Reason::Aged(1)));
    service.wait_for(Route::Bootstrap, 2).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    gate.notify_one();
    second.await.unwrap().unwrap();
    assert_eq!(service.tokens_asked(), 2);
}

#[tokio::test]
async fn a_request_whose_app_leaves_does_not_cancel_the_refresh_for_others() {
    let service = FakeService::start().await;
    let client = Arc::new(Setup::new(&service.url).without("refreshIntervalMs").start().await);
    let gate = Arc::new(Notify::new());
    service.once(Route::Bootstrap, Say::token().after(&gate));
    client.clock.advance(25 * HOUR);
    let request = |client: &Arc<TestClient>| {
        let client = Arc::clone(client);
        tokio::spawn(async move { client.messages("hello").await.status })
    };
    let leaving = request(&client);
    service.wait_for(Route::Bootstrap, 2).await;
    let staying = request(&client);
    leaving.abort();
    gate.notify_one();
    assert_eq!(staying.await.unwrap(), 200);
    assert_eq!(service.tokens_asked(), 2);
}

#[tokio::test]
async fn a_resumed_client_retries_a_refresh_at_once_even_during_a_wait() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).without("refreshIntervalMs").start().await;
    service.once(Route::Refresh, Say::json(503, "{}"));
    client.clock.advance(23 * HOUR);
    client.client.refresher.ask(Reason::Resumed).await.unwrap();
    assert_eq!(service.count(Route::Refresh), 1);
    client.client.resumed();
    service.wait_for(Route::Refresh, 2).await;
    client.wait_for("the new token", |status| status.state == ClientState::Ready).await;
}

#[tokio::test]
async fn a_resumed_client_with_a_fresh_token_makes_no_call() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    for _ in 0..10 {
        client.client.refresher.ask(Reason::Resumed).await.unwrap();
    }
    assert_eq!(service.tokens_asked(), 1);
}

#[tokio::test]
async fn f62_a_closed_client_makes_no_call() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    client.client.close(Duration::from_secs(1)).await;
    client.clock.advance(25 * HOUR);
    for reason in [Reason::Resumed, Reason::Forced, Reason::Aged(1), Reason::Rejected(1)] {
        let answer = client.client.refresher.ask(reason).await;
        assert!(matches!(answer, Err(ClientError::Closed)), "{reason:?}: {answer:?}");
    }
    client.client.resumed();
    assert_eq!(service.tokens_asked(), 1);
    assert_eq!((client.client.status().state, client.client.status().expires_at), (ClientState::Closed, None));
    client.client.close(Duration::from_secs(1)).await;
}
