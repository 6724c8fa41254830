//! The parts that a build may leave out, for a host on which each of them is of no use: features of cargo in
//! the users' words, and the verbs that go with each. A small router has neither services that systemd
//! starts nor room for pages that nobody reads there.
//!
//! Only the definition of the verbs knows of them: what no verb leads to, the linker leaves out.

/// A part of the tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its feature in launcher/Cargo.toml.
    pub feature: &'static str,
    /// What it is to its user.
    pub what: &'static str,
    /// Its verbs, each with those above it.
    pub verbs: &'static [&'static str],
    /// This build has it.
    pub built: bool,
}

/// All of them; what is in none is in every build.
pub const PARTS: [Part; 4] = [
    Part { feature: "top", what: "the live view", verbs: &["top"], built: cfg!(feature = "top") },
    Part {
        feature: "enable",
        what: "services, containers and every program",
        verbs: &["enable", "disable", "list", "containers-supervisor"],
        built: cfg!(feature = "enable"),
    },
    Part {
        feature: "serve",
        what: "being a relay for others",
        verbs: &["relay serve", "relay user"],
        built: cfg!(feature = "serve"),
    },
    Part {
        feature: "manual",
        what: "manual pages and completions",
        verbs: &["man", "completions", "complete"],
        built: cfg!(feature = "manual"),
    },
];

/// The part that has a verb and that this build has not. `verb` stands with those above it: `relay serve`.
pub fn left_out(verb: &str) -> Option<&'static Part> {
    PARTS.iter().find(|part| !part.built && part.verbs.contains(&verb))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_verb_of_a_part_is_there_where_the_part_is_and_nowhere_else() {
        for part in PARTS {
            for verb in part.verbs {
                let mut at = Cli::command();
                let found = verb.split(' ').all(|word| {
                    let below = at.find_subcommand(word).cloned();
                    below.map(|below| at = below).is_some()
                });
                assert_eq!(found, part.built, "{verb}");
                assert_eq!(
                    left_out(verb).map(|part| part.feature),
                    (!found).then_some(part.feature)
                );
            }
        }
    }
}
