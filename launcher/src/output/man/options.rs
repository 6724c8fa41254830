//! The options of a page, from the definition of the command line.

use std::fmt::Write;

use clap::{Arg, ArgAction, Command};

use super::roff::{bold, escaped, paragraphs};

/// Options below OPTIONS, those without a heading first; those of a heading of their own in a subsection.
pub(super) fn add(page: &mut String, verb: &Command) {
    let all = || verb.get_arguments().filter(|argument| !argument.is_positional());
    arguments(page, ".SH OPTIONS", all().filter(|option| option.get_help_heading().is_none()));
    let mut headings: Vec<&str> = Vec::new();
    for heading in all().filter_map(Arg::get_help_heading) {
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    for heading in headings {
        let of_heading = all().filter(|option| option.get_help_heading() == Some(heading));
        arguments(page, &format!(".SS {}", escaped(heading)), of_heading);
    }
}

/// Arguments below a heading, if there are any.
pub(super) fn arguments<'a>(page: &mut String, heading: &str, all: impl Iterator<Item = &'a Arg>) {
    let mut headed = false;
    for argument in all.filter(|argument| !argument.is_hide_set()) {
        if !headed {
            let _ = writeln!(page, "{heading}");
            headed = true;
        }
        let _ = writeln!(page, ".TP\n{}", head(argument));
        let help = argument.get_long_help().or(argument.get_help());
        let help = help.map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(page, "{}", paragraphs(&help, ".IP"));
        values(page, argument);
    }
}

/// `-d, --debug[=FILE]`.
fn head(argument: &Arg) -> String {
    let mut names = Vec::new();
    names.extend(argument.get_short().map(|short| bold(&format!("-{short}"))));
    names.extend(argument.get_long().map(|long| bold(&format!("--{long}"))));
    let mut head = names.join(", ");
    let takes = matches!(argument.get_action(), ArgAction::Set | ArgAction::Append);
    if takes {
        let value = argument.get_value_names().unwrap_or_default().join(" ");
        let value = format!("\\fI{}\\fR", escaped(&value));
        let optional = argument.get_num_args().is_some_and(|range| range.min_values() == 0);
        match (names.is_empty(), optional) {
            (true, _) => head = value,
            (false, true) => {
                let _ = write!(head, "[={value}]");
            }
            (false, false) => {
                let _ = write!(head, " {value}");
            }
        }
    }
    head
}

/// The values that an option takes, and which it has by itself.
fn values(page: &mut String, argument: &Arg) {
    if !argument.get_action().takes_values() {
        return;
    }
    let default = argument.get_default_values().first().and_then(|value| value.to_str());
    let possible: Vec<_> =
        argument.get_possible_values().into_iter().filter(|value| !value.is_hide_set()).collect();
    if possible.is_empty() {
        if let Some(default) = default {
            let _ = writeln!(page, "Default: {}.", escaped(default));
        }
        return;
    }
    page.push_str(".RS\n");
    for value in possible {
        let help = value.get_help().map(ToString::to_string).unwrap_or_default();
        let mark = if default == Some(value.get_name()) { " (default)" } else { "" };
        let _ =
            writeln!(page, ".TP\n{}{mark}\n{}", bold(value.get_name()), paragraphs(&help, ".IP"));
    }
    page.push_str(".RE\n");
}
