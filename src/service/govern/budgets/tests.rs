use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::clock::{Clock, ManualClock};
use crate::wire::DeviceId;

impl Budgets {
    /// Sets the subject's own limits in place of the default ones; `None` puts those back.
    pub(crate) fn limit(&self, subject: &Subject, limits: Option<Limits>) {
        self.change(|table| table.set(subject, limits));
    }

    /// How a subject stands with each of its limits; empty when it has no limit.
    fn standing(&self, subject: &Subject, now: SystemTime) -> Vec<BudgetStatus> {
        self.standing_with(subject, self.limits(subject).0, now)
    }
}

const DAY: Duration = Duration::from_secs(86_400);

/// 2026-11-25 12:00, a Wednesday.
fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_608_000)
}

fn device() -> Subject {
    Subject::Device(DeviceId::parse("device-0001").unwrap())
}

fn org() -> Subject {
    Subject::Org("acme".into())
}

const fn usd(dollars: u64) -> MicroDollars {
    MicroDollars::new(dollars * 1_000_000)
}

fn daily(limit: MicroDollars) -> Limits {
    Limits { day: Some(limit), ..Limits::default() }
}

/// Each device may spend ten dollars a day.
fn ten_a_day() -> Budgets {
    Budgets::new(DefaultLimits { device: daily(usd(10)), ..DefaultLimits::default() })
}

/// What is spent and reserved in the first of the subject's limits.
fn books(budgets: &Budgets, subject: &Subject, now: SystemTime) -> (MicroDollars, MicroDollars) {
    let standing = budgets.standing(subject, now)[0];
    (standing.spent, standing.reserved)
}

#[test]
fn a44_a_request_is_charged_before_it_is_relayed_and_once() {
    let budgets = ten_a_day();
    let reservation = budgets.reserve(&[device()], usd(3), noon()).unwrap();
    assert_eq!(books(&budgets, &device(), noon()), (usd(0), usd(3)));
    reservation.settle(usd(2));
    assert_eq!(books(&budgets, &device(), noon()), (usd(2), usd(0)));
}

#[tokio::test]
async fn a44_a_request_that_ends_at_any_await_gives_its_reservation_back() {
    let budgets = ten_a_day();
    let request = async {
        let _reservation = budgets.reserve(&[device()], usd(3), noon()).unwrap();
        std::future::pending::<()>().await;
    };
    let mut request = Box::pin(request);
    assert!(poll_once(&mut request).await);
    assert_eq!(books(&budgets, &device(), noon()).1, usd(3));
    drop(request);
    assert_eq!(books(&budgets, &device(), noon()), (usd(0), usd(0)));
}

