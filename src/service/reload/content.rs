//! What stands in a file at one moment.

use std::io;

use crate::secret::Secret;
pub(in crate::service) use crate::service::text_file::content;

/// A text, or why there is none.
pub(in crate::service) type Content = io::Result<Secret>;
