//! The routes of message batches and files, which act on objects of the calling device.

use http::Method;

use crate::service::store::database::ObjectKind;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ObjectRoute {
    CreateBatch,
    ListBatches,
    Batch,
    DeleteBatch,
    CancelBatch,
    BatchResults,
    CreateFile,
    ListFiles,
    File,
    DeleteFile,
    FileContent,
}

impl ObjectRoute {
    /// The name in logs and in `/protocol`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CreateBatch => "POST /v1/messages/batches",
            Self::ListBatches => "GET /v1/messages/batches",
            Self::Batch => "GET /v1/messages/batches/{id}",
            Self::DeleteBatch => "DELETE /v1/messages/batches/{id}",
            Self::CancelBatch => "POST /v1/messages/batches/{id}/cancel",
            Self::BatchResults => "GET /v1/messages/batches/{id}/results",
            Self::CreateFile => "POST /v1/files",
            Self::ListFiles => "GET /v1/files",
            Self::File => "GET /v1/files/{id}",
            Self::DeleteFile => "DELETE /v1/files/{id}",
            Self::FileContent => "GET /v1/files/{id}/content",
        }
    }

    pub(crate) fn method(self) -> &'static str {
        self.name().split(' ').next().unwrap_or_default()
    }

    pub(crate) fn kind(self) -> ObjectKind {
        match self {
            Self::CreateBatch
            | Self::ListBatches
            | Self::Batch
            | Self::DeleteBatch
            | Self::CancelBatch
            | Self::BatchResults => ObjectKind::Batch,
            Self::CreateFile | Self::ListFiles | Self::File | Self::DeleteFile | Self::FileContent => ObjectKind::File,
        }
    }

    /// Whether a request counts against the device's limits: a batch makes Claude work.
    pub(crate) fn is_charged(self) -> bool {
        self == Self::CreateBatch
    }

    /// The routes of a path in normal form, one per method; empty for any other path.
    pub(crate) fn at(path: &str) -> &'static [Self] {
        if let Some(below) = path.strip_prefix(BATCHES) {
            return match segments(below) {
                Some(("", None)) => &[Self::CreateBatch, Self::ListBatches],
                Some((_, None)) => &[Self::Batch, Self::DeleteBatch],
                Some((_, Some("cancel"))) => &[Self::CancelBatch],
                Some((_, Some("results"))) => &[Self::BatchResults],
                _ => &[],
            };
        }
        match path.strip_prefix(FILES).and_then(segments) {
            Some(("", None)) => &[Self::CreateFile, Self::ListFiles],
            Some((_, None)) => &[Self::File, Self::DeleteFile],
            Some((_, Some("content"))) => &[Self::FileContent],
            _ => &[],
        }
    }

    /// The id in the path; empty for the collection itself.
    pub(crate) fn id_in(self, path: &str) -> &str {
        let collection = match self.kind() {
            ObjectKind::Batch => BATCHES,
            ObjectKind::File => FILES,
        };
        path.strip_prefix(collection).and_then(segments).map_or("", |(id, _)| id)
    }

    pub(crate) fn takes(self, method: &Method) -> bool {
        method.as_str() == self.method()
    }

    pub(crate) const ALL: [Self; 11] = [
        Self::CreateBatch,
        Self::ListBatches,
        Self::Batch,
        Self::DeleteBatch,
        Self::CancelBatch,
        Self::BatchResults,
        Self::CreateFile,
        Self::ListFiles,
        Self::File,
        Self::DeleteFile,
        Self::FileContent,
    ];
}

/// The path below a collection: the id and the action, both empty for the collection itself.
fn segments(below: &str) -> Option<(&str, Option<&str>)> {
    if below.is_empty() {
        return Some(("", None));
    }
    let mut segments = below.strip_prefix('/')?.split('/');
    let id = segments.next().filter(|id| !id.is_empty())?;
    let act = segments.next();
    segments.next().is_none().then_some((id, act))
}

pub(crate) const BATCHES: &str = "/v1/messages/batches";

pub(crate) const FILES: &str = "/v1/files";
