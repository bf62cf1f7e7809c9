//! How a configuration is written, as data: what a schema and a reference page are made from. The module leaves it out.

use super::reader::{Field, Presence};

/// How a value is written.
pub enum Description {
    /// A scalar, in words.
    Leaf(&'static str),
    /// One of these.
    Words(&'static [&'static str]),
    /// An object with fields.
    Object(ObjectDescription),
    /// A list of such.
    List(fn() -> Self),
    /// An object whose members' names are the operator's.
    Map(fn() -> Self),
    /// Either of these.
    Either(Vec<Self>),
}

/// An object with fields.
pub struct ObjectDescription {
    /// What it is.
    pub doc: &'static str,
    fields: &'static [Field],
}

/// A field.
pub struct FieldDescription {
    /// As it is written.
    pub name: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// It must be there.
    pub required: bool,
    /// What holds where it isn't, as JSON, or as text where it isn't JSON.
    pub default: Option<&'static str>,
    /// What may stand in it.
    pub form: fn() -> Description,
}

impl ObjectDescription {
    pub(super) const fn new(doc: &'static str, fields: &'static [Field]) -> Self {
        Self { doc, fields }
    }

    /// Its fields, in the order of the documentation.
    pub fn fields(&self) -> impl Iterator<Item = FieldDescription> {
        self.fields.iter().map(|field| FieldDescription {
            name: field.plain(),
            doc: field.doc.trim(),
            required: matches!(field.presence, Presence::Required),
            default: match field.presence {
                Presence::Default(text) => Some(text),
                Presence::Optional | Presence::Required => None,
            },
            form: field.form,
        })
    }
}
