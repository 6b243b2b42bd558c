//! The strength of secrets that a person chose. The readers of signing keys and of the admin token check it.

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakSecretError {
    /// Fewer than 256 bits (RFC 8725, section 3.5).
    #[error("is shorter than 32 bytes")]
    Short,
    /// Contains a word of documentation.
    #[error("looks like an example")]
    Example,
    /// Fewer than ten different bytes.
    #[error("repeats too few characters to be random")]
    Repetitive,
}

/// `None` if the secret is strong enough.
pub(crate) fn weakness(secret: &str) -> Option<WeakSecretError> {
    let lower = secret.to_ascii_lowercase();
    let mut seen = [false; 256];
    secret.bytes().for_each(|byte| seen[usize::from(byte)] = true);
    if secret.len() < 32 {
        Some(WeakSecretError::Short)
    } else if EXAMPLES.iter().any(|example| lower.contains(example)) {
        Some(WeakSecretError::Example)
    } else if seen.iter().filter(|seen| **seen).count() < 10 {
        Some(WeakSecretError::Repetitive)
    } else {
        None
    }
}

/// Words of documentation, which random bytes do not contain.
const EXAMPLES: [&str; 6] = ["secret", "change", "example", "password", "your-", "12345678901234567890"];
