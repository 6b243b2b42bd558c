//! The service over real HTTP, against the stand-in upstream.

#![allow(clippy::unwrap_used, reason = "a test, or a tool for tests, ends at what it does not expect")]
#![allow(clippy::pedantic, reason = "in tests the sentence counts")]
#![allow(clippy::disallowed_methods, reason = "tests measure real time")]
#![allow(unreachable_pub, reason = "nothing here is reached from outside")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what it says is for whoever runs it")]

mod admin;
mod admin_abuse;
mod admin_changes;
mod admin_cli;
mod admin_usage;
mod batches;
mod binary;
mod bombs;
mod bootstrap_abuse;
mod charged;
mod check;
mod clocks;
mod config_reload;
mod constant_time;
mod control;
mod cors;
mod credentials;
mod device_keys;
mod device_proofs;
mod disconnect;
mod doctor;
mod features;
mod files;
mod first_byte;
mod governed_breaker;
mod governed_budgets;
mod governed_budgets_shared;
mod governed_faults;
mod governed_instances;
mod governed_limits;
mod headers;
mod healthcheck;
mod hosts;
mod injection;
mod key_in_errors;
mod leak;
mod limits_abuse;
mod limits_contract;
mod limits_exchange;
mod limits_faults;
mod limits_redis;
mod made_files;
mod metrics;
mod model_copies;
mod model_list;
mod models;
mod otlp;
mod otlp_faults;
mod owned_references;
mod panics;
mod process;
mod process_faults;
#[cfg(unix)]
mod process_restart;
mod rate_limit_headers;
mod real_key;
#[cfg(unix)]
mod real_key_command;
mod relay;
mod request_bodies;
mod response_bodies;
mod retention;
mod revocation;
mod rotation;
mod rotation_binary;
mod secrets;
mod secured;
mod sentry;
mod served_certificate;
mod shutdown;
mod sizes;
mod slow_clients;
mod smuggling;
mod store_budgets;
mod store_devices;
#[cfg(unix)]
mod store_disk_full;
mod store_governance;
mod store_killed;
mod store_open;
mod store_owned;
mod store_usage;
mod store_writer;
mod targets;
mod tls;
mod tls_binary;
mod tokens_claims;
mod tokens_forged;
mod upstream_faults;
mod upstream_framing;
mod upstream_h1;
mod upstream_h2;
mod upstream_refusals;
mod upstream_tls;
mod usage;
mod usage_encoded;
mod usage_shapes;
