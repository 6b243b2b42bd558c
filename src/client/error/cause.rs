//! What failed beneath an error, as far as an app can tell failures apart by it.

use std::error::Error;
use std::{fmt, io};

use serde::Serialize;

/// In JSON the facts of a `ValetCause` of `index.d.ts`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// The operating system's name of the failure, as Node spells it (`ECONNREFUSED`), or the service's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// For people.
    pub message: String,
    /// The host and port that were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The name of the first failure of the operating system in the chain of causes.
pub(in crate::client) fn system_code(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(current) = cause {
        let code = current.downcast_ref::<io::Error>().and_then(|error| node_name(error.kind()));
        if code.is_some() {
            return code;
        }
        cause = current.source();
    }
    None
}

fn node_name(kind: io::ErrorKind) -> Option<&'static str> {
    Some(match kind {
        io::ErrorKind::BrokenPipe => "EPIPE",
        io::ErrorKind::ConnectionAborted => "ECONNABORTED",
        io::ErrorKind::ConnectionRefused => "ECONNREFUSED",
        io::ErrorKind::ConnectionReset => "ECONNRESET",
        io::ErrorKind::HostUnreachable => "EHOSTUNREACH",
        io::ErrorKind::NetworkUnreachable => "ENETUNREACH",
        io::ErrorKind::PermissionDenied => "EACCES",
        io::ErrorKind::TimedOut => "ETIMEDOUT",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the call failed")]
    struct CallError(#[source] io::Error);

    #[test]
    fn the_operating_systems_name_of_a_failure_is_found_beneath_other_errors() {
        let code = |kind| system_code(&CallError(io::Error::from(kind)));
        assert_eq!(code(io::ErrorKind::ConnectionRefused), Some("ECONNREFUSED"));
        assert_eq!(code(io::ErrorKind::InvalidData), None);
    }
}
