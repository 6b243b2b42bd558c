//! A service that hangs: it takes connections and requests, and answers nothing. Clients mostly leave before any limit ends.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use valetkey::client::refresh::Reason;
use valetkey::client::status::ClientState;

use testkit::client::fake_service::{FakeService, Route, Say};
use testkit::client::{Setup, TestClient};
use testkit::http::raw::Raw;

const SECOND: Duration = Duration::from_secs(1);

/// Longer than a request waits before its service is doubted, and than a check of the service may take.
const LIMIT: Duration = Duration::from_secs(11);

async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

async fn until(client: &TestClient, state: ClientState) {
    client.wait_for(&format!("{state:?}"), |status| status.state == state).await;
}

/// Sends the beginning of a request whose body has `length` bytes.
async fn begin(client: &TestClient, length: usize, body: &[u8]) -> Raw {
    let mut raw = Raw::connect(&client.url()).await;
    let (host, bearer) = (client.client.address, client.bearer());
    raw.send(format!("POST /v1/messages HTTP/1.1\r\nhost: {host}\r\nauthorization: {bearer}\r\n")).await;
    raw.send(format!("content-length: {length}\r\n\r\n")).await;
    raw.send(body).await;
    raw
}

/// Sends `count` requests whose clients leave once the service has them.
async fn ask_and_leave(client: &TestClient, service: &FakeService, count: usize) {
    let before = service.count(Route::V1);
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(begin(client, 2, b"{}").await);
    }
    service.wait_for(Route::V1, before + count).await;
}

#[tokio::test]
async fn f83_clients_that_leave_a_service_that_hangs_make_the_state_offline_and_are_told_once() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    let hung = [Route::V1, Route::Health];
    hung.iter().for_each(|route| service.always(*route, Say::hang()));
    ask_and_leave(&client, &service, 8).await;
    service.wait_for(Route::Health, 2).await;
    pass(LIMIT).await;
    until(&client, ClientState::Offline).await;
    ask_and_leave(&client, &service, 1).await;
    let [error] = &client.events.errors()[..] else { panic!("{:?}", client.events.errors()) };
    assert_eq!(error.code(), "VALET_TIMEOUT");
    hung.iter().for_each(|route| service.heal(*route));
    client.client.refresher.ask(Reason::LinkChanged).await.unwrap();
    client.clock.advance(30 * SECOND);
    until(&client, ClientState::Ready).await;
}

#[tokio::test]
async fn f83_a_client_that_waits_learns_of_a_service_that_hangs_and_still_gets_a_late_answer() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    let gate = Arc::new(Notify::new());
    service.once(Route::V1, Say::json(200, "{}").after(&gate));
    service.always(Route::Health, Say::hang());
    let (answer, ()) = tokio::join!(client.messages("hello"), async {
        service.wait_for(Route::V1, 1).await;
        pass(LIMIT).await;
        service.wait_for(Route::Health, 2).await;
        pass(LIMIT).await;
        until(&client, ClientState::Offline).await;
        gate.notify_one();
    });
    assert_eq!((answer.status, client.client.status().state), (200, ClientState::Ready));
}

#[tokio::test]
async fn f83_a_healthy_service_that_thinks_for_long_or_whose_clients_leave_stays_ready() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    service.always(Route::V1, Say::hang());
    let waiting = begin(&client, 2, b"{}").await;
    service.wait_for(Route::V1, 1).await;
    for checks in 2..=3 {
        pass(LIMIT).await;
        service.wait_for(Route::Health, checks).await;
        client.clock.advance(5 * SECOND);
    }
    ask_and_leave(&client, &service, 8).await;
    service.wait_for(Route::Health, 4).await;
    client.client.refresher.ask(Reason::LinkDoubtful).await.unwrap();
    assert_eq!((client.client.status().state, service.count(Route::Health)), (ClientState::Ready, 4));
    assert!(client.events.errors().is_empty());
    drop(waiting);
}

#[tokio::test]
async fn f83_a_client_that_leaves_in_the_middle_of_its_upload_makes_the_proxy_look_for_the_service() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    service.always(Route::Health, Say::cut());
    // More than the proxy buffers, so that it is on its way up when the client leaves.
    drop(begin(&client, 12 << 20, &vec![b'x'; 10 << 20]).await);
    until(&client, ClientState::Offline).await;
}

#[tokio::test]
async fn f83_a_doubt_soon_after_a_good_check_brings_another_check_after_the_pause() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    client.client.refresher.ask(Reason::LinkDoubtful).await.unwrap();
    service.wait_for(Route::Health, 2).await;
    [Route::V1, Route::Health].iter().for_each(|route| service.always(*route, Say::hang()));
    ask_and_leave(&client, &service, 1).await;
    service.wait_for_gone().await;
    // The refresh task has taken the doubt before it answers this.
    client.client.refresher.ask(Reason::LinkChanged).await.unwrap();
    client.clock.advance(5 * SECOND);
    service.wait_for(Route::Health, 3).await;
    pass(LIMIT).await;
    until(&client, ClientState::Offline).await;
}

#[tokio::test]
async fn f83_a_check_that_fails_after_a_request_was_answered_leaves_the_state_ready() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    service.once(Route::Health, Say::hang());
    client.client.refresher.ask(Reason::LinkDoubtful).await.unwrap();
    service.wait_for(Route::Health, 2).await;
    assert_eq!(client.messages("hello").await.status, 200);
    pass(LIMIT).await;
    client.clock.advance(5 * SECOND);
    client.client.refresher.ask(Reason::LinkDoubtful).await.unwrap();
    // The next check begins after the end of the one that hung.
    service.wait_for(Route::Health, 3).await;
    assert_eq!(client.client.status().state, ClientState::Ready);
    assert!(client.events.errors().is_empty());
}

#[tokio::test]
async fn f83_a_check_from_before_a_sleep_is_given_up_and_made_again() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    service.once(Route::Health, Say::hang());
    client.client.refresher.ask(Reason::LinkDoubtful).await.unwrap();
    service.wait_for(Route::Health, 2).await;
    client.client.resumed();
    service.wait_for_gone().await;
    service.wait_for(Route::Health, 3).await;
    assert_eq!(client.client.status().state, ClientState::Ready);
}
