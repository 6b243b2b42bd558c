//! `/admin/usage` and `/admin/requests`: the usage in sums and request by request.

mod csv;
mod sum;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use self::csv::csv;
use self::sum::{UsageSum, dollars};
use super::error::AdminError;
use super::extract::QueryPair;
use super::state::AdminState;
use super::view::{Listed, PageQuery, millis, moment};
use crate::service::meter::usage::CostCertainty;
use crate::service::store::database::{TotalsBy, UsageFilter, UsageRow};

/// The requests that count.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct UsageQuery {
    /// From this time on: Unix milliseconds, or a day (UTC).
    #[param(pattern = "^([0-9]{1,15}|[0-9]{4}-[0-9]{2}-[0-9]{2})$")]
    from: Option<String>,
    /// Before this time: Unix milliseconds, or a day (UTC).
    #[param(pattern = "^([0-9]{1,15}|[0-9]{4}-[0-9]{2}-[0-9]{2})$")]
    to: Option<String>,
    #[param(min_length = 8, max_length = 64, pattern = "^[a-z0-9][a-z0-9._-]*[a-z0-9]$")]
    device_id: Option<String>,
    user: Option<String>,
    org: Option<String>,
    /// The model that answered, else the model asked for.
    model: Option<String>,
}

/// The grouping and the format of sums.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SumQuery {
    /// `device` (the default), `user`, `org`, `model` or `day` (UTC).
    #[param(pattern = "^(device|user|org|model|day)$")]
    group_by: Option<String>,
    /// `json` (the default) or `csv`.
    #[param(pattern = "^(json|csv)$")]
    format: Option<String>,
}

/// The usage by key.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UsageView {
    /// One sum for each key.
    rows: Vec<UsageSum>,
    /// The sum over all rows; its key is null.
    total: UsageSum,
}

/// A request that was relayed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RequestView {
    request_id: String,
    upstream_request_id: Option<String>,
    /// The time at which the request ended, in Unix milliseconds.
    finished_at: u64,
    device_id: String,
    org: Option<String>,
    user: Option<String>,
    route: String,
    model_asked: Option<String>,
    model_answered: Option<String>,
    /// The status of the answer; null when the client left before it.
    status: Option<u16>,
    first_byte_ms: Option<u64>,
    total_ms: u64,
    input_tokens: u64,
    output_tokens: u64,
    cache_write_5m_tokens: u64,
    cache_write_1h_tokens: u64,
    cache_read_tokens: u64,
    /// Whether the output is a lower bound, because the final count never came.
    output_estimated: bool,
    /// `complete`, `cancelled`, `upstream_cut`, `error` or `revoked`.
    ended: &'static str,
    cost_usd: Option<f64>,
    /// `exact`, `estimated` or `unknown`; null where an earlier version made the record.
    cost_certainty: Option<&'static str>,
}

/// Sums up the usage.
#[utoipa::path(get, path = "/admin/usage", operation_id = "sum_usage", params(UsageQuery, SumQuery),
    responses((status = 200, description = "Sums", content((UsageView = "application/json"), (String = "text/csv"))),
        AdminError))]
pub(super) async fn sums(
    State(admin_state): State<AdminState>,
    QueryPair(query, sum): QueryPair<UsageQuery, SumQuery>,
) -> Result<Response, AdminError> {
    let by = TotalsBy::parse(sum.group_by.as_deref().unwrap_or("device"))
        .ok_or_else(|| AdminError::Invalid("`group_by` is none of device, user, org, model, day".into()))?;
    let as_csv = match sum.format.as_deref().unwrap_or("json") {
        "json" => false,
        "csv" => true,
        _ => return Err(AdminError::Invalid("`format` is neither json nor csv".into())),
    };
    let totals = admin_state.database.usage().totals(by, &query.read()?).await?;
    let rows: Vec<_> = totals.into_iter().map(UsageSum::of).collect();
    if as_csv {
        return Ok(([(CONTENT_TYPE, "text/csv; charset=utf-8")], csv(&rows)).into_response());
    }
    let total = rows.iter().fold(UsageSum::default(), UsageSum::plus);
    Ok(Json(UsageView { rows, total }).into_response())
}

/// Lists single requests, the newest first.
#[utoipa::path(get, path = "/admin/requests", operation_id = "list_requests", params(UsageQuery, PageQuery),
    responses((status = 200, description = "A page of requests", body = Listed<RequestView>), AdminError))]
pub(super) async fn requests(
    State(admin_state): State<AdminState>,
    QueryPair(query, page): QueryPair<UsageQuery, PageQuery>,
) -> Result<Json<Listed<RequestView>>, AdminError> {
    let page = admin_state.database.usage().list(&query.read()?, &page.read()?).await?;
    Ok(Json(Listed { items: page.items.into_iter().map(view).collect(), next: page.next }))
}

impl UsageQuery {
    fn read(self) -> Result<UsageFilter, AdminError> {
        let time = |name: &str, text: Option<String>| text.map(|text| moment(name, &text)).transpose();
        Ok(UsageFilter {
            device: self.device_id.map(|id| super::devices::device_id(&id)).transpose()?,
            user: self.user,
            org: self.org,
            model: self.model,
            from: time("from", self.from)?,
            to: time("to", self.to)?,
        })
    }
}

fn view(row: UsageRow) -> RequestView {
    RequestView {
        request_id: row.request_id,
        upstream_request_id: row.upstream_request_id,
        finished_at: millis(row.finished_at),
        device_id: row.device.to_string(),
        org: row.org,
        user: row.user,
        route: row.route,
        model_asked: row.model_asked,
        model_answered: row.model_answered,
        status: row.status,
        first_byte_ms: row.first_byte_ms,
        total_ms: row.total_ms,
        input_tokens: row.tokens.input_tokens,
        output_tokens: row.tokens.output_tokens,
        cache_write_5m_tokens: row.tokens.cache_write_5m_tokens,
        cache_write_1h_tokens: row.tokens.cache_write_1h_tokens,
        cache_read_tokens: row.tokens.cache_read_tokens,
        output_estimated: row.output_estimated,
        ended: row.ended.as_str(),
        cost_usd: row.cost_microusd.map(dollars),
        cost_certainty: row.cost_certainty.map(CostCertainty::as_str),
    }
}
