//! Declares what operators write once: the struct, the names, the defaults and the documentation.

/// An object: `field: Form,` is optional, `field: Form = required,` must be there, `field: Form = "JSON or text",` has that default.
macro_rules! fields {
    ($(#[doc = $doc:literal])+ struct $name:ident { $($(#[doc = $field_doc:literal])+ $field:ident: $form:ty $(= $presence:tt)?,)+ }) => {
        $(#[doc = $doc])+
        // Some fields only have to be right, or are refused whatever they hold.
        #[allow(dead_code)]
        pub(in crate::config) struct $name {
            $($(#[doc = $field_doc])+ pub(in crate::config) $field: $crate::config::reader::Given<$form>,)+
        }

        impl $name {
            const FIELDS: &'static [$crate::config::reader::Field] = &[$($crate::config::reader::Field {
                name: stringify!($field),
                presence: $crate::config::declare::presence!($($presence)?),
                #[cfg(not(target_os = "wasi"))]
                doc: concat!($($field_doc, "\n"),+),
                #[cfg(not(target_os = "wasi"))]
                form: <$form as $crate::config::reader::Form>::describe,
            },)+];
        }

        impl $crate::config::reader::Form for $name {
            fn read(node: $crate::config::reader::Node<'_>, cx: &mut $crate::config::reader::Reader<'_>) -> Option<Self> {
                let object = node.object(Self::FIELDS, cx)?;
                Some(Self { $($field: object.field(stringify!($field), cx),)+ })
            }

            #[cfg(not(target_os = "wasi"))]
            fn describe() -> $crate::config::describe::Description {
                let doc = concat!($($doc, "\n"),+).trim_ascii();
                $crate::config::describe::Description::Object($crate::config::describe::ObjectDescription::new(doc, Self::FIELDS))
            }
        }
    };
}

macro_rules! presence {
    () => {
        $crate::config::reader::Presence::Optional
    };
    (required) => {
        $crate::config::reader::Presence::Required
    };
    ($default:literal) => {
        $crate::config::reader::Presence::Default($default)
    };
}

/// One of a few words.
macro_rules! words {
    ($(#[doc = $doc:literal])+ enum $name:ident { $($word:literal => $variant:ident,)+ }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub(in crate::config) enum $name { $($variant,)+ }

        impl $name {
            const WORDS: &'static [&'static str] = &[$($word,)+];
        }

        impl $crate::config::reader::Form for $name {
            fn read(node: $crate::config::reader::Node<'_>, cx: &mut $crate::config::reader::Reader<'_>) -> Option<Self> {
                match $crate::config::forms::word(node, cx, Self::WORDS)? {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }

            #[cfg(not(target_os = "wasi"))]
            fn describe() -> $crate::config::describe::Description {
                $crate::config::describe::Description::Words(Self::WORDS)
            }
        }
    };
}

pub(in crate::config) use {fields, presence, words};
