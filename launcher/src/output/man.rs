//! Manual pages from the definition of the command line, in man(7)'s macros.
//!
//! Not clap_mangen: it fills the lines of the tables below the options, and puts them under a
//! heading "EXTRA".

use std::fmt::Write;

use clap::{Arg, ArgAction, Command};

/// The page of a verb. `root` is what the whole tool is called, `version` its release.
pub fn page(verb: &Command, root: &str, version: &str) -> String {
    let title = title(verb);
    let about = about(verb);
    let mut page = String::new();
    let _ = writeln!(page, ".TH {} 1 \"\" \"{root} {version}\" \"Multipath TCP\"", escaped(&title));
    // Ragged and not hyphenated: options and file names stay whole, also for those who search.
    page.push_str(".ad l\n.nh\n");
    let _ = writeln!(page, ".SH NAME\n{} \\- {}", escaped(&title), escaped(&about));
    page.push_str(".SH SYNOPSIS\n");
    let usage = verb.clone().render_usage().to_string();
    let forms: Vec<String> =
        usage.trim_start_matches("Usage:").lines().map(|form| text(form.trim())).collect();
    let _ = writeln!(page, "{}", forms.join("\n.br\n"));
    let long = verb.get_long_about().map(ToString::to_string);
    let _ = writeln!(page, ".SH DESCRIPTION\n{}.", text(long.unwrap_or(about).trim_end()));
    arguments(&mut page, "ARGUMENTS", verb.get_positionals());
    let options = verb.get_arguments().filter(|argument| !argument.is_positional());
    arguments(&mut page, "OPTIONS", options);
    verbs(&mut page, verb, &title);
    if let Some(after) = verb.get_after_long_help().or(verb.get_after_help()) {
        after_help(&mut page, &after.to_string());
    }
    let above = title.rsplit_once('-').map(|(above, _)| above);
    if let Some(above) = above {
        let _ = writeln!(page, ".SH SEE ALSO\n.BR {} (1)", escaped(above));
    }
    page
}

/// The name of a verb's page: `mptcpize-setup-undo`.
pub fn title(verb: &Command) -> String {
    verb.get_display_name().unwrap_or(verb.get_name()).to_owned()
}

fn about(verb: &Command) -> String {
    verb.get_about().map(ToString::to_string).unwrap_or_default()
}

fn arguments<'a>(page: &mut String, heading: &str, all: impl Iterator<Item = &'a Arg>) {
    let mut headed = false;
    for argument in all.filter(|argument| !argument.is_hide_set()) {
        if !headed {
            let _ = writeln!(page, ".SH {heading}");
            headed = true;
        }
        let _ = writeln!(page, ".TP\n{}", head(argument));
        let help = argument.get_long_help().or(argument.get_help());
        let help = help.map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(page, "{}.", text(help.trim_end_matches('.')));
        values(page, argument);
    }
}

/// `-d, --debug[=FILE]`.
fn head(argument: &Arg) -> String {
    let mut names = Vec::new();
    names.extend(argument.get_short().map(|short| format!("\\fB\\-{short}\\fR")));
    names.extend(argument.get_long().map(|long| format!("\\fB\\-\\-{}\\fR", escaped(long))));
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
    let possible: Vec<_> =
        argument.get_possible_values().into_iter().filter(|value| !value.is_hide_set()).collect();
    if possible.is_empty() || !argument.get_action().takes_values() {
        return;
    }
    let default = argument.get_default_values().first().and_then(|value| value.to_str());
    page.push_str(".RS\n");
    for value in possible {
        let help = value.get_help().map(ToString::to_string).unwrap_or_default();
        let mark = if default == Some(value.get_name()) { " (default)" } else { "" };
        let _ = writeln!(
            page,
            ".TP\n\\fB{}\\fR{mark}\n{}.",
            escaped(value.get_name()),
            text(help.trim_end_matches('.'))
        );
    }
    page.push_str(".RE\n");
}

fn verbs(page: &mut String, verb: &Command, title: &str) {
    let shown = verb.get_subcommands().filter(|below| !below.is_hide_set());
    let mut headed = false;
    for below in shown {
        if !headed {
            page.push_str(".SH COMMANDS\n");
            headed = true;
        }
        let name = format!("{title}-{}", below.get_name());
        let _ = writeln!(page, ".TP\n.BR {} (1)\n{}.", escaped(&name), text(&about(below)));
    }
}

/// The text below the options: lines that end in a colon at the margin are headings; the others
/// are tables that must not be filled.
fn after_help(page: &mut String, after: &str) {
    let mut open = false;
    for line in after.lines() {
        match line.strip_suffix(':').filter(|heading| !heading.starts_with(' ')) {
            Some(heading) => {
                let fill = if open { ".fi\n" } else { "" };
                let _ = writeln!(page, "{fill}.SH {}\n.nf", escaped(&heading.to_uppercase()));
                open = true;
            }
            None => {
                if !open {
                    page.push_str(".SH NOTES\n.nf\n");
                    open = true;
                }
                let _ = writeln!(page, "{}", text(line));
            }
        }
    }
    if open {
        page.push_str(".fi\n");
    }
}

/// Text that may begin a line: one that begins with a control character is no request.
fn text(text: &str) -> String {
    let escaped = escaped(text);
    let lines = escaped.lines().map(|line| match line.starts_with(['.', '\'']) {
        true => format!("\\&{line}"),
        false => line.to_owned(),
    });
    lines.collect::<Vec<String>>().join("\n")
}

/// Characters with a meaning in roff; those beyond ASCII by their code point, so that a page reads
/// the same in every locale.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '\'' => out.push_str("\\(aq"),
            '`' => out.push_str("\\(ga"),
            '^' => out.push_str("\\(ha"),
            '~' => out.push_str("\\(ti"),
            // A terminal of ASCII has no such letter, and groff warns.
            '…' => out.push_str("..."),
            letter if letter.is_ascii() => out.push(letter),
            other => {
                let _ = write!(out, "\\[u{:04X}]", u32::from(other));
            }
        }
    }
    out
}
