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
        slow_verifications: Integer = "200",
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
        let waiting = bounded(&self.waiting, 1_000_000, &at.name("waiting"), cx);
        let slow_verifications = bounded(&self.slow_verifications, 100_000, &at.name("slow_verifications"), cx);
        Some(Limits { waiting: usize::try_from(waiting?).ok()?, slow_verifications: slow_verifications? })
    }
}

fn bounded(given: &Given<Integer>, most: u32, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<u32> {
    let Integer(number) = given.get()?;
    let number = u32::try_from(*number).ok().filter(|number| (1..=most).contains(number));
    if number.is_none() {
        cx.fault(at, format_args!("out of bounds; at least 1, at most {most}"));
    }
    number
}
