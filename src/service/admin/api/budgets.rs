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

/// The budget of a device, a user or an organisation, and how much of it is spent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BudgetView {
    /// `device`, `user` or `org`.
    kind: &'static str,
    name: String,
    /// Whether no administrator has set a budget, so that the service's default is in force.
    is_default: bool,
    /// The budget of today; null is no limit.
    day: Option<WindowView>,
    /// The budget of this week, which began on Monday; null is no limit.
    week: Option<WindowView>,
    /// The budget of this month; null is no limit.
    month: Option<WindowView>,
}

/// The budget of one day, week or month, in US dollars.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(super) struct WindowView {
    limit_usd: f64,
    /// The dollars that are spent; those of other instances show about ten seconds later.
    spent_usd: f64,
    /// The most that the requests running on this instance may cost.
    reserved_usd: f64,
    /// The time at which the next budget begins, in Unix milliseconds.
    ends_at: u64,
}

/// The owner of a budget.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct BudgetPath {
    /// The kind of the owner: `device`, `user` or `org`.
    #[param(pattern = "^(device|user|org)$")]
    kind: String,
    /// The device's id, or the user's or organisation's name.
    #[param(min_length = 1, max_length = 200)]
    name: String,
}

/// The owner of a budget, a user or an organisation.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct GroupPath {
    /// The kind of the owner: `user` or `org`.
    #[param(pattern = "^(user|org)$")]
    kind: String,
    /// The name that tokens and devices give to the user or organisation.
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

/// The budget in force for a device, a user or an organisation, known to the service or not, and how much of it is spent.
#[utoipa::path(get, path = "/admin/budgets/{kind}/{name}", operation_id = "get_budget", params(BudgetPath),
    responses((status = 200, description = "The budget", body = BudgetView), AdminError))]
pub(super) async fn get(
    State(admin_state): State<AdminState>,
    PathParams(path): PathParams<BudgetPath>,
) -> Result<Json<BudgetView>, AdminError> {
    let subject = subject(&path.kind, &path.name)?;
    Ok(Json(view(&admin_state, &subject, admin_state.budgets.limits(&subject))))
}

/// Sets the budget of a user, over all devices, or of an organisation, over all users: at once on this instance and within
/// seconds on every other. The new budget replaces the service's default and the budget set before as a whole, so a period
/// that is absent or null has no limit. Dollars spent before count.
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

/// Removes the budget of a user or an organisation; the service's default is in force again.
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