/// Polls once. Returns whether the future is still pending.
async fn poll_once(future: &mut std::pin::Pin<Box<impl Future<Output = ()>>>) -> bool {
    std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

#[test]
fn requests_side_by_side_cannot_spend_the_same_dollar() {
    let budgets = ten_a_day();
    let first = budgets.reserve(&[device()], usd(6), noon()).unwrap();
    let refusal = budgets.reserve(&[device()], usd(6), noon()).unwrap_err();
    assert_eq!((refusal.shortage, refusal.used), (Shortage::Room, usd(0)));
    first.settle(usd(1));
    budgets.reserve(&[device()], usd(6), noon()).unwrap().settle(usd(6));
    assert_eq!(books(&budgets, &device(), noon()).0, usd(7));
}

#[test]
fn a_request_that_runs_alone_can_spend_the_rest() {
    let budgets = ten_a_day();
    budgets.load(&device(), Period::Day.window(noon()), usd(9));
    let alone = budgets.reserve(&[device()], usd(40), noon()).expect("there is money left and nothing is running");
    assert_eq!(budgets.reserve(&[device()], usd(1), noon()).unwrap_err().shortage, Shortage::Room);
    alone.settle(usd(2));
    assert_eq!(budgets.reserve(&[device()], usd(1), noon()).unwrap_err().shortage, Shortage::Money);
}

#[test]
fn a_refusal_leaves_no_trace_with_any_subject() {
    let budgets = ten_a_day();
    budgets.limit(&org(), Some(daily(usd(0))));
    let refusal = budgets.reserve(&[device(), org()], usd(1), noon()).unwrap_err();
    assert_eq!((refusal.subject, refusal.shortage), (SubjectKind::Org, Shortage::Money));
    assert_eq!(books(&budgets, &device(), noon()), (usd(0), usd(0)));
}

#[test]
fn all_subjects_pay() {
    let budgets = ten_a_day();
    budgets.limit(&org(), Some(Limits { month: Some(usd(100)), ..Limits::default() }));
    budgets.reserve(&[device(), org()], usd(2), noon()).unwrap().settle(usd(1));
    assert_eq!(books(&budgets, &device(), noon()).0, usd(1));
    assert_eq!(books(&budgets, &org(), noon()).0, usd(1));
}

#[test]
fn the_refusal_names_the_budget_that_resets_last() {
    let budgets = ten_a_day();
    budgets.limit(&device(), Some(Limits { day: Some(usd(1)), week: Some(usd(1)), month: Some(usd(9)) }));
    budgets.reserve(&[device()], usd(1), noon()).unwrap().settle(usd(1));
    let refusal = budgets.reserve(&[device()], usd(1), noon()).unwrap_err();
    assert_eq!((refusal.window.period, refusal.limit, refusal.used), (Period::Week, usd(1), usd(1)));
    assert_eq!(refusal.resets_in, 4 * DAY + DAY / 2, "until Monday");
}

#[test]
fn a_new_day_is_a_new_budget_and_its_week_goes_on() {
    let budgets = Budgets::new(DefaultLimits {
        device: Limits { day: Some(usd(10)), week: Some(usd(15)), month: None },
        ..DefaultLimits::default()
    });
    budgets.reserve(&[device()], usd(10), noon()).unwrap().settle(usd(10));
    assert!(budgets.reserve(&[device()], usd(1), noon()).is_err());
    budgets.reserve(&[device()], usd(5), noon() + DAY).unwrap().settle(usd(5));
    let refusal = budgets.reserve(&[device()], usd(1), noon() + DAY).unwrap_err();
    assert_eq!(refusal.window.period, Period::Week);
}

#[test]
fn a_request_over_midnight_belongs_to_the_day_it_began() {
    let budgets = ten_a_day();
    let late = budgets.reserve(&[device()], usd(6), noon()).unwrap();
    let _early = budgets.reserve(&[device()], usd(6), noon() + DAY).expect("yesterday's reservation is yesterday's");
    late.settle(usd(6));
    assert_eq!(books(&budgets, &device(), noon() + DAY), (usd(0), usd(6)));
}

#[test]
fn a_clock_that_is_set_back_brings_no_money_back() {
    let clock = ManualClock::starting_now();
    let budgets = ten_a_day();
    budgets.reserve(&[device()], usd(10), clock.now()).unwrap().settle(usd(10));
    clock.set_back(3 * DAY);
    assert!(budgets.reserve(&[device()], usd(1), clock.now()).is_err());
    clock.advance(4 * DAY);
    assert!(budgets.reserve(&[device()], usd(1), clock.now()).is_ok());
}

#[test]
fn without_limits_nothing_is_refused_or_remembered() {
    let budgets = Budgets::new(DefaultLimits::default());
    budgets.reserve(&[device(), org()], usd(1_000_000), noon()).unwrap().settle(usd(1_000_000));
    assert_eq!(budgets.standing(&device(), noon()), []);
    budgets.limit(&device(), Some(daily(usd(1))));
    assert_eq!(books(&budgets, &device(), noon()), (usd(0), usd(0)));
    budgets.limit(&device(), None);
    assert!(budgets.reserve(&[device()], usd(5), noon()).is_ok());
}

#[test]
fn costs_from_before_the_start_count() {
    let budgets = ten_a_day();
    budgets.load(&device(), Period::Day.window(noon() - DAY), usd(10));
    budgets.load(&device(), Period::Day.window(noon()), usd(4));
    budgets.load(&device(), Period::Day.window(noon() - DAY), usd(10));
    assert_eq!(books(&budgets, &device(), noon()).0, usd(4));
}

#[test]
fn a_late_load_takes_nothing_back_and_costs_of_other_instances_are_added() {
    let budgets = ten_a_day();
    let today = Period::Day.window(noon());
    budgets.reserve(&[device()], usd(3), noon()).unwrap().settle(usd(3));
    let running = budgets.reserve(&[device()], usd(1), noon()).unwrap();
    for (read, known) in [(0, 3), (2, 3), (7, 7), (5, 7)] {
        budgets.load(&device(), today, usd(read));
        assert_eq!(books(&budgets, &device(), noon()), (usd(known), usd(1)));
    }
    running.settle(usd(2));
    assert_eq!(books(&budgets, &device(), noon()).0, usd(9));
}

#[tokio::test]
async fn limits_are_replaced_at_once_and_spent_money_stays_known() {
    let budgets = ten_a_day();
    let user = Subject::User("ada".into());
    budgets.replace_limits(HashMap::from([(device(), Limits::default()), (user.clone(), daily(usd(2)))]));
    budgets.changed().await;
    assert_eq!((budgets.limits(&device()), budgets.limits(&user)), ((Limits::default(), true), (daily(usd(2)), true)));
    budgets.load(&device(), Period::Day.window(noon()), usd(10));
    budgets.reserve(&[device(), user.clone()], usd(2), noon()).unwrap().settle(usd(2));
    assert_eq!(budgets.reserve(&[device(), user.clone()], usd(1), noon()).unwrap_err().subject, SubjectKind::User);
    budgets.replace_limits(HashMap::new());
    assert_eq!(budgets.limits(&user), (Limits::default(), false));
    assert_eq!(budgets.reserve(&[device(), user], usd(1), noon()).unwrap_err().subject, SubjectKind::Device);
    assert!(budgets.are_set() && budgets.are_set_for(Period::Day) && !budgets.are_set_for(Period::Week));
    budgets.limit_by_default(DefaultLimits::default());
    assert!(!budgets.are_set());
}

#[test]
fn the_books_forget_subjects_that_spend_no_more() {
    let budgets = ten_a_day();
    budgets.reserve(&[device()], usd(1), noon()).unwrap().settle(usd(1));
    let long = budgets.reserve(&[org(), Subject::User("u".into())], usd(1), noon()).unwrap();
    budgets.forget_past(noon());
    assert_eq!(budgets.books().accounts(), 1, "it has spent something this month");
    budgets.forget_past(noon() + 40 * DAY);
    assert_eq!(budgets.books().accounts(), 0);
    long.settle(usd(1));
}

#[test]
fn threads_at_once_never_exceed_the_limit_by_a_micro_dollar() {
    let budgets = ten_a_day();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for round in 0..500_u64 {
                    let Ok(reservation) = budgets.reserve(&[device()], MicroDollars::new(12_500), noon()) else {
                        continue;
                    };
                    let (spent, reserved) = books(&budgets, &device(), noon());
                    assert!(spent + reserved <= usd(10));
                    if round % 3 != 0 {
                        reservation.settle(MicroDollars::new(12_500));
                    }
                }
            });
        }
    });
    assert_eq!(books(&budgets, &device(), noon()), (usd(10), usd(0)), "all of it, and nothing is left reserved");
}

