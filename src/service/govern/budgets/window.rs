//! Days, weeks and months of the calendar in UTC, for which budgets hold.

use std::time::{Duration, SystemTime};

use serde::Serialize;
use strum::IntoStaticStr;
use time::{Date, OffsetDateTime};

use crate::clock::ceil_secs;

/// How often a budget begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Period {
    /// Begins at midnight in UTC.
    Day,
    /// Begins on Monday (ISO 8601).
    Week,
    /// Begins on the first of a month.
    Month,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct BudgetWindow {
    pub period: Period,
    /// The Unix second that the window begins with.
    pub start: u64,
    /// The first Unix second after the window.
    pub end: u64,
}

impl Period {
    /// All periods, the shortest first.
    pub const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    /// The name in settings and the admin API.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The window that `now` is in. Before 1970 and after 9999 it is the first and the last of the calendar.
    pub fn window(self, now: SystemTime) -> BudgetWindow {
        let seconds = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let moment = i64::try_from(seconds).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
        let today = moment.map_or(Date::MAX, OffsetDateTime::date);
        let (first, after) = self.bounds(today).unwrap_or((today, Date::MAX));
        BudgetWindow { period: self, start: unix(first), end: unix(after) }
    }

    fn bounds(self, today: Date) -> Option<(Date, Date)> {
        match self {
            Self::Day => Some((today, today.next_day()?)),
            Self::Week => {
                let gone = i64::from(today.weekday().number_days_from_monday());
                let monday = today.checked_sub(time::Duration::days(gone))?;
                Some((monday, monday.checked_add(time::Duration::WEEK)?))
            }
            Self::Month => {
                let first = today.replace_day(1).ok()?;
                let last = today.replace_day(today.month().length(today.year())).ok()?;
                Some((first, last.next_day()?))
            }
        }
    }
}

impl BudgetWindow {
    pub fn begin(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.start)
    }

    pub fn over(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.end)
    }

    /// The time left from `now` on, in whole seconds rounded up, and never nothing.
    pub fn rest(&self, now: SystemTime) -> Duration {
        let rest = self.over().duration_since(now).unwrap_or_default();
        Duration::from_secs(ceil_secs(rest).max(1))
    }
}

fn unix(date: Date) -> u64 {
    u64::try_from(date.midnight().assume_utc().unix_timestamp()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn window(period: Period, seconds: u64) -> (u64, u64) {
        let window = period.window(at(seconds));
        (window.start, window.end)
    }

    #[test]
    fn windows_follow_the_calendar() {
        let wednesday = 1_795_608_000; // 2026-11-25 12:00
        assert_eq!(window(Period::Day, wednesday), (1_795_564_800, 1_795_651_200));
        assert_eq!(window(Period::Week, wednesday), (1_795_392_000, 1_795_996_800), "23 to 30 November");
        assert_eq!(window(Period::Month, wednesday), (1_793_491_200, 1_796_083_200), "November");
        let leap_day = 1_835_395_200; // 2028-02-29
        assert_eq!(window(Period::Month, leap_day), (1_832_976_000, 1_835_481_600));
    }

    #[test]
    fn the_last_second_belongs_to_a_window_and_the_next_does_not() {
        for period in Period::ALL {
            let first = period.window(at(1_795_608_000));
            assert_eq!(period.window(at(first.start)), first);
            assert_eq!(period.window(at(first.end - 1)), first);
            assert_eq!(period.window(at(first.end)).start, first.end);
        }
    }

    #[test]
    fn a_year_can_begin_within_a_week() {
        let new_year = 1_798_761_600; // Friday 2027-01-01
        assert_eq!(window(Period::Week, new_year).0, 1_798_416_000, "Monday 2026-12-28");
    }

    #[test]
    fn clocks_far_off_do_no_harm() {
        let week_of_1970 = Period::Week.window(at(0));
        assert_eq!(week_of_1970.start, 0, "its Monday was before there were Unix seconds");
        for period in Period::ALL {
            let _ = period.window(at(u64::MAX >> 2));
            let _ = period.window(SystemTime::UNIX_EPOCH - Duration::from_secs(1));
        }
    }

    #[test]
    fn the_rest_is_rounded_up() {
        let day = Period::Day.window(at(0));
        assert_eq!(day.rest(at(86_399)), Duration::from_secs(1));
        assert_eq!(day.rest(at(86_398) + Duration::from_millis(500)), Duration::from_secs(2));
        assert_eq!(day.rest(at(90_000)), Duration::from_secs(1));
    }
}
