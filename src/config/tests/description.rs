//! The configuration as data.

use std::collections::BTreeSet;

use crate::config::{Description, describe};

/// Every object that can be written, by its first line, and every field of it, by its path.
fn walk(description: Description, at: &str, objects: &mut BTreeSet<String>, fields: &mut Vec<(String, Option<&'static str>)>) {
    match description {
        Description::Object(object) => {
            assert!(object.doc.ends_with('.'), "{at}: {}", object.doc);
            if !objects.insert(format!("{} {}", object.doc, object.fields().map(|field| field.name).collect::<Vec<_>>().join(" "))) {
                return;
            }
            for field in object.fields() {
                let at = format!("{at}.{}", field.name);
                assert!(field.doc.ends_with('.'), "{at}: {}", field.doc);
                assert!(!(field.required && field.default.is_some()), "{at}");
                fields.push((at.clone(), field.default));
                walk((field.form)(), &at, objects, fields);
            }
        }
        Description::List(form) | Description::Map(form) => walk(form(), &format!("{at}[]"), objects, fields),
        Description::Either(forms) => forms.into_iter().for_each(|form| walk(form, at, objects, fields)),
        Description::Leaf(_) | Description::Words(_) => {}
    }
}

#[test]
fn every_field_is_documented_and_requirements_do_not_go_on_forever() {
    let (mut objects, mut fields) = (BTreeSet::new(), Vec::new());
    walk(describe(), "", &mut objects, &mut fields);
    for (path, default) in [
        (".providers[].jwt.keys.refresh", Some("1h")),
        (".providers[].jwt.required_claims", Some("[\"exp\"]")),
        (".rules[].match.path", None),
        (".rules[].require.use", None),
        (".reject.forbidden", Some("401")),
    ] {
        assert!(fields.iter().any(|(at, value)| at == path && *value == default), "{path}\n{fields:#?}");
    }
    assert!(fields.iter().all(|(at, _)| !at.contains("r#")));
}
