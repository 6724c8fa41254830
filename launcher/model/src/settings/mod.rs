//! What there is to set in /etc/mptcpize.toml: a table of each section's keys, from the definition that
//! reads the section. The manual page, the shipped file and the error about an unknown key are made of it.
//!
//! [`settings!`](crate::settings!) makes a struct and its table at once, so that a key without a
//! description, a default and an example does not compile.

pub mod kind;
mod table;
pub mod unknown;

/// One key of a section.
#[derive(Clone, Debug)]
pub struct Setting {
    /// As it is written; `LINK` stands for the name of each link.
    pub key: &'static str,
    /// What it does: sentences, in paragraphs with a blank line between.
    pub about: String,
    /// What stands behind it.
    pub what: What,
}

/// What stands behind a key.
#[derive(Clone, Debug)]
pub enum What {
    /// A value.
    Value {
        /// What it can be, in words.
        kind: String,
        /// What holds where the key is missing: in TOML, or in words.
        default: &'static str,
        /// Keys with values, in TOML: one, but for `LINK`.
        examples: Vec<(&'static str, &'static str)>,
    },
    /// A section, or one for each name.
    Section {
        /// A name that is taken for an example, where there is a section for each.
        named: Option<&'static str>,
        /// Its keys.
        keys: Vec<Setting>,
    },
}

/// What has a table of its keys.
pub trait Table {
    /// The keys, in the order in which the definition has them.
    fn table() -> Vec<Setting>;
}

/// A section of the file: the name that stands in brackets, what it is for, its keys.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// `gateway.limits`; `containers.NAME` where there is one for each name; empty for the keys that stand
    /// before all sections.
    pub name: String,
    /// The name in an example.
    pub example: String,
    /// What it is for.
    pub about: String,
    /// Its keys, none of which is a section.
    pub keys: Vec<Setting>,
}

/// The sections of a file with these keys; the one without a name is the first.
pub fn sections(table: Vec<Setting>) -> Vec<Section> {
    let mut all = Vec::new();
    walk(Section::default(), table, &mut all);
    all
}

fn walk(mut section: Section, table: Vec<Setting>, all: &mut Vec<Section>) {
    let join = |above: &str, name: &str| match above {
        "" => name.to_owned(),
        above => format!("{above}.{name}"),
    };
    let mut below = Vec::new();
    for setting in table {
        let What::Section { named, keys } = setting.what else {
            section.keys.push(setting);
            continue;
        };
        let mut name = join(&section.name, setting.key);
        let mut example = join(&section.example, setting.key);
        if let Some(named) = named {
            name.push_str(".NAME");
            example = join(&example, named);
        }
        below.push((Section { name, example, about: setting.about, keys: Vec::new() }, keys));
    }
    all.push(section);
    for (section, table) in below {
        walk(section, table, all);
    }
}
