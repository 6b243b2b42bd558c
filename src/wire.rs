//! The contract between the desktop and the service.
//!
//! Every type, path, header name and error code that crosses the hop is defined here, once, so that the two ends cannot
//! drift apart. Apps that were shipped keep their client, so a change here has to suit older ones, or is a new
//! [`PROTOCOL_VERSION`].

mod bootstrap;
mod claims;
mod device_id;
mod error;
mod error_body;
pub mod names;
mod proof;

pub use bootstrap::{BootstrapRequest, TokenResponse, TokenType};
pub use claims::{Claims, Confirmation, TOKEN_TYP};
pub use device_id::{DeviceId, DeviceIdError};
pub use error::{ErrorCode, ErrorKind};
pub use error_body::ErrorBody;
pub use proof::{PROOF_ALG, PROOF_TYP, ProofClaims, ProofHeader, PublicJwk, token_hash};

/// Raised when a client of the previous version can no longer work with this service.
pub const PROTOCOL_VERSION: u32 = 1;
