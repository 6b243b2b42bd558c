use std::sync::mpsc as gate;

use super::*;

/// Blocks every read until the gate opens, as a keychain does while it prompts for a password.
struct Prompting(gate::Receiver<()>);

impl SecretStore for Prompting {
    fn get(&mut self, _: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeychainError> {
        let _ = self.0.recv();
        Ok(Some(Zeroizing::new(b"value".to_vec())))
    }

    fn set(&mut self, _: &str, _: &[u8]) -> Result<(), KeychainError> {
        Ok(())
    }

    fn delete(&mut self, _: &str) -> Result<(), KeychainError> {
        Ok(())
    }
}

#[tokio::test]
async fn f44_an_unanswered_prompt_times_out_and_does_not_block_other_calls() {
    let (unlock, prompt) = gate::channel();
    let limits = KeychainLimits { read: Duration::from_millis(20), write: Duration::from_secs(5) };
    let keychain = Keychain::start(Box::new(Prompting(prompt)), limits).unwrap();
    assert_eq!(keychain.get("a".into()).await, Err(KeychainError::Late(limits.read)));
    assert_eq!(keychain.set("a".into(), Zeroizing::new(vec![])).await, Err(KeychainError::Busy));
    unlock.send(()).unwrap();
    while keychain.work.is_stuck() {
        tokio::task::yield_now().await;
    }
    unlock.send(()).unwrap();
    assert_eq!(keychain.get("a".into()).await.unwrap().unwrap().as_slice(), b"value");
}

#[tokio::test]
async fn f78_a_start_waits_longer_for_a_slow_keychain_than_a_running_client() {
    let (unlock, prompt) = gate::channel();
    let limits = KeychainLimits { read: Duration::ZERO, write: Duration::ZERO };
    let keychain = Keychain::start(Box::new(Prompting(prompt)), limits).unwrap().for_start(Duration::from_secs(60));
    unlock.send(()).unwrap();
    assert_eq!(keychain.get("a".into()).await.unwrap().unwrap().as_slice(), b"value");
    keychain.start_is_over();
    assert_eq!(keychain.get("a".into()).await, Err(KeychainError::Late(Duration::ZERO)));
    unlock.send(()).unwrap();
}

#[test]
fn f77_a_keychain_counts_as_denied_until_a_call_succeeds() {
    let work = Work::default();
    let note = |result: Result<(), KeychainError>| {
        work.note(&result);
        work.denied.load(Ordering::Acquire)
    };
    assert!(!note(Err(KeychainError::Locked)));
    assert!(note(Err(KeychainError::Denied)));
    assert!(!note(Ok(())));
}
