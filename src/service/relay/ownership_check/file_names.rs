//! Reads which files a body names: the texts under the key `file_id`, wherever it stands but in what a tool defines: its
//! input and the schema of that are free JSON, in which the API looks for no file.

use std::collections::HashSet;

use crate::service::base::json::NamedTexts;
use crate::service::meter::usage::Reference;
use crate::service::relay::ledger::unknown;
use crate::service::store::database::ObjectKind;
use crate::transport::buffered_body::RefusedBodyError;
use crate::transport::problem::Problem;
use crate::wire::ErrorCode;

pub(super) struct FileNames {
    texts: NamedTexts,
    pub(super) ids: HashSet<String>,
}

impl FileNames {
    pub(super) fn new() -> Self {
        Self { texts: NamedTexts::new("file_id", &["input", "input_schema"]), ids: HashSet::new() }
    }

    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<(), RefusedBodyError> {
        let mut found = Vec::new();
        let unreadable = |_| refusal("It cannot be told which files (`file_id`) the body names".to_owned());
        self.texts.feed(bytes, &mut found).map_err(unreadable)?;
        for id in found {
            if !Reference::may_be_id(&id) {
                let Problem { code, message, .. } = unknown(ObjectKind::File, &id);
                return Err(RefusedBodyError { code, message });
            }
            self.ids.insert(id);
        }
        if self.ids.len() > MOST {
            return Err(refusal(format!("The body names more than {MOST} files")));
        }
        Ok(())
    }
}

fn refusal(message: String) -> RefusedBodyError {
    RefusedBodyError { code: ErrorCode::BodyInvalid, message }
}

/// A batch has up to 100,000 requests; few batches name a file of its own in each of many requests.
const MOST: usize = 10_000;
