//! What each relayed request used, read from the response as it passes.
//!
//! The pipeline opens a [`Recording`] before it sends a request up. A recording leaves exactly one [`UsageRecord`],
//! however the request ends: also when the future that serves it is dropped.

mod batch_item;
mod count;
mod decode;
mod iterations;
mod lenient;
mod lines;
mod meter;
mod record;
mod sse;
mod tokens;
mod usage_object;

pub use batch_item::{BATCH_ROUTE, BatchItem};
pub(crate) use decode::Decoder;
pub use iterations::ModelTokens;
pub(crate) use lines::Lines;
pub use meter::Meter;
pub use record::{Ended, Recording, UsageRecord, UsageSink, UsageSinks};
pub use tokens::Tokens;
