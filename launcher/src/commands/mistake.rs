//! A command line that cannot be parsed, as an error with a fix: the nearest verb, option or value,
//! or `run` where the first word is a program.
//!
//! The parser says what is wrong; what was meant is looked for here, and the fix is the whole line once
//! more with that in it. Nothing is run.

use std::borrow::Cow;
use std::error::Error as _;
use std::ffi::{OsStr, OsString};

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::parts::{self, Part};
use crate::cli::{self, Cli};
use crate::error::{Error, Exit};
use crate::host::process::{signals, stdio};
use crate::inject::target::{Caller, Target};
use mptcpize_model::nearest::nearest;
use mptcpize_model::relay::url;
use mptcpize_model::{plain, shell};

/// What the parser said as an error of ours. Help stays what it is; and so does any other error.
pub fn explained(error: anyhow::Error, arguments: &[OsString]) -> anyhow::Error {
    let said = match error.downcast::<clap::Error>() {
        Ok(said) => said,
        Err(other) => return other,
    };
    // Nothing is executed any more that could inherit it, and a reader that has enough of the help may go.
    signals::ignore_broken_pipes();
    stdio::fill(false);
    match said.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => said.into(),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand if !cli::asks_for_json(arguments) => {
            said.into()
        }
        _ => Mistake::of(&said, arguments).error().into(),
    }
}

/// What was said of which line.
struct Mistake<'a> {
    said: &'a clap::Error,
    /// The words behind the program's name.
    words: Vec<String>,
    /// The verb that they lead to, and its name with those above it.
    verb: clap::Command,
    name: String,
    /// How many words there are up to the verb, with it.
    depth: usize,
    /// `help` stands before it.
    of_help: bool,
}

impl<'a> Mistake<'a> {
    fn of(said: &'a clap::Error, arguments: &[OsString]) -> Self {
        let words: Vec<String> =
            arguments.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
        let mut verb = Cli::command();
        verb.build();
        let mut name = "mptcpize".to_owned();
        let (mut depth, mut of_help) = (0, false);
        // The verbs stand before anything that they take.
        for (at, word) in words.iter().enumerate().filter(|(_, word)| !word.starts_with('-')) {
            let Some(below) = verb.find_subcommand(word) else {
                // The value of an option that stands before the verb that has it.
                let option = at.checked_sub(1).map_or("", |before| words[before].as_str());
                let later = words[at..].iter().find_map(|word| verb.find_subcommand(word));
                match later.and_then(|later| option_within(later, option)) {
                    Some(option) if option.get_action().takes_values() => continue,
                    _ => break,
                }
            };
            if below.get_name() == "help" {
                // What follows are verbs of the one that has it.
                of_help = true;
                continue;
            }
            name = format!("{name} {}", below.get_name());
            verb = below.clone();
            depth = at + 1;
        }
        Mistake { said, words, verb, name, depth, of_help }
    }

    fn text(&self, kind: ContextKind) -> Option<&str> {
        match self.said.get(kind) {
            Some(ContextValue::String(text)) => Some(text),
            _ => None,
        }
    }

    fn list(&self, kind: ContextKind) -> Vec<&str> {
        match self.said.get(kind) {
            Some(ContextValue::Strings(list)) => list.iter().map(String::as_str).collect(),
            Some(ContextValue::String(one)) => vec![one],
            _ => Vec::new(),
        }
    }

