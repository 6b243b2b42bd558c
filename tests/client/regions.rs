//! A service with several addresses: those that the app names, and those of the regions that the service announces.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Notify;
use valetkey::client::device;
use valetkey::client::refresh::Reason;
use valetkey::client::status::{ClientState, Event, Level};

use testkit::client::fake_service::{FakeService, Route, Say};
use testkit::client::{Setup, TestClient, some_machine};
use testkit::upstream::Certificate;

const SECOND: Duration = Duration::from_secs(1);

/// A region of a service whose regions share their signing secrets.
async fn region() -> FakeService {
    on(0).await
}

async fn on(port: u16) -> FakeService {
    let region = FakeService::start_on(port).await;
    region.is_region_for(device::derive("com.example.test", some_machine).unwrap().as_str());
    region
}

/// An app that names these addresses.
fn naming(urls: &[&str]) -> Setup {
    let addresses: Vec<_> = urls.iter().map(|url| format!("{url}/bootstrap")).collect();
    Setup::new(urls[0]).with("bootstrapUrl", addresses)
}

async fn start(first: &FakeService, second: &FakeService) -> TestClient {
    let client = naming(&[&first.url, &second.url]).start().await;
    assert_eq!(client.client.status().service, first.url);
    client
}

async fn until_it_uses(client: &TestClient, url: &str) {
    client.wait_for(url, |status| status.service == url).await;
}

async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

fn lines(client: &TestClient, part: &str) -> usize {
    let told = |event: &Event| matches!(event, Event::Log(Level::Info, line) if line.contains(part));
    client.events.all().iter().filter(|event| told(event)).count()
}

#[tokio::test]
async fn f93_a_region_that_is_away_costs_no_request_and_is_told_once() {
    let (us, eu) = (region().await, region().await);
    let client = start(&us, &eu).await;
    assert_eq!(client.messages("hello").await.status, 200);
    let (url, _port) = (us.url.clone(), us.stop().await);
    for _ in 0..20 {
        assert_eq!(client.messages("hello").await.status, 200);
    }
    let status = client.client.status();
    assert_eq!((status.state, status.service.as_str(), eu.count(Route::V1)), (ClientState::Ready, &*eu.url, 20));
    assert_eq!((client.events.errors().len(), lines(&client, &format!("Uses {}: {url}", eu.url))), (0, 1));
}

#[tokio::test]
async fn f93_requests_at_once_all_go_to_the_next_region() {
    let (us, eu) = (region().await, region().await);
    let client = start(&us, &eu).await;
    us.stop().await;
    for answer in client.messages_at_once(50).await {
        assert_eq!(answer.status, 200);
    }
    assert_eq!(eu.count(Route::V1), 50);
}

#[tokio::test]
async fn f93_a_token_is_refreshed_at_the_next_region() {
    let (us, eu) = (region().await, region().await);
    let client = start(&us, &eu).await;
    us.stop().await;
    client.client.refresher.ask(Reason::Forced).await.unwrap();
    assert_eq!((eu.count(Route::Refresh), eu.count(Route::Bootstrap)), (1, 0));
    assert_eq!(client.client.status().state, ClientState::Ready);
    until_it_uses(&client, &eu.url).await;
}

#[tokio::test]
async fn f93_an_app_starts_at_the_next_region_when_the_first_is_away_or_answers_a_5xx() {
    for is_away in [true, false] {
        let (us, eu) = (region().await, region().await);
        let setup = naming(&[&us.url, &eu.url]);
        let mut us = Some(us);
        if is_away {
            us.take().unwrap().stop().await;
        } else {
            us.as_ref().unwrap().always(Route::Bootstrap, Say::json(503, "{}"));
        }
        let client = setup.start().await;
        assert_eq!((client.client.status().state, eu.count(Route::Bootstrap)), (ClientState::Ready, 1));
        assert_eq!(client.client.status().service, eu.url);
    }
}

#[tokio::test]
async fn f93_without_any_region_the_state_is_offline_and_none_is_preferred_to_another() {
    let (us, eu) = (region().await, region().await);
    let client = start(&us, &eu).await;
    let (first, second) = (us.url.clone(), eu.port);
    let port = us.stop().await;
    eu.stop().await;
    let answer = client.messages("hello").await;
    assert_eq!((answer.status, answer.header("x-should-retry")), (502, Some("true")));
    assert!(answer.text().contains(&format!("127.0.0.1:{port}")), "{}", answer.text());
    let status = client.client.status();
    assert_eq!((status.state, status.service), (ClientState::Offline, first.clone()));
    assert_eq!(client.events.errors().len(), 1);
    // One of them is enough to be ready again.
    let _eu = on(second).await;
    client.client.refresher.ask(Reason::LinkChanged).await.unwrap();
    client.clock.advance(30 * SECOND);
    client.wait_for("ready", |status| status.state == ClientState::Ready && status.service != first).await;
    assert_eq!(client.messages("hello").await.status, 200);
}

