//! What stands in a file at one moment.

use std::io;

use crate::secret::Secret;
pub(crate) use crate::service::base::text_file::content;

/// A text, or why there is none.
pub(crate) type Content = io::Result<Secret>;
