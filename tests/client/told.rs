//! What an app is told: one status for one change, and the wait before the next attempt.

use std::time::Duration;

use valetkey::client::refresh::Reason;
use valetkey::client::status::{ClientState, Event};

use testkit::client::Setup;
use testkit::client::fake_service::{FakeService, Route, Say};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_refresh_is_told_by_two_statuses_its_beginning_and_its_end() {
    let service = FakeService::start().await;
    // The clock moves, and the token is not due by it.
    let client = Setup::new(&service.url).start().await;
    client.clock.advance(SECOND);
    let before = client.events.statuses().len();
    client.client.refresher.ask(Reason::Forced).await.unwrap();
    let told: Vec<_> = client.events.statuses().split_off(before).iter().map(|status| status.state).collect();
    assert_eq!(told, [ClientState::Refreshing, ClientState::Ready]);
}

#[tokio::test]
async fn a_failed_refresh_is_told_by_its_end_before_the_error_with_the_time_of_the_next_attempt() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    service.once(Route::Refresh, Say::json(503, "{}").header("retry-after", "120"));
    let before = client.events.all().len();
    let error = client.client.refresher.ask(Reason::Forced).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(120 * SECOND));
    let mut told = client.events.all().split_off(before);
    told.retain(|event| !matches!(event, Event::Log(..)));
    let [Event::Status(begun), Event::Status(ended), Event::Error(_)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((begun.state, ended.state), (ClientState::Refreshing, ClientState::Offline));
    let wait = ended.retry_at.unwrap().duration_since(begun.expires_at.unwrap() - 24 * 3600 * SECOND).unwrap();
    assert_eq!(wait, 120 * SECOND);
    client.clock.advance(121 * SECOND);
    let status = client.wait_for("recovery", |status| status.state == ClientState::Ready).await;
    assert_eq!(status.retry_at, None);
}
