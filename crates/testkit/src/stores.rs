//! Databases and Redis servers of a test's own.

pub mod database;
#[cfg(unix)]
pub mod postgres;
pub mod redis;
pub mod usage_writer;
