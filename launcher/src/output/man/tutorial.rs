//! mptcpize-tutorial(7): situations, each with what to type. Its text is a file of its own, whose
//! commands the tests run.

use std::fmt::Write;

use super::roff::{commands, escaped, paragraphs};
use super::{Page, Tool, begun, sections};

/// The text: a description; the sections that every page has, as in `--help`; and the situations, each
/// below a line that begins with `== `. There commands are set in by two blanks, and what stands between
/// them is a paragraph, of one line or more.
const TEXT: &str = include_str!("tutorial.txt");

/// Before the heading of a situation.
const SITUATION: &str = "\n== ";

/// The first of the sections that every page has.
const COMMON: &str = "Exit status:\n";

/// A situation of the tutorial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Situation {
    /// Its heading.
    pub heading: &'static str,
    /// What is said, and in lines that begin with two blanks what is to be typed.
    lines: Vec<&'static str>,
}

impl Situation {
    /// Its commands, in their order.
    pub fn commands(&self) -> impl Iterator<Item = &'static str> {
        self.lines.iter().filter_map(|line| line.strip_prefix("  "))
    }
}

/// The situations of the text.
pub fn situations() -> Vec<Situation> {
    let all = TEXT.split(SITUATION).skip(1);
    all.map(|text| {
        let mut lines = text.lines().filter(|line| !line.is_empty());
        Situation { heading: lines.next().unwrap_or_default(), lines: lines.collect() }
    })
    .collect()
}

/// The page.
pub(super) fn page(tool: Tool<'_>) -> Page {
    let about = "one connection over several links, situation by situation";
    let mut page = begun(tool, "mptcpize-tutorial", 7, about);
    let head = TEXT.split(SITUATION).next().unwrap_or_default();
    let (description, common) = head.split_at(head.find(COMMON).unwrap_or(head.len()));
    let _ = writeln!(page, ".SH DESCRIPTION\n{}", paragraphs(&unbroken(description), ".PP"));
    let mut examples = String::new();
    for Situation { heading, lines } in situations() {
        let _ = writeln!(examples, ".SS {}", escaped(heading));
        situation(&mut examples, &lines);
    }
    sections::add(&mut page, common, None, Some(&examples));
    Page { file: "mptcpize-tutorial.7".to_owned(), text: page }
}

/// Paragraphs and, below each, its commands.
fn situation(page: &mut String, lines: &[&str]) {
    let is_command = |line: &str| line.starts_with("  ");
    for (index, together) in lines.chunk_by(|a, b| is_command(a) == is_command(b)).enumerate() {
        match together.first().and_then(|line| line.strip_prefix("  ")) {
            Some(_) => {
                let typed: Vec<&str> = together.iter().map(|line| line.trim_start()).collect();
                let _ = writeln!(page, "{}", commands(&typed));
            }
            None => {
                let between = if index == 0 { "" } else { ".PP\n" };
                let _ = writeln!(page, "{between}{}", paragraphs(&together.join(" "), ".PP"));
            }
        }
    }
}

/// Paragraphs of one line each.
fn unbroken(text: &str) -> String {
    let one = |paragraph: &str| paragraph.lines().collect::<Vec<_>>().join(" ");
    text.trim().split("\n\n").map(one).collect::<Vec<_>>().join("\n\n")
}
