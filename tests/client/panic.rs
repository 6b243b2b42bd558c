//! A fault of the client itself: a task that it cannot do without panics.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use valetkey::client::config::ClientConfig;
use valetkey::client::keychain::KeychainLimits;
use valetkey::client::refresh::Reason;
use valetkey::client::status::Event;
use valetkey::client::{Client, ClientPorts};
use valetkey::clock::Clock;
use valetkey::transport::next_hop::SystemProxies;

use testkit::client::fake_service::FakeService;
use testkit::client::keychain::FakeStore;
use testkit::client::some_machine;

/// A clock that panics as soon as a test wants it.
#[derive(Default)]
struct FaultyClock(AtomicBool);

impl Clock for FaultyClock {
    fn now(&self) -> SystemTime {
        assert!(!self.0.load(Ordering::SeqCst), "a fault of this test");
        SystemTime::now()
    }
}

#[tokio::test]
async fn f104_a_panic_of_the_refresh_task_ends_the_client_aloud_and_not_the_process() {
    let service = FakeService::start().await;
    let clock = Arc::new(FaultyClock::default());
    let (told, events) = std::sync::mpsc::channel();
    let ports = ClientPorts {
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        store: Box::new(FakeStore::new()),
        keychain_limits: KeychainLimits::default(),
        lock_folder: None,
        machine_id: some_machine,
        extra_ca_certs: None,
        system_proxies: Arc::new(SystemProxies::read),
        events: Arc::new(move |event| {
            if let Event::Error(error) = event {
                let _ = told.send(error);
            }
        }),
    };
    let options = format!(r#"{{"bootstrapUrl":"{}/bootstrap","storage":"memory"}}"#, service.url);
    let client = Client::start(ClientConfig::parse(&options).unwrap(), ports).await.unwrap();
    clock.0.store(true, Ordering::SeqCst);
    let asked = client.refresher.ask(Reason::Forced).await;
    assert_eq!(asked.unwrap_err().code(), "VALET_CLOSED", "nobody waits for ever");
    clock.0.store(false, Ordering::SeqCst);
    tokio::time::timeout(Duration::from_secs(10), client.broken()).await.expect("the panic is noticed");
    let error = events.try_recv().unwrap();
    assert!(error.code() == "VALET_INTERNAL" && error.to_string().contains("panicked"), "{error}");
    assert_eq!(client.status().last_error.unwrap().code(), "VALET_INTERNAL");
    client.close(Duration::ZERO).await;
}
