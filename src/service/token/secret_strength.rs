//! Why a secret would be guessed. Who asks is whoever reads a secret that a person chose.

/// What makes a secret unfit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// Fewer than 256 bits (RFC 8725, section 3.5).
    #[error("is shorter than 32 bytes")]
    Short,
    /// Copied from documentation.
    #[error("looks like an example")]
    Example,
    /// A pattern.
    #[error("repeats too few characters to be random")]
    Repetitive,
}

/// The weakness of `secret`, if it has one.
pub(crate) fn weakness(secret: &str) -> Option<Weakness> {
    let lower = secret.to_ascii_lowercase();
    let mut seen = [false; 256];
    secret.bytes().for_each(|byte| seen[usize::from(byte)] = true);
    if secret.len() < 32 {
        Some(Weakness::Short)
    } else if EXAMPLES.iter().any(|example| lower.contains(example)) {
        Some(Weakness::Example)
    } else if seen.iter().filter(|seen| **seen).count() < 10 {
        Some(Weakness::Repetitive)
    } else {
        None
    }
}

/// Words that stand in documentation and not in random bytes.
const EXAMPLES: [&str; 6] = ["secret", "change", "example", "password", "your-", "12345678901234567890"];
