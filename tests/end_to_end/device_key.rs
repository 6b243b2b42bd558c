//! Devices with keys, and thieves without them.

use std::time::Duration;

use valetkey::client::keychain::KeychainError;
use valetkey::client::refresh::Reason;

use crate::both::{ASK, Both};
use testkit::client::Setup;
use testkit::client::keychain::FakeStore;
use testkit::http::post;
use testkit::service::TestService;
use testkit::upstream::Upstream;

#[tokio::test]
async fn a14_a_thief_with_a_copy_of_the_token_and_the_id_gets_no_other_token() {
    let both = Both::start().await;
    assert_eq!(both.ask(ASK).await.status, 200);
    let device = both.client.client.status().device.id;
    let body = format!(r#"{{"device_id":"{device}"}}"#);
    let stolen = post(&both.service.at("/bootstrap"), &[], body).await;
    assert_eq!((stolen.status, stolen.error_code().as_str()), (403, "device_key_mismatch"));
    both.client.client.refresher.ask(Reason::Forced).await.unwrap();
    assert_eq!(both.ask(ASK).await.status, 200);
}

#[tokio::test]
async fn two_users_of_one_machine_are_two_devices_and_both_are_served() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let (ann, ben) = (Setup::new(&service.url), Setup::new(&service.url));
    let (first, second) = (ann.start().await, ben.start().await);
    assert_ne!(first.client.status().device.id, second.client.status().device.id);
    for client in [&first, &second] {
        assert_eq!(client.messages(ASK).await.status, 200);
        client.client.refresher.ask(Reason::Forced).await.unwrap();
        assert_eq!(client.messages(ASK).await.status, 200);
    }
    // Both keep their ids at the next start.
    for (setup, before) in [(&ann, &first), (&ben, &second)] {
        let again = setup.start().await;
        assert_eq!(again.client.status().device, before.client.status().device);
        assert_eq!(again.messages(ASK).await.status, 200);
    }
}

#[tokio::test]
async fn a_client_with_a_locked_or_lost_keychain_goes_on_as_another_device() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let setup = Setup::new(&service.url);
    let before = setup.start().await.client.status().device;
    setup.store.fail_always(&KeychainError::Locked);
    let locked = setup.start().await;
    assert_eq!(locked.messages(ASK).await.status, 200);
    assert_ne!(locked.client.status().device, before);
    setup.store.heal();
    assert_eq!(setup.start().await.client.status().device, before, "the unlocked device has its id again");
    let lost = Setup { store: FakeStore::new(), ..setup };
    let lost = lost.start().await;
    assert_eq!(lost.messages(ASK).await.status, 200);
    assert_ne!(lost.client.status().device, before);
}

#[tokio::test]
async fn f41_a_machine_whose_clock_is_years_off_can_prove_its_key() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    for wrong in ["behind", "ahead"] {
        let setup = Setup { store: FakeStore::new(), ..Setup::new(&service.url) };
        let by = Duration::from_secs(5 * 365 * 24 * 3600);
        if wrong == "behind" {
            setup.clock.set_back(by)
        } else {
            setup.clock.advance(by)
        };
        let client = setup.start().await;
        assert_eq!(client.messages(ASK).await.status, 200, "{wrong}");
        client.client.refresher.ask(Reason::Forced).await.unwrap();
    }
}
