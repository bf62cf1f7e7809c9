//! The walk over a configuration's JSON that finds every fault and goes on.

use std::fmt;

use serde_json::{Map, Value};

#[cfg(not(target_os = "wasi"))]
use super::describe::Description;
use super::fault::{Fault, Path, Warning};

/// What can be read from a node of the configuration.
pub(super) trait Form: Sized {
    /// `None`: a fault was noted, and nothing can be made of the value.
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self>;

    /// How it is written, for the schema and the reference.
    #[cfg(not(target_os = "wasi"))]
    fn describe() -> Description;
}

/// A value, and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    pub(super) value: &'a Value,
    pub(super) at: &'a Path<'a>,
}

/// What a field holds.
pub(super) struct Given<T> {
    /// `None`: nothing, or something of which nothing can be made; the fault is noted then.
    value: Option<T>,
    writing: Writing,
}

/// How a field came by what it holds.
#[derive(Clone, Copy)]
enum Writing {
    /// Not at all: nothing was written, and there is no default.
    Absent,
    /// It must be there, and isn't.
    Missing,
    /// By default.
    Default,
    /// It was written.
    Written,
}

impl<T> Given<T> {
    pub(super) const fn get(&self) -> Option<&T> {
        self.value.as_ref()
    }

    pub(super) const fn is_absent(&self) -> bool {
        matches!(self.writing, Writing::Absent)
    }

    pub(super) const fn is_written(&self) -> bool {
        matches!(self.writing, Writing::Written | Writing::Missing)
    }

    /// A fault was noted.
    pub(super) const fn is_faulty(&self) -> bool {
        self.value.is_none() && !self.is_absent()
    }
}

/// A field of an object, as data.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) presence: Presence,
    #[cfg(not(target_os = "wasi"))]
    pub(super) doc: &'static str,
    #[cfg(not(target_os = "wasi"))]
    pub(super) form: fn() -> Description,
}

/// What it means when a field isn't written.
pub(super) enum Presence {
    Optional,
    Required,
    /// JSON, or text where it isn't JSON; read as if it had been written.
    Default(&'static str),
}

impl Field {
    /// `r#match` is how Rust spells `match`.
    pub(super) fn plain(&self) -> &'static str {
        plain(self.name)
    }
}

fn plain(name: &'static str) -> &'static str {
    name.strip_prefix("r#").unwrap_or(name)
}

/// Collects faults and warnings; the only way to the environment.
pub(super) struct Reader<'e> {
    env: &'e dyn Fn(&str) -> Option<String>,
    pub(super) faults: Vec<Fault>,
    pub(super) warnings: Vec<Warning>,
}

impl<'e> Reader<'e> {
    pub(super) const fn new(env: &'e dyn Fn(&str) -> Option<String>) -> Self {
        Self { env, faults: Vec::new(), warnings: Vec::new() }
    }

    pub(super) fn fault(&mut self, at: &Path<'_>, what: fmt::Arguments<'_>) {
        keep(&mut self.faults, Fault { path: at.segments(), what: what.to_string() });
    }

    pub(super) fn warn(&mut self, at: &Path<'_>, what: fmt::Arguments<'_>) {
        keep(&mut self.warnings, Warning { path: at.segments(), what: what.to_string() });
    }

    /// The value is of another type. It is not shown: it may be a secret at the wrong place.
    pub(super) fn wrong_type(&mut self, node: Node<'_>, wanted: &str) {
        let found = match node.value {
            Value::Null => return self.fault(node.at, format_args!("null; leave the field out, or write {wanted}")),
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        self.fault(node.at, format_args!("{found}, where {wanted} is wanted"));
    }

    /// The one field that is written; none or several are a fault.
    pub(super) fn exactly_one(&mut self, at: &Path<'_>, fields: &[(&'static str, bool)]) -> Option<&'static str> {
        let mut written = fields.iter().filter(|(_, written)| *written);
        if let (Some((name, _)), None) = (written.next(), written.next()) {
            return Some(name);
        }
        let names: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
        self.fault(at, format_args!("write exactly one of {}", names.join(", ")));
        None
    }

    /// A variable of the environment; a missing one is a fault.
    pub(super) fn variable(&mut self, at: &Path<'_>, name: &str) -> Option<String> {
        let value = (self.env)(name);
        if value.is_none() {
            self.fault(
                at,
                format_args!(
                    "the environment variable {name} is not set for this VM; Envoy passes on what vm_config.environment_variables names"
                ),
            );
        }
        value
    }
}

/// Keeps the list in order, and each entry once: a requirement that several rules use is judged for each.
fn keep<T: Ord>(list: &mut Vec<T>, entry: T) {
    if let Err(place) = list.binary_search(&entry) {
        list.insert(place, entry);
    }
}

/// An object whose members are the fields that are known here.
pub(super) struct Object<'a> {
    members: &'a Map<String, Value>,
    at: &'a Path<'a>,
    fields: &'static [Field],
}

impl<'a> Node<'a> {
    /// Notes unknown members.
    pub(super) fn object(self, fields: &'static [Field], cx: &mut Reader<'_>) -> Option<Object<'a>> {
        let Value::Object(members) = self.value else {
            cx.wrong_type(self, &format!("an object ({})", known(fields)));
            return None;
        };
        for name in members.keys() {
            if !fields.iter().any(|field| field.plain() == name) {
                cx.fault(&self.at.name(name), format_args!("unknown field; known here: {}", known(fields)));
            }
        }
        Some(Object { members, at: self.at, fields })
    }
}

fn known(fields: &[Field]) -> String {
    fields.iter().map(Field::plain).collect::<Vec<_>>().join(", ")
}

impl Object<'_> {
    pub(super) fn field<T: Form>(&self, name: &'static str, cx: &mut Reader<'_>) -> Given<T> {
        let mut value = None;
        let writing = self.show(name, cx, &mut |node, cx| value = T::read(node, cx));
        Given { value, writing }
    }

    /// Shows what a field holds, if anything. Apart from `field`, of which the module has one for each kind of value.
    fn show(&self, name: &'static str, cx: &mut Reader<'_>, read: &mut dyn FnMut(Node<'_>, &mut Reader<'_>)) -> Writing {
        let name = plain(name);
        let at = self.at.name(name);
        if let Some(value) = self.members.get(name) {
            read(Node { value, at: &at }, cx);
            return Writing::Written;
        }
        match self.fields.iter().find(|field| field.plain() == name).map(|field| &field.presence) {
            Some(Presence::Required) => {
                cx.fault(&at, format_args!("missing"));
                Writing::Missing
            }
            Some(Presence::Default(text)) => {
                let value = crate::json::parse(text.as_bytes()).unwrap_or_else(|_| Value::from(*text));
                read(Node { value: &value, at: &at }, cx);
                Writing::Default
            }
            Some(Presence::Optional) | None => Writing::Absent,
        }
    }
}
