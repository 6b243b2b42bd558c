//! The content of a followed file at one moment.

use std::io;

use crate::secret::Secret;
pub(crate) use crate::service::base::text_file::content;

pub(crate) type Content = io::Result<Secret>;
