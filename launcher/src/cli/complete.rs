//! What may stand at the end of an unfinished command line, from the definition that parses.
//!
//! Pure: names that only the host knows (links, units) are asked for by their [`Kind`] and filled
//! in by `commands::shell`. Not clap_complete: its scripts know the definition and not the host,
//! and would have to be patched for every shell.

use clap::builder::PossibleValue;
use clap::{Arg, ArgAction, Command};

/// A word that fits, and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The whole word.
    pub word: String,
    /// One line about it, or nothing.
    pub help: String,
}

/// What kind of word is missing, beyond the candidates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The candidates are all there is.
    Words,
    /// The name of a link.
    Link,
    /// A unit of systemd: of the system's manager, or of the user's.
    Unit {
        /// `--user` was given.
        user: bool,
    },
    /// The name of a network namespace.
    Namespace,
    /// The name of a stored relay.
    Relay,
    /// A file.
    File,
    /// A directory.
    Directory,
    /// A program, or one of its arguments: the word with this index is the program's name.
    Program(usize),
}

/// What fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Words of the definition.
    pub candidates: Vec<Candidate>,
    /// Whose names to add.
    pub kind: Kind,
    /// What each of those names follows within the word: `--only=w1,`.
    pub before: String,
    /// What follows each of those names: `=` of `--gateway IF=ADDR`.
    pub after: &'static str,
}

impl Answer {
    fn words(candidates: Vec<Candidate>) -> Self {
        Answer { candidates, kind: Kind::Words, before: String::new(), after: "" }
    }

    fn names(kind: Kind) -> Self {
        Answer { kind, ..Answer::words(Vec::new()) }
    }
}

/// Where the walk along the finished words has come to.
struct Place<'a> {
    verb: &'a Command,
    /// The option that waits for its value.
    open: Option<&'a Arg>,
    /// How many positional arguments there were.
    positionals: usize,
    /// After `--`.
    no_options: bool,
}

/// What fits at the end of `words`, the last of which is the unfinished one. `root` is built.
pub fn complete(root: &Command, words: &[String]) -> Answer {
    let Some((current, finished)) = words.split_last() else {
        return Answer::words(Vec::new());
    };
    let mut place = Place { verb: root, open: None, positionals: 0, no_options: false };
    for (index, word) in finished.iter().enumerate() {
        if place.open.take().is_some() {
            continue;
        }
        if !place.no_options && word == "--" {
            place.no_options = true;
        } else if !place.no_options && word.len() > 1 && word.starts_with('-') {
            place.open = waiting(place.verb, word);
        } else if let Some(verb) = verb_of(place.verb, word).filter(|_| place.positionals == 0) {
            place = Place { verb, open: None, positionals: 0, no_options: false };
        } else {
            if takes_program(place.verb) {
                return Answer::names(Kind::Program(index));
            }
            place.positionals += 1;
        }
    }
    if let Some(option) = place.open {
        return value(option, current, finished);
    }
    if !place.no_options && current.starts_with('-') {
        if let Some((name, begun)) = current.split_once('=')
            && let Some(option) = name.strip_prefix("--").and_then(|name| long(place.verb, name))
        {
            let inner = value(option, begun, finished);
            return within(inner, &format!("{name}="));
        }
        return Answer::words(options(place.verb));
    }
    if takes_program(place.verb) {
        return Answer::names(Kind::Program(finished.len()));
    }
    let mut answer = match positional(place.verb, place.positionals) {
        Some(argument) => value(argument, current, finished),
        None => Answer::words(Vec::new()),
    };
    if place.positionals == 0 {
        answer.candidates.extend(verbs(place.verb));
    }
    answer
}

/// An answer for the part of a word behind `before`, made one for the whole word.
fn within(mut answer: Answer, before: &str) -> Answer {
    for candidate in &mut answer.candidates {
        candidate.word.insert_str(0, before);
    }
    answer.before.insert_str(0, before);
    answer
}

fn takes_program(verb: &Command) -> bool {
    verb.get_positionals().any(Arg::is_trailing_var_arg_set)
}

/// The verb that a word names. The verbs below `endpoint` and `limits` may be shortened; clap
/// does not tell which may, and taking the others so does no harm in a completion.
fn verb_of<'a>(verb: &'a Command, word: &str) -> Option<&'a Command> {
    let below = verb.get_name() != "mptcpize";
    let short = |other: &&Command| below && !word.is_empty() && other.get_name().starts_with(word);
    verb.find_subcommand(word).or_else(|| verb.get_subcommands().find(short))
}

