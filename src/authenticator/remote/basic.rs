//! Basic credentials (RFC 7617).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The user name and the password, which may hold colons and may be empty. `None`: neither base64 of UTF-8 nor both parts, or control characters.
pub(super) fn parse(credential: &[u8]) -> Option<Vec<String>> {
    let text = String::from_utf8(STANDARD.decode(credential).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    if user.is_empty() || text.chars().any(char::is_control) {
        return None;
    }
    Some(vec![user.to_owned(), password.to_owned()])
}