#[tokio::test]
async fn f93_a_request_that_was_written_and_lost_goes_to_no_other_region_and_is_no_outage() {
    let (us, eu) = (region().await, region().await);
    let client = start(&us, &eu).await;
    us.once(Route::V1, Say::cut());
    let answer = client.messages("hello").await;
    assert_eq!((answer.status, answer.header("x-should-retry")), (503, Some("true")));
    us.wait_for(Route::Health, 2).await;
    assert_eq!(client.messages("hello").await.status, 200);
    let status = client.client.status();
    assert_eq!((status.state, status.service), (ClientState::Ready, us.url.clone()));
    assert_eq!((eu.count(Route::V1), client.events.errors().len()), (0, 0));
}

#[tokio::test]
async fn f94_a_region_that_answers_nothing_is_passed_over_while_its_requests_go_on() {
    let (us, eu) = (region().await, region().await);
    let client = start(&us, &eu).await;
    let gate = Arc::new(Notify::new());
    us.once(Route::V1, Say::json(200, "{}").after(&gate));
    [Route::V1, Route::Health, Route::Probe].iter().for_each(|route| us.always(*route, Say::hang()));
    let (early, ()) = tokio::join!(client.messages("early"), async {
        us.wait_for(Route::V1, 1).await;
        until_it_uses(&client, &eu.url).await;
        for _ in 0..10 {
            assert_eq!(client.messages("late").await.status, 200);
        }
        gate.notify_one();
    });
    assert_eq!((early.status, us.count(Route::V1), eu.count(Route::V1)), (200, 1, 10));
    assert_eq!((client.client.status().state, client.events.errors().len()), (ClientState::Ready, 0));
}

#[tokio::test]
async fn f94_a_region_where_no_connection_is_completed_costs_no_request() {
    // It takes connections, and never answers a TLS handshake.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (us, eu) = (format!("https://{}", silent.local_addr().unwrap()), region().await);
    // A machine for tests may have no certificates of its own.
    let mut certificates = tempfile::NamedTempFile::new().unwrap();
    certificates.write_all(Certificate::generate(&[]).root_pem.as_bytes()).unwrap();
    let setup = naming(&[&us, &eu.url]);
    let client = Setup { extra_ca_certs: Some(certificates.path().to_owned()), ..setup }.start().await;
    assert_eq!(client.client.status().service, eu.url, "the start has found out");
    client.client.resumed();
    assert_eq!(client.client.status().service, us, "after a sleep all regions have the same chance");
    assert_eq!(client.messages("hello").await.status, 200);
    assert_eq!((client.client.status().service, eu.count(Route::V1)), (eu.url.clone(), 1));
}

#[tokio::test]
async fn f120_a_request_goes_from_a_silent_region_to_the_one_that_is_well_past_another_silent_one() {
    let silent = [TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap()];
    let [us, eu] = silent.each_ref().map(|region| format!("https://{}", region.local_addr().unwrap()));
    let ap = region().await;
    // A machine for tests may have no certificates of its own.
    let mut certificates = tempfile::NamedTempFile::new().unwrap();
    certificates.write_all(Certificate::generate(&[]).root_pem.as_bytes()).unwrap();
    let setup = naming(&[&us, &eu, &ap.url]);
    let client = Setup { extra_ca_certs: Some(certificates.path().to_owned()), ..setup }.start().await;
    client.client.resumed();
    assert_eq!(client.client.status().service, us);
    let answer = tokio::time::timeout(8 * SECOND, client.messages("hello")).await;
    assert_eq!(answer.expect("it does not wait for a connection to the second one").status, 200);
    assert_eq!((client.client.status().service, ap.count(Route::V1)), (ap.url.clone(), 1));
}

#[tokio::test]
async fn f94_a_region_that_is_well_and_thinks_for_long_stays_in_use() {
    let (us, eu) = (region().await, region().await);
    let client = start(&us, &eu).await;
    let gate = Arc::new(Notify::new());
    us.once(Route::V1, Say::json(200, "{}").after(&gate));
    let (answer, ()) = tokio::join!(client.messages("hello"), async {
        us.wait_for(Route::Health, 2).await;
        gate.notify_one();
    });
    assert_eq!((answer.status, client.messages("hello").await.status), (200, 200));
    assert_eq!((client.client.status().service, eu.count(Route::V1)), (us.url.clone(), 0));
}

