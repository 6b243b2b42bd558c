//! What may stand in a list of models: an id, or the beginning of ids and `*`. Settings, the admin API and `valetkey admin`
//! ask here, so that no list takes what [`ModelRule`](crate::service::relay::model::ModelRule) would never find.

/// Why something is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternFault {
    /// There is nothing.
    #[error("is no model; leave it out")]
    Empty,
    /// It would be taken for a part of an id.
    #[error("has a * that is not at its end; write a beginning such as claude-haiku-*")]
    Star,
    /// No id has any.
    #[error("has white space in it")]
    Space,
}

/// Whether `pattern` can be the id of a model, or stand for some.
///
/// # Errors
/// [`PatternFault`]
pub(crate) fn check_pattern(pattern: &str) -> Result<(), PatternFault> {
    let beginning = pattern.strip_suffix('*').unwrap_or(pattern);
    if pattern.trim().is_empty() {
        Err(PatternFault::Empty)
    } else if beginning.contains('*') {
        Err(PatternFault::Star)
    } else if pattern.contains(char::is_whitespace) {
        Err(PatternFault::Space)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_at_the_end_only() {
        for good in ["*", "claude-haiku-*", "claude-sonnet-5-5", "vendor/model:1"] {
            assert_eq!(check_pattern(good), Ok(()), "{good}");
        }
        for (bad, fault) in [
            ("", PatternFault::Empty),
            (" ", PatternFault::Empty),
            ("**", PatternFault::Star),
            ("*haiku", PatternFault::Star),
            ("claude-*-5", PatternFault::Star),
            ("claude haiku", PatternFault::Space),
        ] {
            assert_eq!(check_pattern(bad), Err(fault), "{bad}");
        }
    }
}
