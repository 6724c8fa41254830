//! Manual pages in man(7)'s macros: one for each verb, from the definition of the command line;
//! mptcpize.toml(5), from the definition of the settings; mptcpize-tutorial(7).
//!
//! Not clap_mangen: it fills the lines of the tables below the options, and puts them under a
//! heading "EXTRA".

mod options;
mod roff;
mod sections;
pub mod settings;
pub mod tutorial;

use std::fmt::Write;

use clap::Command;

use roff::{escaped, paragraphs, text};

/// The section of the verbs' pages: they administer a host, and Debian's page of the tool of this name
/// in C is mptcpize(8) too.
const SECTION: u8 = 8;

/// When the text of the pages was last gone through as a whole. A clock would make two builds differ.
const DATE: &str = "2026-11-28";

/// What a page's first line says of the tool.
#[derive(Clone, Copy, Debug)]
pub struct Tool<'a> {
    /// What it is called.
    pub name: &'a str,
    /// Its release.
    pub version: &'a str,
}

/// A page and the name of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// `mptcpize-setup-undo.8`.
    pub file: String,
    /// Its text.
    pub text: String,
}

/// All pages. `root` is the definition of the command line, built.
pub fn pages(root: &Command, tool: Tool<'_>) -> Vec<Page> {
    let mut all = vec![settings::page(tool), tutorial::page(tool)];
    add(root, tool, &mut all);
    all
}

fn add(verb: &Command, tool: Tool<'_>, all: &mut Vec<Page>) {
    all.push(page(verb, tool));
    for below in verb.get_subcommands().filter(|below| !below.is_hide_set()) {
        add(below, tool, all);
    }
}

/// The page of a verb.
pub fn page(verb: &Command, tool: Tool<'_>) -> Page {
    let title = verb.get_display_name().unwrap_or(verb.get_name()).to_owned();
    let about = about(verb);
    let mut page = begun(tool, &title, SECTION, &about);
    page.push_str(".SH SYNOPSIS\n");
    let usage = verb.clone().render_usage().to_string();
    let forms: Vec<String> =
        usage.trim_start_matches("Usage:").lines().map(|form| text(form.trim())).collect();
    let _ = writeln!(page, "{}", forms.join("\n.br\n"));
    let long = verb.get_long_about().map_or(about, ToString::to_string);
    let _ = writeln!(page, ".SH DESCRIPTION\n{}", paragraphs(&long, ".PP"));
    options::arguments(&mut page, ".SH ARGUMENTS", verb.get_positionals());
    options::add(&mut page, verb);
    verbs(&mut page, verb, &title);
    let after = verb.get_after_long_help().or(verb.get_after_help());
    let after = after.map(ToString::to_string).unwrap_or_default();
    let above = title.rsplit_once('-').map(|(above, _)| format!("{above}({SECTION})"));
    sections::add(&mut page, &after, above.as_deref(), None);
    Page { file: format!("{title}.{SECTION}"), text: page }
}

/// The head of a page, and its section NAME.
fn begun(tool: Tool<'_>, title: &str, section: u8, about: &str) -> String {
    let Tool { name, version } = tool;
    let mut page = String::new();
    let head = escaped(&title.to_uppercase());
    let _ = writeln!(page, ".TH {head} {section} {DATE} \"{name} {version}\" \"Multipath TCP\"");
    // Ragged and not hyphenated: options and file names stay whole, also for those who search. groff's
    // macros set hyphenation anew in each paragraph, from the register.
    page.push_str(".ad l\n.nh\n.nr HY 0\n");
    let _ = writeln!(page, ".SH NAME\n{} \\- {}", escaped(title), escaped(&uncapitalized(about)));
    page
}

/// As whatis(1) lists it: within a line, not as a sentence.
fn uncapitalized(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

fn about(verb: &Command) -> String {
    verb.get_about().map(ToString::to_string).unwrap_or_default()
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
        let _ = writeln!(page, ".TP\n.BR {} ({SECTION})\n{}.", escaped(&name), text(&about(below)));
    }
}
