//! How a budget stands, as the clients that it pays for are told. Names and values are those that Anthropic's own gateway
//! sends for the caps of its users.
//!
//! A budget is told as `overage`: `5h` and `7d` are rolling windows, with whose time Claude Code reckons. Claude Code shows
//! its warning only where it has signed in to a gateway; with a base URL it shows none.

use std::cmp::Ordering;

use http::{HeaderName, HeaderValue};

use super::BudgetStatus;
use crate::service::meter::money::MicroDollars;
use crate::wire::names::{
    OVERAGE_RESET_HEADER, OVERAGE_STATUS_HEADER, OVERAGE_THRESHOLD_HEADER, OVERAGE_UTILIZATION_HEADER,
    UNIFIED_CLAIM_HEADER, UNIFIED_RESET_HEADER, UNIFIED_STATUS_HEADER,
};

impl BudgetStatus {
    /// The headers of an answer to a request that this budget has let through.
    pub(crate) fn headers(self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let surpassed = THRESHOLDS.into_iter().find(|(percent, _)| self.is_above(*percent)).map(|(_, text)| text);
        let status = HeaderValue::from_static(if surpassed.is_some() { "allowed_warning" } else { "allowed" });
        let utilization = HeaderValue::try_from(format!("0.{:02}", self.percent()));
        let end = HeaderValue::from(self.window.end);
        let always = [
            (UNIFIED_STATUS_HEADER, status.clone()),
            (UNIFIED_RESET_HEADER, end.clone()),
            (UNIFIED_CLAIM_HEADER, HeaderValue::from_static("overage")),
            (OVERAGE_STATUS_HEADER, status),
            (OVERAGE_RESET_HEADER, end),
            (OVERAGE_UTILIZATION_HEADER, utilization.expect("digits make a header value")),
        ];
        let threshold = surpassed.map(|text| (OVERAGE_THRESHOLD_HEADER, HeaderValue::from_static(text)));
        always.into_iter().chain(threshold).map(|(name, value)| (HeaderName::from_static(name), value))
    }

    /// Compares the spent parts of two budgets.
    pub(super) fn compare_fullness(&self, other: &Self) -> Ordering {
        let product = |spent: MicroDollars, limit: MicroDollars| u128::from(spent.get()) * u128::from(limit.get());
        product(self.spent, other.limit).cmp(&product(other.spent, self.limit))
    }

    /// The spent part in whole percent, below 100 as long as requests are let through.
    fn percent(&self) -> u128 {
        let (spent, limit) = (u128::from(self.spent.get()), u128::from(self.limit.get()).max(1));
        ((spent * 100 + limit / 2) / limit).min(99)
    }

    fn is_above(&self, percent: u128) -> bool {
        u128::from(self.spent.get()) * 100 > u128::from(self.limit.get()) * percent
    }
}

/// The parts of a budget that are worth a warning, in percent and as clients read them; the higher first.
const THRESHOLDS: [(u128, &str); 2] = [(95, "0.95"), (75, "0.75")];

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::super::Period;
    use super::*;

    fn status(spent: u64, limit: u64) -> BudgetStatus {
        let window = Period::Day.window(SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_608_000));
        let [spent, limit] = [spent, limit].map(MicroDollars::new);
        BudgetStatus { window, limit, spent, reserved: MicroDollars::new(7) }
    }

    fn told(status: BudgetStatus) -> Vec<(String, String)> {
        let text = |(name, value): (HeaderName, HeaderValue)| (name.to_string(), value.to_str().unwrap().to_owned());
        status.headers().map(text).collect()
    }

    #[test]
    fn a_budget_is_told_in_exactly_the_shape_that_clients_read() {
        let golden = [
            ("anthropic-ratelimit-unified-status", "allowed_warning"),
            ("anthropic-ratelimit-unified-reset", "1795651200"),
            ("anthropic-ratelimit-unified-representative-claim", "overage"),
            ("anthropic-ratelimit-unified-overage-status", "allowed_warning"),
            ("anthropic-ratelimit-unified-overage-reset", "1795651200"),
            ("anthropic-ratelimit-unified-overage-utilization", "0.82"),
            ("anthropic-ratelimit-unified-overage-surpassed-threshold", "0.75"),
        ];
        assert_eq!(told(status(4_100_000, 5_000_000)), golden.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_warning_comes_above_a_threshold_and_a_budget_is_never_told_as_full() {
        for (spent, utilization, threshold) in [
            (0, "0.00", None),
            (49, "0.05", None),
            (750, "0.75", None),
            (751, "0.75", Some("0.75")),
            (950, "0.95", Some("0.75")),
            (951, "0.95", Some("0.95")),
            (999, "0.99", Some("0.95")),
        ] {
            let told = told(status(spent, 1000));
            let value = |name: &str| told.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
            assert_eq!(value(OVERAGE_UTILIZATION_HEADER), Some(utilization), "{spent}");
            assert_eq!(value(OVERAGE_THRESHOLD_HEADER), threshold, "{spent}");
            let status = if threshold.is_some() { "allowed_warning" } else { "allowed" };
            assert_eq!((value(UNIFIED_STATUS_HEADER), value(OVERAGE_STATUS_HEADER)), (Some(status), Some(status)));
        }
    }

    #[test]
    fn of_two_budgets_the_larger_part_is_the_fuller_one() {
        assert_eq!(status(9, 10).compare_fullness(&status(80, 100)), Ordering::Greater);
        assert_eq!(status(1, 10).compare_fullness(&status(10, 100)), Ordering::Equal);
        assert_eq!(status(u64::MAX - 1, u64::MAX).compare_fullness(&status(0, 1)), Ordering::Greater);
    }
}
