//! The answer to a request that a budget refuses, in the shape that Claude Code shows to a person.
//!
//! `…-representative-claim` and `…-overage-status` must stay absent: with them the client hides the sentence.

use std::time::Duration;

use http::HeaderValue;
use time::OffsetDateTime;

use super::{BudgetExceededError, BudgetWindow, Period, Shortage, SubjectKind};
use crate::transport::problem::Problem;
use crate::wire::ErrorCode;
use crate::wire::names::{
    OVERAGE_DISABLED_REASON_HEADER, OVERAGE_PERIOD_HEADER, OVERAGE_RESET_HEADER, OVERAGE_UTILIZATION_HEADER,
    UNIFIED_RESET_HEADER, UNIFIED_STATUS_HEADER,
};

impl From<BudgetExceededError> for Problem {
    fn from(spent: BudgetExceededError) -> Self {
        match spent.shortage {
            Shortage::Money => exhausted(&spent),
            Shortage::Room => crowded(&spent),
        }
    }
}

fn exhausted(spent: &BudgetExceededError) -> Problem {
    let BudgetExceededError { subject, window, .. } = spent;
    let advice = match subject {
        SubjectKind::Device | SubjectKind::User => "ask your administrator if you need more before then",
        SubjectKind::Org => "your administrator can raise it before then",
    };
    let message = format!(
        "The {} budget of this {} is spent; it resets on {}; {advice}.",
        name(window.period),
        subject.as_str(),
        reset(window),
    );
    let end = HeaderValue::from(window.end);
    Problem::new(ErrorCode::BudgetSpent, message)
        .retry_after(spent.resets_in)
        .header(UNIFIED_STATUS_HEADER, HeaderValue::from_static("rejected"))
        .header(UNIFIED_RESET_HEADER, end.clone())
        .header(OVERAGE_RESET_HEADER, end)
        .header(OVERAGE_UTILIZATION_HEADER, HeaderValue::from_static("1"))
        .header(OVERAGE_PERIOD_HEADER, HeaderValue::from_static(name(window.period)))
        .header(OVERAGE_DISABLED_REASON_HEADER, HeaderValue::from_static("org_spend_cap_reached"))
}

/// The money is reserved but not spent, so no text or header here may say that it is spent.
fn crowded(spent: &BudgetExceededError) -> Problem {
    let message = format!(
        "Requests in progress have reserved what is left of the {} budget of this {}; try again when one has ended.",
        name(spent.window.period),
        spent.subject.as_str(),
    );
    Problem::new(ErrorCode::BudgetReserved, message).retry_after(SOON)
}

fn name(period: Period) -> &'static str {
    match period {
        Period::Day => "daily",
        Period::Week => "weekly",
        Period::Month => "monthly",
    }
}

fn reset(window: &BudgetWindow) -> String {
    let date = i64::try_from(window.end).ok().and_then(|end| OffsetDateTime::from_unix_timestamp(end).ok());
    let date = date.unwrap_or(OffsetDateTime::UNIX_EPOCH).date();
    format!("{}-{:02}-{:02} at 00:00 UTC", date.year(), u8::from(date.month()), date.day())
}

/// Requests take seconds; an SDK tries twice.
const SOON: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use http_body_util::BodyExt;

    use super::*;
    use crate::service::meter::money::MicroDollars;
    use crate::transport::request_id::RequestId;

    fn spent(period: Period, shortage: Shortage) -> BudgetExceededError {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_608_000);
        let window = period.window(now);
        let limit = MicroDollars::new(5_000_000);
        BudgetExceededError {
            subject: SubjectKind::Device,
            window,
            limit,
            used: limit,
            resets_in: window.rest(now),
            shortage,
        }
    }

    async fn answer(spent: BudgetExceededError) -> (u16, Vec<(String, String)>, serde_json::Value) {
        let id = RequestId::next();
        let (parts, body) = Problem::from(spent).into_response(&id).into_parts();
        let text = |value: &HeaderValue| value.to_str().unwrap().replace(&id.to_string(), "ID");
        let mut headers: Vec<_> = parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        headers.sort();
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        (parts.status.as_u16(), headers, serde_json::from_str(&body.replace(&id.to_string(), "ID")).unwrap())
    }

    #[tokio::test]
    async fn a_spent_budget_has_exactly_the_shape_that_clients_show() {
        let (status, headers, body) = answer(spent(Period::Day, Shortage::Money)).await;
        assert_eq!(status, 429);
        let golden = [
            ("anthropic-ratelimit-unified-overage-disabled-reason", "org_spend_cap_reached"),
            ("anthropic-ratelimit-unified-overage-period", "daily"),
            ("anthropic-ratelimit-unified-overage-reset", "1795651200"),
            ("anthropic-ratelimit-unified-overage-utilization", "1"),
            ("anthropic-ratelimit-unified-reset", "1795651200"),
            ("anthropic-ratelimit-unified-status", "rejected"),
            ("cache-control", "no-store"),
            ("content-type", "application/json"),
            ("request-id", "ID"),
            ("retry-after", "43200"),
            ("x-should-retry", "false"),
            ("x-valetkey-error", "budget_spent"),
        ];
        assert_eq!(headers, golden.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let sentence = "The daily budget of this device is spent; it resets on 2026-11-26 at 00:00 UTC; \
                        ask your administrator if you need more before then.";
        let golden = serde_json::json!({
            "type": "error",
            "error": {"type": "billing_error", "message": sentence, "details": {"error_code": "budget_spent"}},
            "request_id": "ID",
        });
        assert_eq!(body, golden);
    }

    #[tokio::test]
    async fn weeks_and_months_are_named() {
        for (period, name, reset) in [(Period::Week, "weekly", "2026-11-30"), (Period::Month, "monthly", "2026-12-01")]
        {
            let (_, headers, body) = answer(spent(period, Shortage::Money)).await;
            assert!(headers.contains(&(OVERAGE_PERIOD_HEADER.to_owned(), name.to_owned())));
            assert!(body["error"]["message"].as_str().unwrap().contains(reset));
        }
    }

    #[tokio::test]
    async fn money_that_is_only_reserved_is_worth_another_try() {
        let (status, headers, body) = answer(spent(Period::Day, Shortage::Room)).await;
        assert_eq!((status, &body["error"]["type"]), (429, &"rate_limit_error".into()));
        let has = |name: &str, value: &str| headers.contains(&(name.to_owned(), value.to_owned()));
        assert!(has("x-should-retry", "true") && has("retry-after", "5"));
        assert!(!headers.iter().any(|(name, _)| name.starts_with("anthropic-ratelimit-")));
    }
}
