//! The leaves of the configuration, and what holds several of them.

use std::sync::Arc;

use serde_json::Value;

#[cfg(not(target_os = "wasi"))]
use super::describe::Description;
use super::reader::{Form, Node, Reader};

/// Text that says something: not empty, without control characters.
pub(super) struct Name(pub(super) String);

/// A whole number, or a text of digits.
pub(super) struct Integer(pub(super) u64);

/// Any JSON.
pub(super) struct Json(pub(super) Value);

/// A list of names, or one name alone.
pub(super) struct OneOrMany<T>(pub(super) Vec<T>);

/// A list of which each element is judged alone.
pub(super) struct Each<T>(pub(super) Vec<Option<T>>);

/// An object whose members' names are the operator's, in their order.
pub(super) struct Table<T>(pub(super) Vec<(String, Option<T>)>);

/// Text, as it is.
pub(super) fn text<'a>(node: Node<'a>, cx: &mut Reader<'_>) -> Option<&'a str> {
    match node.value {
        Value::String(text) => Some(text),
        Value::Number(_) | Value::Bool(_) => {
            cx.fault(node.at, format_args!("a number or a boolean, where text is wanted: quote it"));
            None
        }
        _ => {
            cx.wrong_type(node, "text");
            None
        }
    }
}

/// Text that is not empty and holds no control characters.
pub(super) fn name<'a>(node: Node<'a>, cx: &mut Reader<'_>) -> Option<&'a str> {
    let text = text(node, cx)?;
    if text.is_empty() || text.chars().any(char::is_control) {
        cx.fault(node.at, format_args!("{}", if text.is_empty() { "empty" } else { "control characters can't stand here" }));
        return None;
    }
    Some(text)
}

/// One of `words`.
pub(super) fn word<'a>(node: Node<'a>, cx: &mut Reader<'_>, words: &[&str]) -> Option<&'a str> {
    let Value::String(text) = node.value else {
        cx.wrong_type(node, &words.join(" or "));
        return None;
    };
    if words.contains(&text.as_str()) {
        return Some(text);
    }
    cx.fault(node.at, format_args!("not a word that is known here; known: {}", words.join(", ")));
    None
}

/// A whole number that is not negative; YAML through Struct makes text of large ones.
pub(super) fn integer(node: Node<'_>, cx: &mut Reader<'_>) -> Option<u64> {
    let number = match node.value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        Value::String(_) => None,
        _ => {
            cx.wrong_type(node, "a whole number");
            return None;
        }
    };
    if number.is_none() {
        cx.fault(node.at, format_args!("not a whole number"));
    }
    number
}

/// Shows each element of a list. Apart from what reads them, of which the module has one for each kind of element.
fn for_each(node: Node<'_>, cx: &mut Reader<'_>, read: &mut dyn FnMut(Node<'_>, &mut Reader<'_>)) -> Option<()> {
    let Value::Array(elements) = node.value else {
        cx.wrong_type(node, "a list");
        return None;
    };
    for (index, value) in elements.iter().enumerate() {
        read(Node { value, at: &node.at.index(index) }, cx);
    }
    Some(())
}

/// Shows each member of an object, likewise.
fn for_each_member(node: Node<'_>, cx: &mut Reader<'_>, read: &mut dyn FnMut(&str, Node<'_>, &mut Reader<'_>)) -> Option<()> {
    let Value::Object(members) = node.value else {
        cx.wrong_type(node, "an object, by name");
        return None;
    };
    for (name, value) in members {
        read(name, Node { value, at: &node.at.name(name) }, cx);
    }
    Some(())
}

impl Form for String {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        text(node, cx).map(str::to_owned)
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> Description {
        Description::Leaf("text")
    }
}

/// The texts themselves.
pub(super) fn strings(OneOrMany(names): &OneOrMany<Name>) -> Vec<String> {
    names.iter().map(|Name(name)| name.clone()).collect()
}

/// The texts themselves, shared.
pub(super) fn shared(Name(name): &Name) -> Arc<str> {
    name.as_str().into()
}

impl Form for Name {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        name(node, cx).map(|text| Self(text.to_owned()))
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> Description {
        Description::Leaf("text, not empty")
    }
}

impl Form for Integer {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        integer(node, cx).map(Self)
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> Description {
        Description::Leaf("a whole number")
    }
}

impl Form for bool {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        if let Value::Bool(value) = node.value {
            return Some(*value);
        }
        cx.wrong_type(node, "true or false");
        None
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> Description {
        Description::Leaf("true or false")
    }
}

impl Form for Json {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        if node.value.is_null() {
            cx.wrong_type(node, "a value");
            return None;
        }
        Some(Self(node.value.clone()))
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> Description {
        Description::Leaf("JSON")
    }
}

impl<T: Form> Form for Vec<T> {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        let Each(elements) = Each::read(node, cx)?;
        elements.into_iter().collect()
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> Description {
        Description::List(T::describe)
    }
}

impl<T: Form> Form for OneOrMany<T> {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        if node.value.is_array() { Vec::read(node, cx).map(Self) } else { T::read(node, cx).map(|one| Self(vec![one])) }
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> Description {
        Description::Either(vec![T::describe(), Description::List(T::describe)])
    }
}

impl<T: Form> Form for Each<T> {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        let mut elements = Vec::new();
        for_each(node, cx, &mut |node, cx| elements.push(T::read(node, cx)))?;
        Some(Self(elements))
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> Description {
        Description::List(T::describe)
    }
}

impl<T: Form> Form for Table<T> {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        let mut members = Vec::new();
        for_each_member(node, cx, &mut |name, node, cx| members.push((name.to_owned(), T::read(node, cx))))?;
        Some(Self(members))
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> Description {
        Description::Map(T::describe)
    }
}
