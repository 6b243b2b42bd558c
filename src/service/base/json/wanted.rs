//! What a scanner wants of an object: its keys, and what each of them leads to.

use super::mention::MessageKey;

pub(super) struct Wanted {
    pub keys: &'static [&'static str],
    /// What the keys lead to, in the same order.
    pub leads: &'static [Lead],
    /// What a string says that stands in place of the object.
    pub text: Option<MessageKey>,
}

#[derive(Clone, Copy)]
pub(super) enum Lead {
    Value(MessageKey),
    /// An object or a list of objects.
    Objects(&'static Wanted),
}