#[tokio::test]
async fn f95_a_region_that_is_back_is_used_again_after_a_minute_of_good_checks() {
    let (us, eu) = (region().await, region().await);
    let client = start(&us, &eu).await;
    let port = us.stop().await;
    assert_eq!(client.messages("hello").await.status, 200);
    let us = on(port).await;
    let mut halves = 0;
    while client.client.status().service != us.url {
        halves += 1;
        assert!(halves < 20, "it is not used again");
        assert_eq!(client.messages("hello").await.status, 200);
        pass(30 * SECOND).await;
        let _ = tokio::time::timeout(SECOND, us.wait_for(Route::Health, halves)).await;
    }
    assert!(halves >= 3, "after {halves} half minutes");
    assert_eq!(client.messages("hello").await.status, 200);
    assert!(us.count(Route::V1) >= 1);
    assert_eq!(lines(&client, &format!("Uses {} again", us.url)), 1);
}

#[tokio::test]
async fn f95_a_restart_between_two_requests_is_no_failure() {
    let (us, eu) = (region().await, region().await);
    let client = start(&us, &eu).await;
    assert_eq!(client.messages("hello").await.status, 200);
    let us = on(us.stop().await).await;
    assert_eq!(client.messages("hello").await.status, 200);
    assert_eq!((client.client.status().service, eu.count(Route::V1)), (us.url.clone(), 0));
}

#[tokio::test]
async fn f96_announced_regions_are_used_when_the_apps_own_address_fails_also_after_a_restart() {
    let (us, eu) = (region().await, region().await);
    us.name_regions(&[&us.url, &eu.url]);
    let setup = Setup::new(&us.url);
    let client = setup.start().await;
    assert_eq!(client.messages("hello").await.status, 200);
    us.stop().await;
    assert_eq!(client.messages("hello").await.status, 200);
    assert_eq!((client.client.status().service, eu.count(Route::V1)), (eu.url.clone(), 1));
    client.client.close(SECOND).await;
    let again = setup.start().await;
    assert_eq!(again.messages("hello").await.status, 200);
    assert_eq!((again.client.status().state, eu.count(Route::V1), eu.tokens_asked()), (ClientState::Ready, 2, 0));
}

#[tokio::test]
async fn f96_an_announced_region_that_issues_a_token_and_announces_none_stays_in_use() {
    let (us, eu) = (region().await, region().await);
    us.name_regions(&[&eu.url]);
    let client = Setup::new(&us.url).start().await;
    us.stop().await;
    client.client.refresher.ask(Reason::Forced).await.unwrap();
    assert_eq!((eu.count(Route::Refresh), client.messages("hello").await.status), (1, 200));
    assert_eq!((client.client.status().service, eu.count(Route::V1)), (eu.url.clone(), 1));
}

#[tokio::test]
async fn f96_a_token_of_an_announced_region_is_found_by_the_next_start() {
    let (us, eu) = (region().await, region().await);
    us.name_regions(&[&eu.url]);
    eu.name_regions(&[&eu.url]);
    eu.issue_for(7200, 0);
    let setup = Setup::new(&us.url);
    let client = setup.start().await;
    let port = us.stop().await;
    client.client.refresher.ask(Reason::Forced).await.unwrap();
    let stored = async {
        while !String::from_utf8(setup.store.entry("wrapper-token").unwrap()).unwrap().contains("\"lifetime\":7200") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(10 * SECOND, stored).await.expect("the token of the region is stored");
    client.client.close(SECOND).await;
    let us = on(port).await;
    let again = setup.start().await;
    assert_eq!((us.tokens_asked(), again.client.status().service), (0, us.url.clone()));
    assert_eq!(again.messages("hello").await.status, 200);
}

#[tokio::test]
async fn f97_a_region_that_is_not_ready_costs_no_request() {
    let (us, eu) = (region().await, region().await);
    let client = start(&us, &eu).await;
    us.always(Route::V1, Say::error("not_ready"));
    for _ in 0..20 {
        assert_eq!(client.messages("hello").await.status, 200);
    }
    assert_eq!((us.count(Route::V1), eu.count(Route::V1)), (1, 20));
    assert_eq!(client.client.status().service, eu.url);
}

#[tokio::test]
async fn f97_when_no_region_is_ready_the_app_gets_the_services_own_answer() {
    let (us, eu) = (region().await, region().await);
    let client = start(&us, &eu).await;
    [&us, &eu].iter().for_each(|region| region.always(Route::V1, Say::error("not_ready")));
    assert_eq!(client.messages("hello").await.error_code(), "not_ready");
    assert_eq!(client.client.status().state, ClientState::Ready);
}
