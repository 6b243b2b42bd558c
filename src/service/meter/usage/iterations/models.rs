//! The models that are known of an answer, beside those of its entries.

#[derive(Debug, Clone, Copy, Default)]
pub(in crate::service::meter::usage) struct Models<'a> {
    /// The model that the request asked for.
    pub asked: Option<&'a str>,
    /// The model that the answer names. A stream names the one that began it, an answer in one piece the one that answered.
    pub named: Option<&'a str>,
    /// The model of a fallback that a stream has announced.
    pub took_over: Option<&'a str>,
}
