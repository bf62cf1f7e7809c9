//! `mode`, `paths` and `limits`.

use super::declare::{fields, words};
use super::fault::Path;
use super::forms::{Integer, Later, word};
use super::reader::{Form, Given, Node, Reader};
use crate::policy::{Limits, Paths};

/// `enforce`; anything else is for a later version.
pub(super) struct Mode;

impl Form for Mode {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        if node.value.is_object() {
            Later::read(node, cx)?;
        }
        word(node, cx, &["enforce"], &["observe"]).map(|_| Self)
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> super::describe::Description {
        super::describe::Description::Words(&["enforce"])
    }
}

fields! {
    /// What may stand in paths although upstreams read it in different ways. Only where some rule names a path.
    struct PathsForm {
        /// `%2F`.
        encoded_slash: PathsWord = "refuse",
        /// `//`.
        empty_segments: PathsWord = "refuse",
        /// `;`.
        parameters: PathsWord = "refuse",
    }
}

words! {
    /// What happens to such paths.
    enum PathsWord {
        "refuse" => Refuse,
        "keep" => Keep,
    }
}

fields! {
    /// Bounds.
    struct LimitsForm {
        /// Requests that wait for keys, per provider and worker.
        waiting: Integer = "1000",
        /// Slow verifications, per second and worker.
        slow_verifications: Later,
    }
}

impl PathsForm {
    /// What can't be told counts as kept: it leads to no further faults.
    pub(super) fn compile(&self) -> Paths {
        let keep = |given: &Given<PathsWord>| given.get() != Some(&PathsWord::Refuse);
        Paths { encoded_slash: keep(&self.encoded_slash), empty_segments: keep(&self.empty_segments), parameters: keep(&self.parameters) }
    }
}

impl LimitsForm {
    pub(super) fn compile(&self, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<Limits> {
        let Integer(waiting) = self.waiting.get()?;
        match usize::try_from(*waiting) {
            Ok(waiting @ 1..=1_000_000) => Some(Limits { waiting }),
            _ => {
                cx.fault(&at.name("waiting"), format_args!("out of bounds; at least 1, at most 1000000"));
                None
            }
        }
    }
}