fn verbs(verb: &Command) -> Vec<Candidate> {
    verb.get_subcommands()
        .filter(|verb| !verb.is_hide_set() && verb.get_name() != "help")
        .map(|verb| Candidate { word: verb.get_name().into(), help: line(verb.get_about()) })
        .collect()
}

fn long<'a>(verb: &'a Command, name: &str) -> Option<&'a Arg> {
    verb.get_arguments().find(|argument| argument.get_long() == Some(name) && takes_value(argument))
}

fn takes_value(argument: &Arg) -> bool {
    matches!(argument.get_action(), ArgAction::Set | ArgAction::Append)
}

/// The option that takes the next word as its value.
fn waiting<'a>(verb: &'a Command, word: &str) -> Option<&'a Arg> {
    let option = match word.strip_prefix("--") {
        Some(name) => long(verb, name),
        // Of several letters only the last can want a value in the next word.
        None => word.chars().next_back().and_then(|last| {
            verb.get_arguments()
                .find(|argument| argument.get_short() == Some(last) && takes_value(argument))
        }),
    };
    option.filter(|option| !option.is_require_equals_set())
}

fn options(verb: &Command) -> Vec<Candidate> {
    verb.get_arguments()
        .filter(|argument| !argument.is_hide_set())
        .filter_map(|argument| {
            let name = argument.get_long()?;
            Some(Candidate { word: format!("--{name}"), help: line(argument.get_help()) })
        })
        .collect()
}

/// The positional argument at this place; the last one may repeat.
fn positional(verb: &Command, at: usize) -> Option<&Arg> {
    let last = verb.get_positionals().last()?;
    let repeats = last.get_num_args().is_some_and(|range| range.max_values() > 1)
        || matches!(last.get_action(), ArgAction::Append);
    verb.get_positionals().nth(at).or(repeats.then_some(last))
}

/// The words of ip-mptcp(8) that describe an endpoint.
const ENDPOINT_WORDS: [&str; 8] =
    ["dev", "id", "port", "signal", "subflow", "backup", "fullmesh", "laminar"];

/// What fits as the value of an argument, of which `begun` is there.
fn value(argument: &Arg, begun: &str, finished: &[String]) -> Answer {
    let possible = argument.get_possible_values();
    if !possible.is_empty() {
        let candidate = |value: &PossibleValue| Candidate {
            word: value.get_name().into(),
            help: line(value.get_help()),
        };
        let shown = possible.iter().filter(|value| !value.is_hide_set());
        return Answer::words(shown.map(candidate).collect());
    }
    let names = argument.get_value_names().unwrap_or_default();
    let kind = match names.first().map(|name| name.as_str()) {
        // A list: the links before the last comma stay.
        Some("IF,…") => {
            let before = begun.rfind(',').map_or("", |comma| &begun[..=comma]);
            return within(Answer::names(Kind::Link), before);
        }
        Some("IF=ADDR") => return Answer { after: "=", ..Answer::names(Kind::Link) },
        Some("IF") => Kind::Link,
        Some("UNIT") => Kind::Unit { user: finished.iter().any(|word| word == "--user") },
        Some("NAME|PID") => Kind::Namespace,
        // Of an option it may be any of them, too.
        Some("RELAY") if argument.get_long().is_some() => {
            let auto = Candidate { word: "auto".into(), help: "the fastest of all".into() };
            return Answer { candidates: vec![auto], ..Answer::names(Kind::Relay) };
        }
        Some("RELAY" | "RELAY|URL") => Kind::Relay,
        Some("FILE") => Kind::File,
        Some("DIR") => Kind::Directory,
        Some("WORD") if finished.last().is_some_and(|word| word == "dev") => Kind::Link,
        Some("WORD") if finished.first().is_some_and(|verb| verb == "endpoint") => {
            let word = |word: &&str| Candidate { word: String::from(*word), help: String::new() };
            return Answer::words(ENDPOINT_WORDS.iter().map(word).collect());
        }
        _ => Kind::Words,
    };
    Answer::names(kind)
}

/// The first line of a help text.
fn line(text: Option<&clap::builder::StyledStr>) -> String {
    let text = text.map(ToString::to_string).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}