#[derive(Debug, Clone)]
enum Step {
    Reserve(u64),
    Settle(prop::sample::Index, u64),
    Drop(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..4_000u64).prop_map(Step::Reserve),
        2 => (any::<prop::sample::Index>(), 0..5_000u64).prop_map(|(which, cost)| Step::Settle(which, cost)),
        1 => any::<prop::sample::Index>().prop_map(Step::Drop),
    ]
}

proptest! {
    /// In any order of events: spending exceeds the limit by no more than costs exceed their estimates, and the
    /// reserved sum is that of the live reservations.
    #[test]
    fn overspending_is_bounded_by_the_error_of_the_estimates(steps in prop::collection::vec(step(), 1..200)) {
        let limit = 10_000;
        let budgets = Budgets::new(DefaultLimits { device: daily(MicroDollars::new(limit)), ..DefaultLimits::default() });
        let spent_and_reserved = || {
            let (spent, reserved) = books(&budgets, &device(), noon());
            (spent.get(), reserved.get())
        };
        let mut open: Vec<(Reservation, u64, u64)> = Vec::new();
        let (mut error, mut total) = (0, 0);
        for step in steps {
            match step {
                Step::Reserve(estimate) => {
                    let (spent, _) = spent_and_reserved();
                    if let Ok(reservation) = budgets.reserve(&[device()], MicroDollars::new(estimate), noon()) {
                        let put_aside = estimate.min(limit - spent);
                        open.push((reservation, estimate.max(1), put_aside));
                    }
                }
                Step::Settle(which, cost) if !open.is_empty() => {
                    let (reservation, _, put_aside) = open.swap_remove(which.index(open.len()));
                    reservation.settle(MicroDollars::new(cost));
                    total += cost;
                    error += cost.saturating_sub(put_aside);
                }
                Step::Drop(which) if !open.is_empty() => drop(open.swap_remove(which.index(open.len()))),
                Step::Settle(..) | Step::Drop(_) => {}
            }
            let (spent, reserved) = spent_and_reserved();
            prop_assert_eq!(spent, total);
            prop_assert_eq!(reserved, open.iter().map(|(_, estimate, _)| estimate).sum::<u64>());
            prop_assert!(spent <= limit + error);
        }
        drop(open);
        prop_assert_eq!(spent_and_reserved().1, 0);
    }
}
