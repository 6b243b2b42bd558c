//! The name that an administrator claims for the audit trail. All administrators share one admin token, so the name
//! proves nothing; it tells honest administrators apart.

use http::{HeaderMap, HeaderName};

use super::error::AdminError;

/// The actor of a request as the audit trail writes it: `admin`, and after a slash the claimed name. [`AdminError::Invalid`]
/// when the header is not a valid name.
pub(super) fn actor(headers: &HeaderMap) -> Result<String, AdminError> {
    let mut values = headers.get_all(ACTOR_HEADER).iter();
    let Some(value) = values.next() else { return Ok(ADMIN.to_owned()) };
    match std::str::from_utf8(value.as_bytes()) {
        Ok(name) if may_be_called(name) && values.next().is_none() => Ok(format!("{ADMIN}/{name}")),
        _ => {
            Err(AdminError::Invalid(format!("`{ACTOR_HEADER}` is not one name of 1 to {LONGEST} printable characters")))
        }
    }
}

/// Whether an administrator may claim this name.
pub(crate) fn may_be_called(name: &str) -> bool {
    let length = name.chars().count();
    (1..=LONGEST).contains(&length) && !name.chars().any(char::is_control)
}

pub(crate) const ACTOR_HEADER: HeaderName = HeaderName::from_static("x-admin-actor");

/// The actor without a claimed name.
pub(super) const ADMIN: &str = "admin";
const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_one_short_printable_name_is_accepted() {
        let with = |values: &[&[u8]]| {
            values.iter().map(|value| (ACTOR_HEADER, HeaderValue::from_bytes(value).unwrap())).collect::<HeaderMap>()
        };
        assert_eq!(actor(&with(&[])).unwrap(), "admin");
        assert_eq!(actor(&with(&[b"ann"])).unwrap(), "admin/ann");
        assert_eq!(actor(&with(&["müller".as_bytes()])).unwrap(), "admin/müller");
        assert_eq!(actor(&with(&[&[b'a'; 64]])).unwrap().len(), "admin/".len() + 64);
        let bad: [&[&[u8]]; 6] =
            [&[b""], &[&[b'a'; 65]], &[b"a\tb"], &[b"\xff"], &[b"ann", b"ann"], &["\u{9b}".as_bytes()]];
        for bad in bad {
            assert!(matches!(actor(&with(bad)), Err(AdminError::Invalid(_))), "{bad:?}");
        }
    }
}
