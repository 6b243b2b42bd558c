//! A name from a request, made harmless for a message.

pub(crate) fn shown(name: &str) -> String {
    name.chars().take(100).filter(|char| !char.is_control()).collect()
}
