//! A machine without an id of its own gets one and keeps it.

use valetkey::client::device::DeviceIdSource;
use valetkey::client::keychain::KeychainError;

use testkit::client::fake_service::{FakeService, Route};
use testkit::client::keychain::Op;
use testkit::client::{Setup, no_machine};

#[tokio::test]
async fn a_machine_without_an_id_gets_a_random_one_and_keeps_it() {
    let service = FakeService::start().await;
    let mut setup = Setup::new(&service.url);
    setup.machine_id = no_machine;
    let first = setup.start().await;
    assert_eq!(first.client.status().device.source, DeviceIdSource::Random);
    let second = setup.start().await;
    assert_eq!(first.client.status().device, second.client.status().device);
    assert_eq!(service.count(Route::Bootstrap), 1);
    let elsewhere = Setup { store: testkit::client::keychain::FakeStore::new(), ..setup.clone() }.start().await;
    assert_ne!(first.client.status().device.id, elsewhere.client.status().device.id);
}

#[tokio::test]
async fn a_device_keeps_its_random_id_when_the_keychain_fails_once() {
    let service = FakeService::start().await;
    let mut setup = Setup::new(&service.url);
    setup.machine_id = no_machine;
    let first = setup.start().await;
    for error in [KeychainError::Locked, KeychainError::Unavailable("no session bus".into())] {
        setup.store.fail_next(Op::Get, error);
        setup.start().await;
        let later = setup.start().await;
        assert_eq!(first.client.status().device, later.client.status().device);
    }
}
