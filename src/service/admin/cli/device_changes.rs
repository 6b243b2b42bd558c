//! The arguments of `valetkey admin devices set`, and the change they make.

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::connection::ApiClient;
use super::error::CliError;
use crate::service::admin::api::{DeviceChange, LimitsView};
use crate::service::govern::budgets::{Limits, amount};
use crate::service::govern::features::{FeaturePolicy, FeatureWordError};
use crate::service::meter::money::MicroDollars;
use crate::service::token::model_pattern::{PatternError, check_pattern};
use crate::wire::DeviceId;

/// What to change. What is not named stays.
#[derive(Debug, Args)]
pub(super) struct DeviceChanges {
    /// The id of the device
    #[arg(value_parser = DeviceId::parse)]
    pub device: DeviceId,
    /// The organisation of the device
    #[arg(long)]
    org: Option<String>,
    /// The user of the device
    #[arg(long)]
    user: Option<String>,
    /// The models that the device may ask for, separated by commas; claude-haiku-* stands for all that begin so
    #[arg(long, value_delimiter = ',', value_parser = model)]
    models: Option<Vec<String>>,
    /// Let the device ask for all models
    #[arg(long, conflicts_with = "models")]
    all_models: bool,
    /// The features that the device may use: `server_tools=web_fetch+web_search,fast_mode=off`; for those that are not
    /// named the service's default holds
    #[arg(long, value_delimiter = ',')]
    features: Option<Vec<String>>,
    /// Requests in any window; of all limits, 0 is no limit
    #[arg(long)]
    requests: Option<u32>,
    /// The length of the window, in milliseconds
    #[arg(long)]
    window_ms: Option<u64>,
    /// Tokens in any minute
    #[arg(long)]
    tokens_per_minute: Option<u64>,
    /// Requests at the same time
    #[arg(long)]
    concurrent: Option<u32>,
    /// Dollars that the device may spend in a day (UTC); of day, week and month, what is not named is no limit
    #[arg(long, value_name = "DOLLARS", value_parser = amount::read)]
    budget_day: Option<MicroDollars>,
    /// Dollars that the device may spend in a week, which begins on Monday
    #[arg(long, value_name = "DOLLARS", value_parser = amount::read)]
    budget_week: Option<MicroDollars>,
    /// Dollars that the device may spend in a month
    #[arg(long, value_name = "DOLLARS", value_parser = amount::read)]
    budget_month: Option<MicroDollars>,
    /// Let the device spend without a limit
    #[arg(long, conflicts_with_all = ["budget_day", "budget_week", "budget_month"])]
    no_budget: bool,
    /// The thumbprint of the key that the device must prove to get tokens; --unset key lets the key go
    #[arg(long, value_name = "THUMBPRINT")]
    key: Option<String>,
    /// Fields to put back to the service's default, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAMES")]
    unset: Vec<Field>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Field {
    Org,
    User,
    Models,
    Features,
    Requests,
    WindowMs,
    TokensPerMinute,
    Concurrent,
    Budget,
    Key,
}

impl DeviceChanges {
    /// The change as the API takes it. The API replaces all limits at once, so the current limits are fetched first.
    /// Fails if the arguments change nothing.
    pub(super) async fn read(&self, connection: &ApiClient) -> Result<DeviceChange, CliError> {
        let models = if self.all_models { Some(Vec::new()) } else { self.models.clone() };
        let mut change = DeviceChange {
            org: self.changed(self.org.clone(), Field::Org),
            user: self.changed(self.user.clone(), Field::User),
            models: self.changed(models, Field::Models),
            features: self.changed(self.features()?, Field::Features),
            budget: self.changed(self.budget(), Field::Budget),
            key: self.changed(self.key.clone(), Field::Key),
            ..DeviceChange::default()
        };
        if self.names_limits() {
            change.limits = Some(Some(self.limits(&self.current_limits(connection).await?)));
        }
        let is_empty = change.org.is_none() && change.user.is_none() && change.models.is_none();
        let is_empty = is_empty && change.features.is_none() && change.limits.is_none();
        if is_empty && change.budget.is_none() && change.key.is_none() {
            return Err(CliError::Misused("there is nothing to change; see --help".into()));
        }
        Ok(change)
    }

    fn features(&self) -> Result<Option<FeaturePolicy>, CliError> {
        let Some(words) = &self.features else { return Ok(None) };
        let mut features = FeaturePolicy::default();
        for word in words {
            let misused = |fault: FeatureWordError| CliError::Misused(format!("--features: {word:?} {fault}"));
            features.add(word.trim()).map_err(misused)?;
        }
        Ok(Some(features))
    }

    fn budget(&self) -> Option<Limits> {
        let limits = Limits { day: self.budget_day, week: self.budget_week, month: self.budget_month };
        (self.no_budget || !limits.is_none()).then_some(limits)
    }

    #[expect(clippy::option_option, reason = "staying, going back and a value are three things")]
    fn changed<T>(&self, value: Option<T>, field: Field) -> Option<Option<T>> {
        if value.is_some() || self.unsets(field) { Some(value) } else { None }
    }

    fn unsets(&self, field: Field) -> bool {
        self.unset.contains(&field)
    }

    fn names_limits(&self) -> bool {
        let limits = [Field::Requests, Field::WindowMs, Field::TokensPerMinute, Field::Concurrent];
        limits.into_iter().any(|field| self.unsets(field))
            || self.requests.is_some()
            || self.window_ms.is_some()
            || self.tokens_per_minute.is_some()
            || self.concurrent.is_some()
    }

    async fn current_limits(&self, connection: &ApiClient) -> Result<LimitsView, CliError> {
        match connection.get(&["admin", "devices", self.device.as_str()], &[]).await {
            // Unknown limits of a newer service would be lost, so an answer with one is refused.
            Ok(answer) => {
                let limits = answer.json()?.get_mut("limits").map(Value::take);
                serde_json::from_value(limits.unwrap_or_default()).map_err(|_| answer.strange())
            }
            Err(CliError::Refused { code, .. }) if code == "not_found" => Ok(LimitsView::default()),
            Err(failure) => Err(failure),
        }
    }

    fn limits(&self, current: &LimitsView) -> LimitsView {
        fn limit<T>(named: Option<T>, current: Option<T>, is_unset: bool) -> Option<T> {
            named.or(current.filter(|_| !is_unset))
        }
        LimitsView {
            requests: limit(self.requests, current.requests, self.unsets(Field::Requests)),
            window_ms: limit(self.window_ms, current.window_ms, self.unsets(Field::WindowMs)),
            tokens_per_minute: limit(
                self.tokens_per_minute,
                current.tokens_per_minute,
                self.unsets(Field::TokensPerMinute),
            ),
            concurrent: limit(self.concurrent, current.concurrent, self.unsets(Field::Concurrent)),
        }
    }
}

/// A model, or the beginning of models and `*`.
fn model(text: &str) -> Result<String, PatternError> {
    check_pattern(text).map(|()| text.to_owned())
}
