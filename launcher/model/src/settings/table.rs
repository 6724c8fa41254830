//! The macro that defines a section.

/// Defines a struct that serde reads, and the table of its keys ([`Table`](crate::settings::Table)).
///
/// Of each key it wants a doc comment, which is what the manual page says of it, and in braces one of:
///
/// * `default "false", example "true"`: a value, both in TOML; a default that is none is said in words;
/// * `section`: its type has a table of its own;
/// * `named "web"`: a map of names, whose type of values has a table; `web` is the example;
/// * `links "What it is.", default "none", examples [("wwan0", "1")]`: a map of links, each a key; with
///   `beside Type` at the end the section has the keys of that type too.
///
/// What stands behind `beside` at the end of the struct is no setting: fields that no file can fill.
#[macro_export]
macro_rules! settings {
    (
        $(#[$attribute:meta])*
        pub struct $name:ident {
            $(
                $(#[doc = $doc:literal])+
                $(#[serde($($serde:tt)*)])*
                pub $field:ident $(as $key:literal)? : $type:ty { $($what:tt)+ },
            )+
        }
        $(beside {
            $($(#[$other_attribute:meta])* pub $other:ident: $other_type:ty,)+
        })?
    ) => {
        $(#[$attribute])*
        pub struct $name {
            $(
                $(#[doc = $doc])+
                $(#[serde($($serde)*)])*
                $(#[serde(rename = $key)])?
                pub $field: $type,
            )+
            $($($(#[$other_attribute])* pub $other: $other_type,)+)?
        }

        impl $name {
            /// The names of the keys.
            pub const KEYS: &[&str] = &[$([$($key,)? stringify!($field)][0]),+];
        }

        impl $crate::settings::Table for $name {
            fn table() -> Vec<$crate::settings::Setting> {
                vec![$({
                    let key = [$($key,)? stringify!($field)][0];
                    $crate::settings::Setting {
                        key,
                        about: $crate::settings::kind::sentences(&[$($doc),+]),
                        what: $crate::settings!(@ key, $type, $($what)+),
                    }
                }),+]
            }
        }
    };
    (@ $key:expr, $type:ty, default $default:literal, example $example:literal) => {
        $crate::settings::What::Value {
            kind: <$type as $crate::settings::kind::Kind>::kind(),
            default: $default,
            examples: vec![($key, $example)],
        }
    };
    (@ $key:expr, $type:ty, section) => {
        $crate::settings::What::Section {
            named: None,
            keys: <$type as $crate::settings::Table>::table(),
        }
    };
    (@ $key:expr, $type:ty, named $example:literal) => {
        $crate::settings::What::Section {
            named: Some($example),
            keys: <<$type as $crate::settings::kind::Map>::Of as $crate::settings::Table>::table(),
        }
    };
    (
        @ $key:expr, $type:ty,
        links $about:literal, default $default:literal, examples $examples:expr $(, beside $beside:ty)?
    ) => {{
        type Of = <$type as $crate::settings::kind::Map>::Of;
        let link = $crate::settings::Setting {
            key: "LINK",
            about: $about.to_owned(),
            what: $crate::settings::What::Value {
                kind: <Of as $crate::settings::kind::Kind>::kind(),
                default: $default,
                examples: $examples.to_vec(),
            },
        };
        let before: &[fn() -> Vec<$crate::settings::Setting>] =
            &[$(<$beside as $crate::settings::Table>::table)?];
        let keys = before.iter().flat_map(|table| table()).chain([link]).collect();
        $crate::settings::What::Section { named: None, keys }
    }};
}
