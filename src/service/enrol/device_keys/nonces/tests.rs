//! Nonces: ours, once, and for a while.

use std::time::Duration;

use super::*;
use crate::clock::ManualClock;
use crate::secret::Secret;
use crate::service::token::keyring::KeyList;

fn nonces(clock: &ManualClock) -> Nonces {
    let keys = KeyList::of_one(Secret::new("0123456789abcdef0123456789abcdef"));
    Nonces::new(Arc::new(KeyRing::new(&keys)), Arc::new(clock.clone()))
}

fn fault(result: Result<Nonce, NonceError>) -> Option<NonceError> {
    result.err()
}

#[test]
fn a12_a_nonce_with_any_bit_altered_is_unknown() {
    let clock = ManualClock::starting_now();
    let nonces = nonces(&clock);
    let good = BASE64_URL_SAFE_NO_PAD.decode(nonces.issue()).unwrap();
    assert_eq!(good.len(), LENGTH);
    for place in 0..LENGTH {
        for bit in 0..8 {
            let mut altered = good.clone();
            altered[place] ^= 1 << bit;
            let text = BASE64_URL_SAFE_NO_PAD.encode(altered);
            assert_eq!(fault(nonces.read(Some(&text))), Some(NonceError::Unknown), "{place} {bit}");
        }
    }
    assert_eq!(fault(nonces.read(None)), Some(NonceError::Missing));
}

#[test]
fn a12_a_used_nonce_is_remembered_as_long_as_any_instance_would_accept_it() {
    let (clock, ahead) = (ManualClock::starting_now(), ManualClock::starting_now());
    let (here, there) = (nonces(&clock), nonces(&ahead));
    // The halves turn while the nonce is good, not before and not after.
    here.take(&here.read(Some(&here.issue())).unwrap()).unwrap();
    clock.advance(Duration::from_secs(LIFE));
    ahead.advance(Duration::from_secs(LIFE + LIFE - 1));
    // The longest-lived nonce: its issuer's clock is ahead.
    let long_lived = there.issue();
    here.take(&here.read(Some(&long_lived)).unwrap()).unwrap();
    for _ in 0..2 * LIFE - 2 {
        clock.advance(Duration::from_secs(1));
        // Other nonces come and go, so that the halves turn as early as possible.
        here.take(&here.read(Some(&here.issue())).unwrap()).unwrap();
        assert_eq!(here.take(&here.read(Some(&long_lived)).unwrap()).err(), Some(NonceError::Used));
    }
    clock.advance(Duration::from_secs(1));
    assert_eq!(fault(here.read(Some(&long_lived))), Some(NonceError::Old));
}

#[test]
fn a_flood_of_good_proofs_fills_the_memory_which_is_free_again_minutes_later() {
    let clock = ManualClock::starting_now();
    let nonces = nonces(&clock);
    let take = || nonces.take(&nonces.read(Some(&nonces.issue())).unwrap());
    for _ in 0..MOST_USED {
        take().unwrap();
    }
    assert_eq!(take().err(), Some(NonceError::Full));
    clock.advance(Duration::from_secs(2 * LIFE));
    take().unwrap();
}

#[test]
fn after_the_clock_is_set_back_nonces_still_work() {
    let clock = ManualClock::starting_now();
    let nonces = nonces(&clock);
    let take = || nonces.take(&nonces.read(Some(&nonces.issue())).unwrap());
    for _ in 0..MOST_USED {
        take().unwrap();
    }
    clock.set_back(Duration::from_secs(3600));
    take().unwrap();
}
