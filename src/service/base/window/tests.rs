use proptest::prelude::*;

use super::*;

const LENGTH: Duration = Duration::from_nanos(6400);

fn window_at(now: u64) -> SlidingWindow {
    let mut window = SlidingWindow::default();
    window.advance(now, LENGTH);
    window
}

#[test]
fn an_amount_counts_for_the_whole_window_and_at_most_a_64th_longer() {
    let mut window = window_at(1_000_050);
    window.add(1);
    window.advance(1_000_050 + 6400, LENGTH);
    assert_eq!(window.total, 1);
    window.advance(1_000_050 + 6400 + 100, LENGTH);
    assert_eq!(window.total, 0);
}

#[test]
fn the_wait_ends_exactly_when_there_is_room() {
    let mut window = window_at(1_000_050);
    window.add(3);
    window.advance(1_001_050, LENGTH);
    window.add(2);
    assert_eq!(window.wait(1_001_050, 6), None);
    for (limit, seen) in [(5, 2), (3, 2), (2, 0)] {
        let wait = u64::try_from(window.wait(1_001_050, limit).unwrap().as_nanos()).unwrap();
        let mut later = window_at(0);
        later.advance(1_000_050, LENGTH);
        later.add(3);
        later.advance(1_001_050, LENGTH);
        later.add(2);
        later.advance(1_001_050 + wait - 1, LENGTH);
        assert!(later.wait(1_001_050 + wait - 1, limit).is_some(), "{limit}: not a moment earlier");
        later.advance(1_001_050 + wait, LENGTH);
        assert_eq!(later.total, seen, "{limit}");
    }
}

#[test]
fn a_change_of_length_forgets_nothing() {
    let mut window = window_at(1_000_000);
    window.add(5);
    window.advance(1_001_000, LENGTH * 2);
    assert_eq!(window.total, 5);
    window.advance(1_001_000 + 6400 * 2, LENGTH * 2);
    assert_eq!(window.total, 5);
    window.advance(1_001_000 + 6400 * 2 + 200, LENGTH * 2);
    assert_eq!(window.total, 0);
}

#[test]
fn an_amount_taken_back_no_longer_counts_and_a_forgotten_one_stays_forgotten() {
    let mut window = window_at(1_000_000);
    let slot = window.add(1);
    window.add(1);
    window.take_back(slot);
    assert_eq!(window.total, 1);
    window.advance(1_000_000 + 65 * 100, LENGTH);
    window.add(1);
    window.take_back(slot);
    assert_eq!(window.total, 1);
}

#[test]
fn a_slot_that_is_full_stays_full() {
    let mut window = window_at(1_000_000);
    window.add(u64::MAX);
    window.add(7);
    assert_eq!(window.total, u64::from(u32::MAX));
    assert!(window.wait(1_000_000, 1).is_some());
}

#[test]
fn absurd_lengths_do_no_harm() {
    for length in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
        let mut window = SlidingWindow::default();
        for now in [0, 1, u64::MAX / 2, u64::MAX] {
            window.advance(now, length);
            window.add(1);
            let _ = (window.wait(now, 1), window.is_over(now));
        }
    }
}

proptest! {
    #[test]
    fn no_window_holds_more_than_the_limit_and_no_wait_is_a_64th_too_long(
        steps in prop::collection::vec((0_u64..900, 1_u64..4), 1..400),
        limit in 1_u64..12,
    ) {
        let (mut window, mut now) = (SlidingWindow::default(), 1_000_000_u64);
        let mut admitted: Vec<u64> = Vec::new();
        for (pause, tries) in steps {
            now += pause;
            for _ in 0..tries {
                window.advance(now, LENGTH);
                let in_last = |length: u64| admitted.iter().filter(|&&at| at + length > now).count() as u64;
                if window.wait(now, limit).is_none() {
                    prop_assert!(in_last(6400) < limit);
                    window.add(1);
                    admitted.push(now);
                } else {
                    prop_assert!(in_last(6400 + 100) >= limit);
                }
            }
        }
    }
}
