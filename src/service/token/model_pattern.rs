//! Checks the entries of lists of models: an id, or the beginning of ids and `*`. Settings, the admin API and
//! `valetkey admin` call this, so that no list has an entry that [`ModelRule`](crate::service::token::models::ModelRule) could
//! never match.

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    #[error("is no model; leave it out")]
    Empty,
    /// A `*` inside would be read as part of an id.
    #[error("has a * that is not at its end; write a beginning such as claude-haiku-*")]
    Star,
    #[error("has white space in it")]
    Space,
}

/// Accepts the id of a model, or a beginning and `*`.
pub(crate) fn check_pattern(pattern: &str) -> Result<(), PatternError> {
    let beginning = pattern.strip_suffix('*').unwrap_or(pattern);
    if pattern.trim().is_empty() {
        Err(PatternError::Empty)
    } else if beginning.contains('*') {
        Err(PatternError::Star)
    } else if pattern.contains(char::is_whitespace) {
        Err(PatternError::Space)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_allowed_only_at_the_end() {
        for good in ["*", "claude-haiku-*", "claude-sonnet-5-5", "vendor/model:1"] {
            assert_eq!(check_pattern(good), Ok(()), "{good}");
        }
        for (bad, fault) in [
            ("", PatternError::Empty),
            (" ", PatternError::Empty),
            ("**", PatternError::Star),
            ("*haiku", PatternError::Star),
            ("claude-*-5", PatternError::Star),
            ("claude haiku", PatternError::Space),
        ] {
            assert_eq!(check_pattern(bad), Err(fault), "{bad}");
        }
    }
}
