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
    let long = verb.get_long_about().map_or(about, ToString::to_string);
    let _ = writeln!(page, ".SH DESCRIPTION\n{}", paragraphs(&long, ".PP"));
    arguments(&mut page, ".SH ARGUMENTS", verb.get_positionals());
    options(&mut page, verb);
    verbs(&mut page, verb, &title);
    let after = verb.get_after_long_help().or(verb.get_after_help());
    let after = after.map(ToString::to_string).unwrap_or_default();
    sections(&mut page, &after);
    see_also(&mut page, title.rsplit_once('-').map(|(above, _)| above), &after);
    page
}

/// The name of a verb's page: `mptcpize-setup-undo`.
pub fn title(verb: &Command) -> String {
    verb.get_display_name().unwrap_or(verb.get_name()).to_owned()
}

fn about(verb: &Command) -> String {
    verb.get_about().map(ToString::to_string).unwrap_or_default()
}

/// Options below OPTIONS; those of a heading of their own in a subsection of it.
fn options(page: &mut String, verb: &Command) {
    let all = || verb.get_arguments().filter(|argument| !argument.is_positional());
    arguments(page, ".SH OPTIONS", all().filter(|option| option.get_help_heading().is_none()));
    let mut headings: Vec<&str> = all().filter_map(Arg::get_help_heading).collect();
    headings.dedup();
    for heading in headings {
        let of_heading = all().filter(|option| option.get_help_heading() == Some(heading));
        arguments(page, &format!(".SS {}", escaped(heading)), of_heading);
    }
}

fn arguments<'a>(page: &mut String, heading: &str, all: impl Iterator<Item = &'a Arg>) {
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
        let _ = writeln!(
            page,
            ".TP\n\\fB{}\\fR{mark}\n{}",
            escaped(value.get_name()),
            paragraphs(&help, ".IP")
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

/// The heading of the section that ends a page.
const SEE_ALSO: &str = "See also";

/// The sections below the options, without the last. A line at the margin that ends in a colon is a
/// heading. A row that is set in by two blanks is a term; what is said of it follows after two blanks or
/// more, or in a line that is set in further. Other lines are paragraphs.
fn sections(page: &mut String, after: &str) {
    let mut skipped = false;
    for line in after.lines().filter(|line| !line.is_empty()) {
        let row = line.strip_prefix("  ");
        match (row, line.strip_suffix(':')) {
            (None, Some(heading)) => {
                skipped = heading == SEE_ALSO;
                if !skipped {
                    let _ = writeln!(page, ".SH {}", escaped(&heading.to_uppercase()));
                }
            }
            _ if skipped => {}
            (Some(row), _) if row.starts_with("  ") => {
                let _ = writeln!(page, "{}", paragraphs(row.trim_start(), ".IP"));
            }
            (Some(row), _) => {
                let (term, said) = row.split_once("  ").unwrap_or((row, ""));
                let _ = writeln!(page, ".TP\n\\fB{}\\fR", escaped(term));
                if !said.is_empty() {
                    let _ = writeln!(page, "{}", paragraphs(said.trim_start(), ".IP"));
                }
            }
            (None, None) => {
                let _ = writeln!(page, ".PP\n{}", paragraphs(line, ".PP"));
            }
        }
    }
}

/// The page of the verb above, and what the text names.
fn see_also(page: &mut String, above: Option<&str>, after: &str) {
    let mut lines = after.lines().skip_while(|line| line.strip_suffix(':') != Some(SEE_ALSO));
    let named = lines.nth(1).map(|named| text(named.trim_start()));
    let above = above.map(|above| format!("\\fB{}\\fR(1)", escaped(above)));
    let all: Vec<String> = above.into_iter().chain(named).collect();
    if !all.is_empty() {
        let _ = writeln!(page, ".SH SEE ALSO\n{}", all.join(", "));
    }
}

/// Paragraphs, each of which ends as a sentence; `between` is the macro that begins another.
fn paragraphs(said: &str, between: &str) -> String {
    let all = said.split("\n\n").map(|paragraph| {
        let paragraph = text(paragraph.trim());
        let ended = paragraph.ends_with(['.', ':', ';', '?']);
        if ended || paragraph.is_empty() { paragraph } else { format!("{paragraph}.") }
    });
    all.collect::<Vec<String>>().join(&format!("\n{between}\n"))
}

/// Text that may begin a line: one that begins with a control character is no request. What stands
/// between grave accents is bold, as commands are in manual pages.
fn text(text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(index, part)| match index % 2 {
        0 => escaped(part),
        _ => format!("\\fB{}\\fR", escaped(part)),
    });
    let escaped: String = parts.collect();
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
