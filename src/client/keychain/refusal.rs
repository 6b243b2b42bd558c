//! Tells why a keychain refuses a call: it is locked, the person or the system denies it, or there is none.
//!
//! The types of these errors belong to crates that only the stores depend on, so their text is read.

use std::error::Error;
use std::time::Duration;

use super::KeychainError;

/// What an error of the Secret Service means; `None` if it is no refusal. The call took `took`.
#[cfg(all(unix, not(target_vendor = "apple"), not(target_os = "android")))]
pub(super) fn refusal(cause: &(dyn Error + Send + Sync), took: Duration) -> Option<KeychainError> {
    secret_service(&cause.to_string(), took)
}

/// What an error of the macOS keychain means; `None` if it is no refusal.
#[cfg(target_os = "macos")]
pub(super) fn refusal(cause: &(dyn Error + Send + Sync), _: Duration) -> Option<KeychainError> {
    macos(&format!("{cause:?}"))
}

/// The Credential Manager refuses calls of a logon without credentials of its own (`ERROR_NO_SUCH_LOGON_SESSION`).
#[cfg(windows)]
pub(super) fn refusal(cause: &(dyn Error + Send + Sync), _: Duration) -> Option<KeychainError> {
    let is_without = cause.to_string().contains("ERROR_NO_SUCH_LOGON_SESSION");
    is_without.then(|| unavailable("this logon session has no credentials, as over SSH"))
}

/// A locked collection whose prompt nobody can show says at once that the prompt was dismissed.
#[cfg(any(test, all(unix, not(target_vendor = "apple"), not(target_os = "android"))))]
fn secret_service(text: &str, took: Duration) -> Option<KeychainError> {
    match text {
        "SS error: prompt dismissed" if took >= PROMPTED => Some(KeychainError::Denied),
        "SS error: prompt dismissed" | "SS Error: object locked" => Some(KeychainError::Locked),
        "SS error: result not returned from SS API" => Some(unavailable("it has no default collection")),
        // A sandbox keeps the app from the Secret Service.
        text if text.contains("org.freedesktop.DBus.Error.AccessDenied") => Some(KeychainError::Denied),
        _ => None,
    }
}

/// Reads the `OSStatus` in the text `Error { code: -128, … }`.
#[cfg(any(test, target_os = "macos"))]
fn macos(text: &str) -> Option<KeychainError> {
    let code = text.split_once("code: ")?.1;
    let end = code.find(|character: char| character != '-' && !character.is_ascii_digit()).unwrap_or(code.len());
    match code[..end].parse::<i32>().ok()? {
        // userCanceledErr, errSecAuthFailed, and what the keychain does not let this app write
        -128 | -25293 | -61 | -25244 | -25292 => Some(KeychainError::Denied),
        // errSecInteractionNotAllowed, errSecInteractionRequired: it is locked, and nobody is there to unlock it
        -25308 | -25315 => Some(KeychainError::Locked),
        // errSecNotAvailable, errSecNoSuchKeychain, errSecInvalidKeychain
        -25291 | -25294 | -25295 => Some(unavailable("there is no keychain for this session")),
        _ => None,
    }
}

fn unavailable(why: &str) -> KeychainError {
    KeychainError::Unavailable(why.to_owned())
}

/// A prompt that ends sooner has not been shown.
#[cfg(any(test, all(unix, not(target_vendor = "apple"), not(target_os = "android"))))]
const PROMPTED: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f77_a_prompt_that_was_shown_and_dismissed_is_a_denial_and_one_that_nobody_could_show_is_a_lock() {
        let after = |millis| secret_service("SS error: prompt dismissed", Duration::from_millis(millis));
        assert_eq!(after(50), Some(KeychainError::Locked));
        assert_eq!(after(20_000), Some(KeychainError::Denied));
    }

    #[test]
    fn f99_a_sandbox_that_shuts_the_app_out_is_a_denial_and_a_lost_session_is_no_refusal() {
        let error = |text| secret_service(text, Duration::ZERO);
        let shut_out = "zbus error: org.freedesktop.DBus.Error.AccessDenied: An AppArmor policy prevents this sender";
        assert_eq!(error(shut_out), Some(KeychainError::Denied));
        assert!(matches!(error("SS error: result not returned from SS API"), Some(KeychainError::Unavailable(_))));
        assert_eq!(error("zbus error: org.freedesktop.Secret.Error.NoSession: The session does not exist"), None);
    }

    #[test]
    fn f99_the_macos_keychain_tells_a_denial_from_a_lock() {
        let denied = r#"Error { code: -128, message: "User canceled the operation." }"#;
        assert_eq!(macos(denied), Some(KeychainError::Denied));
        assert_eq!(macos("Error { code: -25293 }"), Some(KeychainError::Denied));
        assert_eq!(macos("Error { code: -25308 }"), Some(KeychainError::Locked));
        assert!(matches!(macos("Error { code: -25291 }"), Some(KeychainError::Unavailable(_))));
        for other in ["Error { code: -50 }", "Error", ""] {
            assert_eq!(macos(other), None, "{other}");
        }
    }
}
