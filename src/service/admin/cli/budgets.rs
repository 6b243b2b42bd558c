//! The commands of `valetkey admin budgets`.

use clap::{Args, Subcommand};
use http::{Method, StatusCode};

use super::cell::Shape;
use super::connection::ApiClient;
use super::error::CliError;
use super::list::{ApiList, Length};
use super::notice::note;
use super::screen::Screen;
use super::table::Column;
use crate::service::govern::budgets::{Limits, amount};
use crate::service::meter::money::MicroDollars;

/// What to do with budgets.
#[derive(Debug, Subcommand)]
pub(super) enum BudgetCommand {
    /// List the users and organisations with a budget of their own
    List(Length),
    /// Show a budget, a device's too, and how much of it is spent
    Show {
        /// The kind of the owner
        #[arg(value_parser = ["device", "user", "org"])]
        kind: String,
        /// The device's id, or the user's or organisation's name
        name: String,
    },
    /// Set the budget of a user over all devices, or of an organisation over all users; a device's is set by `devices set`
    Set(BudgetArgs),
    /// Remove a budget; the service's default is in force again
    Remove {
        /// The kind of the owner
        #[arg(value_parser = ["user", "org"])]
        kind: String,
        /// The user's or organisation's name
        name: String,
    },
}

/// A budget. It replaces the one set before.
#[derive(Debug, Args)]
pub(super) struct BudgetArgs {
    /// The kind of the owner
    #[arg(value_parser = ["user", "org"])]
    kind: String,
    /// The user's or organisation's name
    name: String,
    #[command(flatten)]
    limits: Allowed,
    /// There is no limit, whatever the service's default is
    #[arg(long, conflicts_with_all = ["day", "week", "month"])]
    unlimited: bool,
}

/// Limits in US dollars.
#[derive(Debug, Args)]
struct Allowed {
    /// Dollars in a day (UTC); of the three, what is not named is no limit
    #[arg(long, value_name = "DOLLARS", value_parser = amount::read)]
    day: Option<MicroDollars>,
    /// Dollars in a week, which begins on Monday
    #[arg(long, value_name = "DOLLARS", value_parser = amount::read)]
    week: Option<MicroDollars>,
    /// Dollars in a month
    #[arg(long, value_name = "DOLLARS", value_parser = amount::read)]
    month: Option<MicroDollars>,
}

impl BudgetCommand {
    pub(super) async fn run(self, connection: &ApiClient, screen: &Screen) -> Result<(), CliError> {
        match self {
            Self::List(length) => {
                let list = ApiList { path: &["admin", "budgets"], query: Vec::new(), columns: &LISTED };
                list.show(&length, connection, screen).await
            }
            Self::Show { kind, name } => {
                let answer = connection.get(&["admin", "budgets", &kind, &name], &[]).await?;
                screen.record(&answer, &SHOWN)
            }
            Self::Set(new) => {
                let limits = new.read()?;
                let answer = connection.send(Method::PUT, &["admin", "budgets", &new.kind, &new.name], &limits).await?;
                if answer.status == StatusCode::CREATED {
                    note("nothing was said of this one before; if its name is mistyped, remove it");
                }
                screen.record(&answer, &SHOWN)
            }
            Self::Remove { kind, name } => {
                connection.delete(&["admin", "budgets", &kind, &name]).await?;
                screen.done("Removed; the service's default is in force")
            }
        }
    }
}

impl BudgetArgs {
    /// The limits as the API takes them. [`CliError::Misused`] without any limit.
    fn read(&self) -> Result<Limits, CliError> {
        let Allowed { day, week, month } = self.limits;
        let limits = Limits { day, week, month };
        if limits.is_none() && !self.unlimited {
            return Err(CliError::Misused("say --day, --week, --month or --unlimited".into()));
        }
        Ok(limits)
    }
}

const LISTED: [Column; 8] = [
    Column::new("KIND", &["/kind"], Shape::Name),
    Column::new("NAME", &["/name"], Shape::Name),
    Column::new("DAY", &["/day/limit_usd"], Shape::Dollars),
    Column::new("SPENT", &["/day/spent_usd"], Shape::Dollars),
    Column::new("WEEK", &["/week/limit_usd"], Shape::Dollars),
    Column::new("SPENT", &["/week/spent_usd"], Shape::Dollars),
    Column::new("MONTH", &["/month/limit_usd"], Shape::Dollars),
    Column::new("SPENT", &["/month/spent_usd"], Shape::Dollars),
];

const SHOWN: [Column; 15] = [
    Column::new("KIND", &["/kind"], Shape::Name),
    Column::new("NAME", &["/name"], Shape::Name),
    Column::new("BY DEFAULT", &["/is_default"], Shape::Name),
    Column::new("DAY", &["/day/limit_usd"], Shape::Dollars),
    Column::new("DAY SPENT", &["/day/spent_usd"], Shape::Dollars),
    Column::new("DAY RESERVED", &["/day/reserved_usd"], Shape::Dollars),
    Column::new("DAY ENDS", &["/day/ends_at"], Shape::Millis),
    Column::new("WEEK", &["/week/limit_usd"], Shape::Dollars),
    Column::new("WEEK SPENT", &["/week/spent_usd"], Shape::Dollars),
    Column::new("WEEK RESERVED", &["/week/reserved_usd"], Shape::Dollars),
    Column::new("WEEK ENDS", &["/week/ends_at"], Shape::Millis),
    Column::new("MONTH", &["/month/limit_usd"], Shape::Dollars),
    Column::new("MONTH SPENT", &["/month/spent_usd"], Shape::Dollars),
    Column::new("MONTH RESERVED", &["/month/reserved_usd"], Shape::Dollars),
    Column::new("MONTH ENDS", &["/month/ends_at"], Shape::Millis),
];
