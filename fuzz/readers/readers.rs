//! What the fuzz targets of `fuzz/` run: for each reader of foreign bytes a function that panics when one of the reader's
//! promises does not hold for them, and returns whether the reader accepts them.
//!
//! Compiled with the feature `fuzzing`, and for the tests, which replay the inputs in `fuzz/corpus`.

#![allow(clippy::missing_panics_doc, reason = "a panic is how a fuzz target tells what it found")]

pub mod config;
pub mod http1;
pub mod json;
mod node;
mod pieces;
pub mod proof;
pub mod token;
pub mod usage;

#[cfg(test)]
mod tests;