    fn error(&self) -> Error {
        let wrong = self.text(ContextKind::InvalidArg).unwrap_or_default();
        match self.said.kind() {
            ErrorKind::InvalidSubcommand => {
                self.verb_of(self.text(ContextKind::InvalidSubcommand).unwrap_or_default())
            }
            ErrorKind::UnknownArgument
                if self.verb.has_subcommands() && !wrong.starts_with('-') =>
            {
                self.verb_of(wrong)
            }
            ErrorKind::UnknownArgument => self.option(wrong),
            ErrorKind::InvalidValue | ErrorKind::ValueValidation => self.value(wrong),
            ErrorKind::ArgumentConflict => {
                let others = self.list(ContextKind::PriorArg);
                let wrong = self.text(ContextKind::InvalidSubcommand).unwrap_or(wrong);
                let wrong = &*without_key(wrong);
                let what = match others.as_slice() {
                    [] => format!("{wrong} cannot be used more than once"),
                    [one] if *one == wrong => format!("{wrong} cannot be used more than once"),
                    others => format!("{wrong} cannot be used with {}", others.join(", ")),
                };
                usage(what).fix(format!("leave one of them out; {}", self.help()))
            }
            ErrorKind::MissingRequiredArgument => {
                let missing = self.list(ContextKind::InvalidArg);
                let what = usage(format!("{} wants {}", self.name, missing.join(", ")));
                match missing.iter().all(|one| one.starts_with("--") && !one.contains(' ')) {
                    true => what.fix(self.with_options(&missing)),
                    false => what.fix(self.form()),
                }
            }
            ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                usage(format!("{} wants a verb", self.name)).fix(self.help())
            }
            _ => {
                let said = self.said.render().to_string();
                let first = said.lines().next().unwrap_or_default();
                usage(without_key(first.trim_start_matches("error: "))).fix(self.form())
            }
        }
    }

    /// There is no such verb.
    fn verb_of(&self, word: &str) -> Error {
        let above = self.name.strip_prefix("mptcpize ").map(|above| format!("{above} "));
        let verb = format!("{}{word}", above.unwrap_or_default());
        if let Some(Part { feature, what, .. }) = parts::left_out(&verb) {
            return usage(format!("this mptcpize was built without {verb}"))
                .why(format!(
                    "it is of the feature \"{feature}\" ({what}), left out to keep it small"
                ))
                .fix(format!("{}    # names the verbs that are here", self.help()));
        }
        let shown = without_key(word);
        let shown = plain::words(&shown);
        let mut verbs = Vec::new();
        for one in self.verb.get_subcommands().filter(|one| !one.is_hide_set()) {
            verbs.push(one.get_name());
            verbs.extend(one.get_visible_aliases());
        }
        let near = nearest(word, verbs);
        let path = std::env::var_os("PATH");
        let is_root = self.name == "mptcpize";
        let find = |word| Target::find(OsStr::new(word), path.as_deref(), &Caller::current());
        let what = usage(match is_root {
            true => format!("there is no verb {shown}"),
            false => format!("{} has no verb {shown}", self.name),
        });
        if is_root && !self.of_help && !word.is_empty() && find(word).is_ok() {
            let nearest = match near.as_slice() {
                [] => String::new(),
                near => format!("; the nearest verb is {}", near.join(" or ")),
            };
            let at = self.words.iter().position(|one| one == word).unwrap_or(0);
            let mut words = vec!["mptcpize".to_owned(), "run".to_owned()];
            words.extend(self.words.iter().skip(at).cloned());
            return what
                .why(format!("{shown} is a program, and run starts programs{nearest}"))
                .fix(self.line(&words));
        }
        self.nearest(what, &near, |meant| self.with(word, meant))
    }

    /// There is no such option, or a word too many.
    fn option(&self, wrong: &str) -> Error {
        let shown = without_key(wrong);
        let shown = plain::words(&shown);
        if let Some(line) = self.behind_the_verb(wrong) {
            return usage(format!("{shown} stands before the verb"))
                .why(format!("it is an option of {}, and stands behind it", self.name))
                .fix(line);
        }
        let name = wrong.split_once('=').map_or(wrong, |(name, _)| name);
        let longs: Vec<String> = self
            .verb
            .get_arguments()
            .filter(|option| !option.is_hide_set())
            .filter_map(|option| option.get_long().map(|long| format!("--{long}")))
            .collect();
        let what = usage(format!("{} has no option {shown}", self.name));
        let near = match name.strip_prefix('-') {
            // One that lacks its hyphens.
            None => {
                let bare = longs.iter().filter(|long| long.trim_start_matches('-') == name);
                bare.map(String::as_str).collect()
            }
            Some(rest) if rest.starts_with('-') => {
                // The hyphens are no letters that could be right.
                let names = nearest(&name[2..], longs.iter().map(|long| &long[2..]));
                longs
                    .iter()
                    .map(String::as_str)
                    .filter(|long| names.contains(&&long[2..]))
                    .collect()
            }
            Some(_) => Vec::new(),
        };
        let what = match wrong.starts_with('-') {
            true => what.why(format!("unexpected argument '{shown}'")),
            false => usage(format!("{} takes no argument '{shown}'", self.name)),
        };
        self.nearest(what, &near, |meant| self.with(name, meant))
    }

    /// The value of an option, or of an argument, is none.
    fn value(&self, option: &str) -> Error {
        let given = self.text(ContextKind::InvalidValue).unwrap_or_default();
        let possible = self.list(ContextKind::ValidValue);
        let what = match given.is_empty() {
            true => format!("'{option}' wants a value"),
            false => format!("invalid value '{}' for '{option}'", without_key(given)),
        };
        let what = match (self.said.source(), possible.as_slice()) {
            // What the reader of the value said stays with it.
            (Some(source), _) if without_key(given) == given => usage(format!("{what}: {source}")),
            (_, []) => usage(what),
            (_, all) => usage(what).why(format!("possible values: {}", all.join(", "))),
        };
        match nearest(given, possible).as_slice() {
            [meant] => what.fix(self.with(given, meant)),
            _ => what.fix(self.help()),
        }
    }

    /// The error with what was meant, where that is known.
    fn nearest(&self, error: Error, near: &[&str], fixed: impl Fn(&str) -> String) -> Error {
        match near {
            [] => error.fix(self.help()),
            [meant] => error.fix(fixed(meant)),
            several => {
                error.why(format!("the nearest are {}", several.join(", "))).fix(fixed(several[0]))
            }
        }
    }

    /// The whole line with one word of it, or what stands before `=` or behind it, replaced.
    fn with(&self, wrong: &str, meant: &str) -> String {
        let mut words = vec!["mptcpize".to_owned()];
        let mut found = false;
        for word in &self.words {
            let parts = word.split_once('=');
            let replaced = match parts {
                _ if found => None,
                _ if word == wrong => Some(meant.to_owned()),
                Some((name, value)) if name == wrong => Some(format!("{meant}={value}")),
                Some((name, value)) if value == wrong => Some(format!("{name}={meant}")),
                _ => None,
            };
            found |= replaced.is_some();
            words.push(replaced.unwrap_or_else(|| word.clone()));
        }
        self.line(&words)
    }

    /// The whole line with options behind the verb.
    fn with_options(&self, options: &[&str]) -> String {
        let (before, behind) = self.words.split_at(self.depth);
        let mut words = vec!["mptcpize".to_owned()];
        words.extend(before.iter().cloned());
        words.extend(options.iter().map(|option| (*option).to_owned()));
        words.extend(behind.iter().cloned());
        self.line(&words)
    }

    /// The whole line with the verb's options behind it, if this is one of them and stands before it.
    fn behind_the_verb(&self, wrong: &str) -> Option<String> {
        let (before, behind) = self.words.split_at(self.depth);
        let is_wrong = |word: &String| {
            word.strip_prefix(wrong).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        };
        option_of(&self.verb, wrong)?;
        if !before.iter().any(is_wrong) {
            return None;
        }
        let (mut moved, mut kept) = (Vec::new(), Vec::new());
        let mut words = before.iter();
        while let Some(word) = words.next() {
            let Some(option) = option_of(&self.verb, word) else {
                kept.push(word);
                continue;
            };
            moved.push(word);
            if option.get_action().takes_values() && !word.contains('=') {
                // The last word is the verb, and no value.
                moved.extend(if words.len() > 1 { words.next() } else { None });
            }
        }
        let first = "mptcpize".to_owned();
        let words = [&first].into_iter().chain(kept).chain(moved).chain(behind);
        Some(self.line(&words.cloned().collect::<Vec<String>>()))
    }

    /// A line to paste.
    fn line(&self, words: &[String]) -> String {
        let shown = words.iter().map(|word| shell::word(without_key(word)));
        shown.collect::<Vec<_>>().join(" ")
    }

    /// The form of the command line.
    fn form(&self) -> String {
        let usage = self.verb.clone().render_usage().to_string();
        let first = usage.lines().next().unwrap_or_default();
        first.trim_start_matches("Usage: ").trim().to_owned()
    }

    fn help(&self) -> String {
        format!("{} --help", self.name)
    }
}

/// The option of a verb that a word is, with its value or without.
fn option_of<'a>(verb: &'a clap::Command, word: &str) -> Option<&'a clap::Arg> {
    let name = word.split_once('=').map_or(word, |(name, _)| name);
    verb.get_arguments().filter(|option| !option.is_hide_set()).find(|option| {
        option.get_long().is_some_and(|long| name.strip_prefix("--") == Some(long))
            || option.get_short().is_some_and(|short| name == format!("-{short}"))
    })
}

/// The option of a verb, or of one below it.
fn option_within<'a>(verb: &'a clap::Command, word: &str) -> Option<&'a clap::Arg> {
    let below = || verb.get_subcommands().find_map(|one| option_within(one, word));
    option_of(verb, word).or_else(below)
}

/// A word without what may be a key, which has no place in a log: from the scheme of a relay's URL on.
fn without_key(word: &str) -> Cow<'_, str> {
    match url::key_in(word) {
        Some(at) => Cow::Owned(format!("{}URL", &word[..at])),
        None => Cow::Borrowed(word),
    }
}

fn usage(what: impl Into<String>) -> Error {
    Error::new(Exit::Usage, what)
}
