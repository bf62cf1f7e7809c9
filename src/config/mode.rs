//! `mode`, `paths`, `limits` and `cache`.

use serde_json::Value;

use super::declare::{fields, words};
#[cfg(not(target_os = "wasi"))]
use super::describe::Description;
use super::fault::{Path, Warning};
use super::forms::Integer;
use super::overrides;
use super::quantity::{Size, Time};
use super::reader::{Form, Given, Node, Reader};
use crate::credential::Place;
use crate::policy::{CacheBounds, Limits, Mode, Paths, Policy, Provider, Rule, Source, UpstreamHeader};
use crate::spelling::is_same_name;
use crate::time::UnixTime;

/// Less holds not one long token.
const LEAST_CACHE: usize = 64 << 10;
/// A worker's module has 1 GiB in all.
const MOST_CACHE: usize = 256 << 20;

/// `enforce`, or `{observe: {until: ...}}`.
pub(super) struct ModeForm(Mode);

fields! {
    /// Nothing is refused, and it is noted what would have been.
    struct ObserveForm {
        /// How long.
        observe: UntilForm = required,
    }
}

fields! {
    /// Observing has an end.
    struct UntilForm {
        /// The first moment that is enforced.
        until: Time = required,
    }
}

impl Form for ModeForm {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        match node.value {
            Value::Object(_) => {
                let form = ObserveForm::read(node, cx)?;
                let Time(until) = form.observe.get()?.until.get()?;
                Some(Self(Mode::Observe { until: *until }))
            }
            Value::String(text) if text == "enforce" => Some(Self(Mode::Enforce)),
            Value::String(_) => {
                cx.fault(node.at, format_args!("not a mode; write {MODES}"));
                None
            }
            _ => {
                cx.wrong_type(node, MODES);
                None
            }
        }
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> Description {
        Description::Either(vec![Description::Words(&["enforce"]), ObserveForm::describe()])
    }
}

const MODES: &str = "enforce, or {observe: {until: 2027-01-01T00:00:00Z}}";

/// What is written there, or what holds where nothing is.
pub(super) fn mode(given: &Given<ModeForm>, otherwise: Mode) -> Mode {
    given.get().map_or(otherwise, |ModeForm(mode)| *mode)
}

/// The headers that a client could miss, which stay while its request is only observed: its credentials, unless they would pass for what the
/// upstream is told; and what upstreams take for another method, path or host, unless that led to a rule that is enforced.
pub(super) fn spared<'a>(providers: &'a [Provider], places: &'a [Place], rules: &[Rule], whole: Mode) -> Vec<&'a str> {
    let tells = |header: &UpstreamHeader, name: &str| {
        is_same_name(header.name.as_bytes(), name.as_bytes()) && !matches!(header.source, Source::Value(_))
    };
    let is_told = |name: &str| {
        let mut upstreams = providers.iter().map(|provider| &provider.upstream);
        upstreams.any(|u| {
            u.headers.iter().any(|header| tells(header, name))
                || u.payload_header.as_deref().is_some_and(|own| is_same_name(own.as_bytes(), name.as_bytes()))
        })
    };
    let mut spared = Vec::new();
    for place in places {
        let name = match place {
            Place::Header { name, .. } => &**name,
            Place::Cookie { .. } => "cookie",
            Place::Query(_) => continue,
        };
        if !is_told(name) {
            spared.push(name);
        }
    }
    if rules.iter().all(|rule| rule.mode == whole) {
        spared.extend(overrides::ALL.into_iter().flatten());
    }
    spared
}

/// Observations whose end is over: what they were for is enforced. Loading knows no time, so this is asked apart.
#[must_use]
pub fn ended_observations(policy: &Policy, now: UnixTime) -> Vec<Warning> {
    let has_ended = |mode: Mode| mode != Mode::Enforce && !mode.observes(now);
    let mut warnings = Vec::new();
    let mut warn = |at: &Path<'_>| {
        let path = at.name("mode").name("observe").name("until").segments();
        warnings.push(Warning { path, what: "this time is over: what would have been observed is enforced".to_owned() });
    };
    if has_ended(policy.mode) {
        warn(&Path::ROOT);
    }
    for (index, rule) in policy.rules.iter().enumerate() {
        if has_ended(rule.mode) && rule.mode != policy.mode {
            warn(&Path::ROOT.name("rules").index(index));
        }
    }
    warnings
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
        /// Requests that wait for keys, or for another service, per provider and worker.
        waiting: Integer = "1000",
        /// Slow verifications, per second and worker.
        slow_verifications: Integer = "200",
    }
}

fields! {
    /// Tokens and certificates that were verified and are remembered, for each worker. What is forgotten is verified again.
    struct CacheForm {
        /// How many; 0: none.
        entries: Integer = "10000",
        /// What they may take in memory.
        bytes: Size = "16MiB",
    }
}

impl CacheForm {
    pub(super) fn compile(&self, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<CacheBounds> {
        let entries = within(&self.entries, (0, 1_000_000), &at.name("entries"), cx);
        let Size(bytes) = self.bytes.get()?;
        if !(LEAST_CACHE..=MOST_CACHE).contains(bytes) {
            cx.fault(&at.name("bytes"), format_args!("out of bounds; at least 64KiB, at most 256MiB"));
            return None;
        }
        Some(CacheBounds { entries: usize::try_from(entries?).ok()?, bytes: *bytes })
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

pub(super) fn bounded(given: &Given<Integer>, most: u32, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<u32> {
    within(given, (1, most), at, cx)
}

fn within(given: &Given<Integer>, (least, most): (u32, u32), at: &Path<'_>, cx: &mut Reader<'_>) -> Option<u32> {
    let Integer(number) = given.get()?;
    let number = u32::try_from(*number).ok().filter(|number| (least..=most).contains(number));
    if number.is_none() {
        cx.fault(at, format_args!("out of bounds; at least {least}, at most {most}"));
    }
    number
}
