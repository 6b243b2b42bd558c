//! The contract between the desktop and the service.
//!
//! Every type, path, header name and error code that crosses the hop is defined here, once, so that the two ends cannot
//! drift apart. The golden files in `tests/fixtures/wire` pin the JSON; a change there is a protocol change.

mod bootstrap;
mod claims;
mod device_id;
mod error;
pub mod names;
mod proof;

pub use bootstrap::{BootstrapRequest, TokenResponse, TokenType};
pub use claims::{Claims, Confirmation, TOKEN_TYP};
pub use device_id::{DeviceId, DeviceIdError};
pub use error::{ErrorBody, ErrorCode, ErrorKind};
pub use proof::{PROOF_ALG, PROOF_TYP, ProofClaims, ProofHeader, PublicJwk, token_hash};

/// Raised when a client of the previous version can no longer work with this service.
pub const PROTOCOL_VERSION: u32 = 1;
