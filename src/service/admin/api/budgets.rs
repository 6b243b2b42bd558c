//! `/admin/budgets`: the budgets of users and organisations, and how much of each budget is spent.

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::AdminError;
use super::extract::{JsonBody, PathParams, QueryParams};
use super::state::AdminState;
use super::trail::Attempt;
use super::view::{Listed, PageQuery, millis};
use crate::service::govern::budgets::{BudgetStatus, Limits, Period, Subject, SubjectKind};

/// How a device, a user or an organisation stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BudgetView {
    /// `device`, `user` or `org`.
    kind: &'static str,
    name: String,
    /// Whether nothing was said of it, so that it has the service's default.
    is_default: bool,
    /// Today; null is no limit.
    day: Option<WindowView>,
    /// This week, which began on Monday; null is no limit.
    week: Option<WindowView>,
    /// This month; null is no limit.
    month: Option<WindowView>,
}

/// How one limit stands, in US dollars.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(super) struct WindowView {
    limit_usd: f64,
    /// What other instances spend shows about ten seconds later.
    spent_usd: f64,
    /// What requests that are running here may cost at most.
    reserved_usd: f64,
    /// When it begins anew, in Unix milliseconds.
    ends_at: u64,
}

/// Whose.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct BudgetPath {
    /// `device`, `user` or `org`.
    #[param(pattern = "^(device|user|org)$")]
    kind: String,
    /// The device's id, or the user's or organisation's name.
    #[param(min_length = 1, max_length = 200)]
    name: String,
}

/// Whose, if it is no device's.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct GroupPath {
    /// `user` or `org`.
    #[param(pattern = "^(user|org)$")]
    kind: String,
    /// As tokens and devices name it.
    #[param(min_length = 1, max_length = 200)]
    name: String,
}

/// Lists the users and organisations with limits of their own, by kind and name. What a device may spend is its `budget`
/// in `/admin/devices`.
#[utoipa::path(get, path = "/admin/budgets", operation_id = "list_budgets", params(PageQuery),
    responses((status = 200, description = "A page of budgets", body = Listed<BudgetView>), AdminError))]
pub(super) async fn list(
    State(admin_state): State<AdminState>,
    QueryParams(page): QueryParams<PageQuery>,
) -> Result<Json<Listed<BudgetView>>, AdminError> {
    let page = admin_state.database.budgets().list(&page.read()?).await?;
    let items =
        page.items.into_iter().map(|budget| view(&admin_state, &budget.subject, (budget.limits, true))).collect();
    Ok(Json(Listed { items, next: page.next }))
}

/// The limits in force for a device, a user or an organisation, whether it was ever heard of or not, and how it stands.
#[utoipa::path(get, path = "/admin/budgets/{kind}/{name}", operation_id = "get_budget", params(BudgetPath),
    responses((status = 200, description = "The budget", body = BudgetView), AdminError))]
pub(super) async fn get(
    State(admin_state): State<AdminState>,
    PathParams(path): PathParams<BudgetPath>,
) -> Result<Json<BudgetView>, AdminError> {
    let subject = subject(&path.kind, &path.name)?;
    Ok(Json(view(&admin_state, &subject, admin_state.budgets.limits(&subject))))
}

/// Says what a user, over all devices, or an organisation, over all users, may spend: at once here and on every instance
/// within seconds. It replaces the service's default and what was said before as a whole, so what is absent or null is no
/// limit. What was spent before counts.
#[utoipa::path(put, path = "/admin/budgets/{kind}/{name}", operation_id = "set_budget", params(GroupPath),
    request_body = Limits,
    responses((status = 200, description = "The budget as it is now", body = BudgetView),
        (status = 201, description = "Nothing was said before", body = BudgetView), AdminError))]
pub(super) async fn set(
    State(admin_state): State<AdminState>,
    PathParams(path): PathParams<GroupPath>,
    Extension(attempt): Extension<Attempt>,
    JsonBody(limits): JsonBody<Limits>,
) -> Result<(StatusCode, Json<BudgetView>), AdminError> {
    let subject = group(&path)?;
    let mut change = attempt.begin(&admin_state).await?;
    let is_new = change.set_budget(&subject, &limits).await?;
    attempt.commit(change).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(view(&admin_state, &subject, (limits, true)))))
}

/// Puts the service's default back.
#[utoipa::path(delete, path = "/admin/budgets/{kind}/{name}", operation_id = "delete_budget", params(GroupPath),
    responses((status = 204, description = "It has the default"), AdminError))]
pub(super) async fn remove(
    State(admin_state): State<AdminState>,
    PathParams(path): PathParams<GroupPath>,
    Extension(attempt): Extension<Attempt>,
) -> Result<StatusCode, AdminError> {
    let subject = group(&path)?;
    let mut change = attempt.begin(&admin_state).await?;
    if !change.remove_budget(&subject).await? {
        return Err(AdminError::Unknown("budget"));
    }
    attempt.commit(change).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn view(admin_state: &AdminState, subject: &Subject, (limits, is_own): (Limits, bool)) -> BudgetView {
    let standings = admin_state.budgets.standing_with(subject, limits, admin_state.clock.now());
    let of = |period: Period| standings.iter().find(|standing| standing.window.period == period).map(window);
    BudgetView {
        kind: subject.kind().name(),
        name: subject.name().to_owned(),
        is_default: !is_own,
        day: of(Period::Day),
        week: of(Period::Week),
        month: of(Period::Month),
    }
}

fn window(standing: &BudgetStatus) -> WindowView {
    WindowView {
        limit_usd: standing.limit.in_dollars(),
        spent_usd: standing.spent.in_dollars(),
        reserved_usd: standing.reserved.in_dollars(),
        ends_at: millis(standing.window.over()),
    }
}

fn group(path: &GroupPath) -> Result<Subject, AdminError> {
    match subject(&path.kind, &path.name)? {
        Subject::Device(_) => Err(AdminError::Invalid(
            "What a device may spend is its `budget`, which `PATCH /admin/devices` changes".into(),
        )),
        subject => Ok(subject),
    }
}

fn subject(kind: &str, name: &str) -> Result<Subject, AdminError> {
    let kind = SubjectKind::parse(kind);
    let kind = kind.ok_or_else(|| AdminError::Invalid("The kind is none of device, user and org".into()))?;
    if kind == SubjectKind::Device {
        return super::devices::device_id(name).map(Subject::Device);
    }
    // PostgreSQL's texts cannot hold NUL.
    if name.is_empty() || name.chars().count() > 200 || name.contains('\0') {
        return Err(AdminError::Invalid("A name has 1 to 200 characters, and no NUL among them".into()));
    }
    Subject::named(kind, name).ok_or_else(|| AdminError::Invalid("There is no such name".into()))
}
