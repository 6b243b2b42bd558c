use std::num::NonZeroU32;

use tokio::time::advance;

use super::*;
use crate::wire::ErrorCode;

fn guard(per_network: u32, new_devices: u32) -> EnrolmentLimiter {
    guard_of([per_network, 0, new_devices])
}

fn guard_of([per_network, proofs_per_network, new_devices]: [u32; 3]) -> EnrolmentLimiter {
    let [per_network, proofs_per_network, new_devices] =
        [per_network, proofs_per_network, new_devices].map(NonZeroU32::new);
    EnrolmentLimiter::new(BootstrapLimits { per_network, proofs_per_network, new_devices })
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn device(number: usize) -> DeviceId {
    DeviceId::parse(&format!("device-{number:05}")).unwrap()
}

fn admitted(guard: &EnrolmentLimiter, source: &str, tries: usize) -> usize {
    (0..tries).filter(|_| guard.admit(ip(source), Evidence::Id).is_ok()).count()
}

#[tokio::test(start_paused = true)]
async fn a17_ten_thousand_requests_of_one_address_get_the_tokens_of_one_network() {
    let guard = guard(60, 0);
    assert_eq!(admitted(&guard, "192.0.2.1", 10_000), 60);
    assert_eq!(admitted(&guard, "192.0.2.2", 10_000), 60, "its neighbour has an hour of its own");
    assert_eq!(admitted(&guard, "::ffff:192.0.2.1", 10), 0, "another spelling is the same address");
    assert_eq!(
        guard.figures(),
        EnrolmentFigures { refused_networks: 19_890, refused_proofs: 0, refused_devices: 0, networks: 2 }
    );
}

#[tokio::test(start_paused = true)]
async fn a17_all_addresses_of_an_ipv6_network_are_one_source() {
    let guard = guard(60, 0);
    let rotating = (0..10_000_u32).filter(|number| {
        let source = format!("2001:db8:1:{:x}::{:x}", number % 0xffff, number);
        guard.admit(ip(&source), Evidence::Id).is_ok()
    });
    assert_eq!(rotating.count(), 60);
    assert_eq!(admitted(&guard, "2001:db8:2::1", 100), 60, "the next /48");
    assert_eq!(guard.figures().networks, 2);
}

#[tokio::test(start_paused = true)]
async fn a_refused_network_is_told_to_wait_an_hour_and_admitted_then() {
    let guard = guard(2, 0);
    assert_eq!(admitted(&guard, "192.0.2.1", 3), 2);
    let refused = guard.admit(ip("192.0.2.1"), Evidence::Id).unwrap_err();
    assert_eq!(refused.code, ErrorCode::RateLimited);
    let wait = refused.retry_after.unwrap();
    assert!(wait >= HOUR && wait <= HOUR + HOUR / 60, "{wait:?}");
    advance(Duration::from_secs(3599)).await;
    assert_eq!(admitted(&guard, "192.0.2.1", 1), 0);
    advance(wait.saturating_sub(HOUR) + Duration::from_secs(1)).await;
    assert_eq!(admitted(&guard, "192.0.2.1", 3), 2);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_renews_too_often_is_told_to_wait_a_minute_at_most() {
    let guard = guard(0, 0);
    assert!((0..RENEWALS).all(|_| guard.renew(&device(1)).is_ok()));
    let refused = guard.renew(&device(1)).unwrap_err();
    assert_eq!((refused.code, refused.retry_after), (ErrorCode::RateLimited, Some(MINUTE)));
    advance(MINUTE + Duration::from_secs(1)).await;
    assert!(guard.renew(&device(1)).is_ok());
}

#[tokio::test(start_paused = true)]
async fn loopback_and_a_limit_of_zero_are_not_limited() {
    for source in ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"] {
        assert_eq!(admitted(&guard(1, 0), source, 100), 100, "{source}");
    }
    assert_eq!(admitted(&guard(0, 0), "192.0.2.1", 100), 100);
    assert!((0..100).all(|number| guard(0, 0).enrol(&device(number)).is_ok()));
}

#[tokio::test(start_paused = true)]
async fn a17_the_number_of_remembered_networks_is_bounded() {
    let guard = guard(1, 0);
    for number in 0..3 * u32::try_from(MOST_WINDOWS).unwrap() {
        let source = IpAddr::from(std::net::Ipv4Addr::from(0xc000_0000 + number));
        assert!(guard.admit(source, Evidence::Id).is_ok());
        assert!(guard.figures().networks <= MOST_WINDOWS);
    }
    // Networks with expired windows make room first.
    advance(HOUR * 2).await;
    for number in 0..2 * u32::try_from(MOST_WINDOWS).unwrap() {
        let source = IpAddr::from(std::net::Ipv4Addr::from(0xc800_0000 + number));
        assert!(guard.admit(source, Evidence::Id).is_ok());
    }
    assert!(guard.figures().networks <= MOST_WINDOWS);
}

#[tokio::test(start_paused = true)]
async fn a17_new_devices_are_limited_and_known_devices_are_not() {
    let guard = guard(0, 10);
    let enrolled: Vec<_> = (0..10_000).filter(|number| guard.enrol(&device(*number)).is_ok()).collect();
    assert_eq!(enrolled, (0..10).collect::<Vec<_>>());
    assert!(guard.enrol(&device(3)).is_ok(), "this device is known already");
    guard.know(&device(77));
    assert!(guard.enrol(&device(77)).is_ok(), "a device with a good token is known");
    let refused = guard.enrol(&device(78)).unwrap_err();
    assert_eq!(refused.code, ErrorCode::RateLimited);
    assert!(refused.retry_after.is_some_and(|wait| wait >= HOUR));
    assert_eq!(guard.figures().refused_devices, 9_991);
    advance(HOUR + HOUR / 60).await;
    assert!(guard.enrol(&device(78)).is_ok());
}

#[tokio::test(start_paused = true)]
async fn f75_requests_of_a_revoked_device_use_up_nothing_of_its_network() {
    let guard = guard(5, 0);
    for _ in 0..120 {
        let counted = guard.admit(ip("::ffff:192.0.2.1"), Evidence::Id).unwrap().unwrap();
        guard.forgive(counted);
        advance(Duration::from_secs(30)).await;
    }
    assert_eq!(admitted(&guard, "192.0.2.1", 10), 5);
}

/// The defaults of `BOOTSTRAP_RATE_MAX` and `BOOTSTRAP_KNOWN_RATE_MAX`.
const DEFAULTS: [u32; 3] = [2400, 12_000, 0];

#[tokio::test(start_paused = true)]
async fn a64_of_ids_that_are_invented_for_an_hour_few_get_a_token_and_known_devices_go_on() {
    let guard = guard_of(DEFAULTS);
    let (mut invented, mut known) = (0, 0);
    for _ in 0..3600 {
        invented += admitted(&guard, "192.0.2.1", 100);
        known += usize::from(guard.admit(ip("192.0.2.1"), Evidence::Proof).is_ok());
        advance(Duration::from_secs(1)).await;
    }
    assert_eq!((invented, known), (2400, 3600));
}

#[tokio::test(start_paused = true)]
async fn f103_an_office_of_two_thousand_behind_one_address_installs_in_an_hour_and_starts_in_a_minute() {
    let guard = guard_of(DEFAULTS);
    // A new device with a key counts twice: only the database can tell that it is new.
    let counts = |evidence: &[Evidence]| evidence.iter().all(|one| guard.admit(ip("192.0.2.1"), *one).is_ok());
    assert!((0..2000).all(|_| counts(&[Evidence::Proof, Evidence::Id])), "a rollout");
    for _ in 0..3 {
        assert!((0..2000).all(|_| counts(&[Evidence::Proof])), "a Monday morning");
        advance(Duration::from_secs(60)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a64_a_flood_with_proofs_is_stopped_too() {
    let guard = guard_of(DEFAULTS);
    let proving = (0..100_000).filter(|_| guard.admit(ip("192.0.2.1"), Evidence::Proof).is_ok());
    assert_eq!(proving.count(), 12_000);
    assert_eq!(guard.figures().refused_proofs, 88_000);
}
