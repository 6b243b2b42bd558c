//! The remote service: checks wrapper tokens, swaps in the real key, relays and meters.
//!
//! The rooms stand in reading order: a room imports only rooms above it, and no two files import each other in a circle
//! (`tests/rooms` holds both). A request comes in through [`http`], is judged by [`token`] and [`govern`] on the page
//! [`relay::pipeline`], and leaves a record of [`meter`]. [`run`] builds everything and hands each part what it works
//! with.

#![allow(
    missing_docs,
    clippy::must_use_candidate,
    clippy::return_self_not_must_use,
    reason = "the service is a program: only the binary and the tests use it"
)]

/// What knows nothing of the product: JSON that streams by, files that are watched, queues, windows of time.
pub mod base {
    pub mod batch_queue;
    pub mod core_dumps;
    pub mod enum_names;
    pub mod http_client;
    pub mod json;
    pub mod model_id;
    pub mod outage;
    pub mod private_file;
    pub mod secret_text;
    pub mod shell_command;
    pub mod shown;
    pub mod strict_object;
    pub mod text_file;
    pub mod trace_context;
    pub mod watched_file;
    pub mod window;
}

/// What a request used, and what that costs.
pub mod meter {
    pub mod money;
    pub mod prices;
    pub mod usage;
}

/// What the service tells of itself: log, metrics, traces, reports of faults.
pub mod telemetry {
    pub mod error_reports;
    pub mod log;
    pub mod metrics;
    pub mod otlp;
    pub mod panics;
}

/// Is this token genuine? Keys, verification, the models a token is for.
pub mod token {
    pub mod cache;
    pub mod keyring;
    pub mod model_pattern;
    pub mod models;
    pub mod secret_strength;
    pub mod verify;
}

/// May this caller do it now? Overrides, revocations, features, limits, budgets, the breaker, leaks.
pub mod govern {
    pub mod access;
    pub mod breaker;
    pub mod budgets;
    pub mod features;
    pub mod leak;
    pub mod limits;
    pub mod overrides;
    pub mod revocation;
}

/// SQLite or PostgreSQL, and the copies of it that requests are judged by.
pub mod store {
    pub mod database;
    pub mod policy_sync;
    pub mod retention;
    pub mod spent_loader;
    pub mod stores;
}

/// Which device gets a token: enrolment, proofs of keys, limits of `/bootstrap`.
pub mod enrol {
    pub mod db_requests;
    pub mod device_keys;
    pub mod enrolment_limits;
    pub mod issuer;
    pub mod signing_file;
}

/// The way of a request up and of its answer down, batches and files included.
pub mod relay {
    pub mod admission;
    pub mod answer;
    pub mod batches;
    pub mod budget_gate;
    pub mod encoded_error;
    pub mod feature_check;
    pub mod in_flight;
    pub mod key_mask;
    pub mod key_probe;
    pub mod key_renewal;
    pub mod key_source;
    pub mod key_swap;
    pub mod ledger;
    pub mod list_page;
    pub mod models;
    pub mod ownership_check;
    pub mod payer_check;
    pub mod pipeline;
    pub mod references;
    pub mod request_body;
    pub mod route;
    pub mod standing;
    pub mod usage_tap;
    pub mod whole_body;
    pub mod worker;
}

/// The listener of clients: routes, addresses, TLS, `/protocol`, and the handler that begins and ends each request.
pub mod http {
    pub mod allowed_hosts;
    pub mod client_address;
    pub mod handler;
    pub mod listen;
    pub mod protocol;
    pub mod request_line;
    pub mod routes;
    pub mod tls;
}

/// The admin API and the command line that calls it.
pub mod admin {
    pub mod api;
    pub mod cli;
}

/// From flags, variables and a file to the settings of the parts.
pub mod config;

/// Builds every part once, runs the threads, reloads and stops.
pub mod run {
    pub mod acceptor;
    pub mod background;
    pub mod build;
    pub mod config_reload;
    pub mod handle;
    pub mod listener;
    pub mod reload;
    pub mod service;
    pub mod start_error;
    pub mod stop_signals;
    pub mod worker;
}

/// What is wrong with a configuration (`check`), with a set-up (`doctor`) or with a service that runs (`healthcheck`).
pub mod diagnose {
    pub mod check;
    pub mod doctor;
    pub mod health;
    mod here;
}

pub use self::run::handle::ServiceHandle;
pub use self::run::service::{Service, ServicePorts};
pub use self::run::start_error::StartError;
