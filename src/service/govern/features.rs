//! The features that devices may use: those that cost money of their own, send text elsewhere or keep it upstream.
//!
//! An operator allows them for all devices by a setting, and for one device by its overrides, field by field. A tool that
//! the upstream runs is known by its `type`; a type of a tool that this version does not know counts as one.

mod policy;
mod refused;
mod verdict;
mod words;

pub use self::policy::FeaturePolicy;
pub use self::refused::FeatureRefused;
pub use self::words::FeatureWordError;
