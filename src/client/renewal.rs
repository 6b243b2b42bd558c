//! What a renewal of the token is to bring, and where its token came from.

/// The token that a renewal is to bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// One that is not due.
    Fresh,
    /// Another one than the token in use, which the service rejects.
    Other,
    /// One that is issued now.
    New,
}

/// Where the token of a renewal comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Renewal {
    /// The service has issued it.
    Issued,
    /// Another process of the app had stored it.
    TakenOver,
}
