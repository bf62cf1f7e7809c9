//! Filter state: the verdict for the guard, and what access logs print.

use super::abi;

/// The verdict's name: one segment with a dot in it, so that the filter state is `wasm.portcullis.verdict`.
const VERDICT: &str = "portcullis.verdict";
/// Its value for a request that may go upstream.
pub(super) const ALLOW: &[u8] = b"allow";
/// Its value for a request that goes upstream although it would be refused.
pub(super) const OBSERVE: &[u8] = b"observe";

/// DeclarePropertyArguments { name, readonly: true, type: String }. Without a span it lives as long as the request: on the connection it would admit
/// the next one.
pub(super) fn declare_verdict() -> Result<(), abi::Failed> {
    let mut arguments = vec![0x0a, u8::try_from(VERDICT.len()).unwrap_or_default()];
    arguments.extend_from_slice(VERDICT.as_bytes());
    arguments.extend_from_slice(&[0x10, 1, 0x18, 1]);
    abi::call("declare_property", &arguments).map(drop)
}

/// Whether somebody set the verdict before us: then ours could not.
pub(super) fn has_verdict() -> Result<bool, abi::Failed> {
    abi::property(VERDICT).map(|verdict| verdict.is_some())
}

/// Sets the verdict. Only a request whose verdict is set may go on.
pub(super) fn set_verdict(verdict: &[u8]) -> Result<(), abi::Failed> {
    abi::set_property(VERDICT, verdict)
}

/// What access logs print.
#[derive(Clone, Copy)]
pub(super) enum Note {
    Provider,
    Subject,
    Credential,
    Reason,
}

impl Note {
    const fn name(self) -> &'static str {
        match self {
            Self::Provider => "portcullis.provider",
            Self::Subject => "portcullis.subject",
            Self::Credential => "portcullis.credential",
            Self::Reason => "portcullis.reason",
        }
    }
}

/// Sets a note. Control characters are escaped: an access log prints it as it is.
pub(super) fn note(note: Note, value: &str) -> Result<(), abi::Failed> {
    if value.contains(breaks_lines) {
        let escaped: String = value.chars().flat_map(escape).collect();
        return abi::set_property(note.name(), escaped.as_bytes());
    }
    abi::set_property(note.name(), value.as_bytes())
}

/// Control characters, and the separators of lines and paragraphs that some readers of logs obey.
fn breaks_lines(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

fn escape(c: char) -> impl Iterator<Item = char> {
    let (escaped, plain) = if breaks_lines(c) { (Some(c.escape_default()), None) } else { (None, Some(c)) };
    escaped.into_iter().flatten().chain(plain)
}
