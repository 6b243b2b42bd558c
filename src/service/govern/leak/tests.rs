mod leaking;
mod random;
mod roaming;

use std::thread;
use std::time::Duration;

use self::leaking::Pace;
use self::roaming::Kind;
use super::history::History;
use super::network::Network;
use super::program::Program;
use super::track::Sighting;

const HOME: &str = "203.0.113.1";
const CAFE: &str = "198.51.100.1";
const HOME_V6: &str = "2001:db8:1::1";

/// The second at which such requests, given by second and address, are suspected.
fn suspected_at(requests: impl IntoIterator<Item = (u64, &'static str)>) -> Option<u64> {
    let mut history = History::default();
    requests.into_iter().find_map(|(second, address)| {
        let seen = sighting(second, address);
        history.see(&seen).map(|_| second)
    })
}

fn sighting(second: u64, address: &str) -> Sighting {
    Sighting { at: second * 1000, network: Network::of(address.parse().unwrap()), program: Program(7) }
}

/// One request every `step` seconds, from the addresses in turn.
fn in_turn(addresses: &[&'static str], step: u64) -> impl Iterator<Item = (u64, &'static str)> {
    (0..200).map(move |number| (number * step, addresses[usize::try_from(number).unwrap() % addresses.len()]))
}

#[test]
fn a_token_in_use_in_two_places_is_noticed_within_a_minute() {
    assert_eq!(suspected_at(in_turn(&[HOME, CAFE], 6)), Some(36));
    assert!(suspected_at(in_turn(&[HOME, HOME, HOME, CAFE], 3)).is_some_and(|second| second <= 60));
    let rotating = [HOME, CAFE, HOME, "192.0.2.1", HOME, "100.64.0.1"];
    assert!(suspected_at(in_turn(&rotating, 6)).is_some_and(|second| second <= 60), "a thief with many exits");
}

#[test]
fn a_journey_is_no_suspicion() {
    for addresses in [
        &[HOME, HOME, HOME, HOME][..],
        &[HOME, "203.0.7.1", "203.0.99.1", "203.0.113.9"],
        &[HOME, "203.7.113.1"],
        &[HOME_V6, "2001:db8:9::1"],
        &[HOME, HOME_V6],
        &[HOME_V6, "2001:db8:1:ffff::2", "2001:db8:1:7::3"],
    ] {
        assert_eq!(suspected_at(in_turn(addresses, 3)), None, "{addresses:?}");
    }
    let stay = |from: u64, address| (from..from + 300).step_by(5).map(move |second| (second, address));
    let there_and_back = stay(0, HOME).chain(stay(303, CAFE)).chain(stay(606, HOME)).chain(stay(909, CAFE));
    assert_eq!(suspected_at(there_and_back), None);
    let briefly = stay(0, HOME).chain([(303, CAFE), (308, CAFE)]).chain(stay(312, HOME));
    assert_eq!(suspected_at(briefly), None, "a VPN that is switched on and off again");
}

#[test]
fn a_suspected_device_begins_anew_after_a_while() {
    let mut history = History::default();
    let mut alarms = Vec::new();
    for (second, address) in in_turn(&[HOME, CAFE], 6) {
        if history.see(&sighting(second, address)).is_some() {
            alarms.push(second);
        }
    }
    assert_eq!(alarms, [36, 672], "ten minutes of quiet and as long as the first time");
}

#[test]
fn sightings_of_another_instance_count_though_they_are_heard_later() {
    let mut history = History::default();
    assert!(history.hear(&sighting(90, CAFE)).is_none(), "nothing was seen here yet");
    let suspected = (0..20).find_map(|number| {
        let second = 100 + number * 12;
        let here = history.see(&sighting(second, HOME));
        // From before that, because notes of other instances are read after each request here.
        let there = history.hear(&sighting(second - 6, CAFE));
        here.or(there).map(|_| second)
    });
    assert!(suspected.is_some_and(|second| second <= 160), "{suspected:?}");
}

#[test]
fn a_sighting_is_the_same_after_it_was_told() {
    for address in [HOME, HOME_V6] {
        let seen = sighting(1_790_000_000, address);
        assert_eq!(Sighting::from_note(&seen.to_note()), Some(seen));
    }
    for nonsense in ["", "1", "1 203.0.113.0/24", "1 nowhere 7", "1 203.0.113.0/24 7 8", "x 203.0.113.0/24 7"] {
        assert_eq!(Sighting::from_note(nonsense), None, "{nonsense}");
    }
}

#[test]
fn a_clock_that_is_set_back_is_no_evidence() {
    let mut history = History::default();
    for second in (0..1000).rev() {
        assert!(history.see(&sighting(second, if second > 500 { HOME } else { CAFE })).is_none());
    }
}

#[test]
fn roaming_devices_are_left_alone() {
    let alarms = thread::scope(|scope| {
        let days = |kind: Kind| move || (0..DAYS).filter(|&day| kind.alarms(day * 31 + kind as u64)).count();
        let running = Kind::ALL.map(|kind| (kind, scope.spawn(days(kind))));
        running.map(|(kind, days)| (kind, days.join().unwrap()))
    });
    let days = alarms.len() * usize::try_from(DAYS).unwrap();
    let false_alarms: usize = alarms.iter().map(|(_, count)| count).sum();
    assert!(days >= 10_000, "{days}");
    assert!(false_alarms * 1000 <= days, "{false_alarms} false alarms in {days} days of roaming: {alarms:?}");
}

#[test]
fn a_leak_is_noticed_the_sooner_the_more_it_is_used() {
    let busy = Pace { owner: (3.0, 20.0), thief: (3.0, 20.0) };
    let up_to_a_minute = Pace { owner: (3.0, 60.0), thief: (3.0, 60.0) };
    let quiet_thief = Pace { owner: (2.0, 8.0), thief: (40.0, 60.0) };
    let quiet_owner = Pace { owner: (40.0, 60.0), thief: (2.0, 8.0) };
    let both_quiet = Pace { owner: (30.0, 60.0), thief: (30.0, 60.0) };
    for (pace, seconds) in
        [(busy, 60), (up_to_a_minute, 300), (quiet_thief, 360), (quiet_owner, 360), (both_quiet, 360)]
    {
        let is_in_time = |after: Duration| after <= Duration::from_secs(seconds);
        let found = (0..LEAKS).filter(|&seed| pace.noticed_after(seed).is_some_and(is_in_time)).count();
        let leaks = usize::try_from(LEAKS).unwrap();
        assert!(found * 100 >= leaks * 99, "{found} of {leaks} leaks noticed within {seconds} s: {pace:?}");
    }
}

/// Days of each kind of roaming.
const DAYS: u64 = 1500;

/// Leaks of each pace.
const LEAKS: u64 = 1000;
