//! Two regions of one service: they share the signing secret, and each has a database of its own.

use valetkey::client::refresh::Reason;
use valetkey::client::status::ClientState;

use crate::both::ASK;
use testkit::client::Setup;
use testkit::service::TestService;
use testkit::upstream::Upstream;

#[tokio::test]
async fn f93_f96_an_app_goes_on_at_another_region_with_its_token_and_its_key() {
    let upstream = Upstream::start();
    let eu = TestService::before(&upstream);
    let us = TestService::before_with(&upstream, |flags| flags.set("REGIONS", eu.url.clone()));
    let client = Setup::new(&us.url).start().await;
    assert_eq!(client.messages(ASK).await.status, 200);
    // The threads of the service end while this one waits.
    tokio::task::spawn_blocking(move || us.stop()).await.unwrap();
    for _ in 0..5 {
        let answer = client.messages(ASK).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    client.client.refresher.ask(Reason::Forced).await.unwrap();
    let answer = client.messages(ASK).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let status = client.client.status();
    assert_eq!((status.state, status.service), (ClientState::Ready, eu.url.clone()));
    assert_eq!(upstream.requests().len(), 7);
}
