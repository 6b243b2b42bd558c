//! `valetkey admin`: the admin API for people at a terminal and for scripts. The program runs one command and keeps
//! nothing.
//!
//! [`target`] finds the address and the token; [`connection`] calls the API; each noun of the API has a file with its
//! requests and its [`table`], and those that can only be looked at share [`views`]; [`screen`] writes the output.
//! Errors become an exit code ([`error`]).

mod budgets;
mod cell;
mod connection;
mod device_changes;
mod devices;
mod error;
mod list;
mod notice;
mod revocations;
mod screen;
mod table;
mod target;
mod tokens;
mod usage;
mod views;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use self::connection::ApiClient;
use self::error::CliError;
use self::notice::note;
use self::screen::Screen;
use self::target::AdminTarget;

/// What is to be done, and where.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: AdminTarget,
    /// Print the API's JSON as it is; of a list, one page a line
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    noun: Noun,
}

#[derive(Debug, Subcommand)]
enum Noun {
    /// Devices, and what each may do
    #[command(subcommand)]
    Devices(devices::DeviceCommand),
    /// Revocations: what is shut out
    #[command(subcommand)]
    Revocations(revocations::RevocationCommand),
    /// Budgets, and how much of each is spent
    #[command(subcommand)]
    Budgets(budgets::BudgetCommand),
    /// Tokens: make, inspect and revoke them
    #[command(subcommand)]
    Tokens(tokens::TokenCommand),
    /// The usage in sums
    Usage(usage::UsageArgs),
    /// The usage, request by request
    #[command(subcommand)]
    Requests(usage::RequestCommand),
    /// The audit trail: who changed what, the newest first
    Audit(list::Length),
    /// The circuits: for which models the upstream is asked
    Breaker,
    /// The settings in force, without secrets
    Config,
    /// The metrics, as Prometheus reads them; needs no token
    Metrics,
}

/// Runs the command and returns the exit code.
pub fn run(arguments: Arguments) -> ExitCode {
    let screen = Screen::new(arguments.json);
    match done(arguments, &screen) {
        // The reader of the output, such as `head`, has closed the pipe.
        Err(CliError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            note(&failure.to_string());
            failure.exit_code()
        }
        Ok(()) => ExitCode::SUCCESS,
    }
}

fn done(arguments: Arguments, screen: &Screen) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CliError::Runtime)?;
    let connection = ApiClient::new(&arguments.target)?;
    runtime.block_on(arguments.noun.run(&connection, screen))
}

impl Noun {
    async fn run(self, connection: &ApiClient, screen: &Screen) -> Result<(), CliError> {
        match self {
            Self::Devices(action) => action.run(connection, screen).await,
            Self::Revocations(action) => action.run(connection, screen).await,
            Self::Budgets(action) => action.run(connection, screen).await,
            Self::Tokens(action) => action.run(connection, screen).await,
            Self::Usage(sums) => sums.run(connection, screen).await,
            Self::Requests(action) => action.run(connection, screen).await,
            Self::Audit(length) => views::audit(&length, connection, screen).await,
            Self::Breaker => views::breaker(connection, screen).await,
            Self::Config => views::config(connection, screen).await,
            Self::Metrics => screen.raw(&connection.metrics().await?.bytes),
        }
    }
}

/// Part of the help page.
pub const EXIT_CODES: &str = "Exit codes: 0 done, 1 refused or failed, 64 used incorrectly, 69 cannot connect";
