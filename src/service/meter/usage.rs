//! What each relayed request used, read from the response as it passes.
//!
//! The guard of a request in flight opens a [`UsageRecord`] before the request goes up and hands it to a [`UsageSink`]
//! exactly once, however the request ends.

mod batch_item;
mod certainty;
mod decode;
mod events;
mod iterations;
mod lenient;
mod lines;
mod made_files;
mod record;
mod reference;
mod response;
mod sse;
mod stated;
mod stop;
mod tokens;
mod usage_object;

pub use batch_item::{BATCH_ROUTE, BatchItem};
pub use certainty::CostCertainty;
pub(crate) use decode::{DecodeError, Decoder, content_encoding};
pub use iterations::ModelTokens;
pub(crate) use lines::Lines;
pub use record::{Ended, UsageOwner, UsageRecord, UsageSink, UsageSinks};
pub use reference::{Reference, ReferenceKind};
pub use response::ResponseMeter;
pub use tokens::Tokens;
