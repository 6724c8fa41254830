//! The text of `--help` at the width of the reader: clap breaks no lines by itself.
//!
//! Each line of clap's text is a paragraph or a row of a table, so a line that is too long is broken
//! at blanks, and what follows is set under the row's last column.

use crate::output::term::{self, Colour, Term};
use crate::output::wrap;

/// The width for a file or a pipe, as that of a manual page.
const WIDTH: usize = 80;

/// Longer lines than this are hard to read on however wide a terminal; shorter ones than the least
/// hold no word.
const WIDTHS: std::ops::RangeInclusive<usize> = 20..=100;

/// The text for standard output.
pub(super) fn shown(text: &str) -> String {
    let width = match Term::of_stdout(Colour::Never).width {
        usize::MAX => WIDTH,
        width => width.clamp(*WIDTHS.start(), *WIDTHS.end()),
    };
    fold(&term::prose(text), width)
}

/// The text with no line longer than `width` characters, but for words that are longer.
fn fold(text: &str, width: usize) -> String {
    let mut folded = String::new();
    let mut usage = false;
    for line in text.lines() {
        // The forms of a command line stand below each other up to a blank line.
        usage = line.starts_with("Usage: ") || usage && !line.is_empty();
        for line in self::lines(line, width, usage) {
            folded.push_str(&line);
            folded.push('\n');
        }
    }
    folded
}

fn lines(line: &str, width: usize, usage: bool) -> Vec<String> {
    if line.chars().count() <= width || is_example(line) {
        return vec![line.to_owned()];
    }
    let column = column(line, usage);
    let (head, rest) = line.split_at(column);
    let column = head.chars().count();
    let filled = |room: usize| if usage { forms(rest, room) } else { wrap(rest, room) };
    let room = width.saturating_sub(column);
    let has_room = !usage || filled(room).iter().all(|part| part.chars().count() <= room);
    if (column * 2 > width || !has_room) && !head.trim().is_empty() {
        // No room beside the term: what is said of it follows below.
        let margin = head.chars().take_while(|letter| *letter == ' ').count() + 4;
        let room = width.saturating_sub(margin);
        // A group that is wider than the screen is broken after all.
        let below: Vec<String> = filled(room).iter().flat_map(|part| wrap(part, room)).collect();
        let below = below.iter().map(|line| format!("{:margin$}{line}", ""));
        return std::iter::once(head.trim_end().to_owned()).chain(below).collect();
    }
    let mut lines: Vec<String> =
        filled(room).iter().map(|part| format!("{:column$}{part}", "")).collect();
    if let Some(first) = lines.first_mut() {
        first.replace_range(..column, head);
    }
    lines
}

/// A command to paste, which stays on one line.
fn is_example(line: &str) -> bool {
    let begins =
        |command: &str| line.strip_prefix("  ").is_some_and(|row| row.starts_with(command));
    ["mptcpize ", "sudo ", "source "].into_iter().any(begins)
}

/// Where what may be broken begins, in bytes: behind the name of the command in a form of usage,
/// behind a row's last gap of two blanks, else where the line begins.
fn column(line: &str, usage: bool) -> usize {
    let margin = line.len() - line.trim_start().len();
    if usage {
        let command = line.find("mptcpize ").unwrap_or(margin);
        return command + line[command..].find(" [").map_or(0, |at| at + 1);
    }
    let row = &line[margin..];
    let gap = row.find("  ").filter(|_| margin > 0);
    // clap's list of possible values: "- auto:    The cheapest".
    let item = || row.starts_with("- ").then(|| row.find(": ")).flatten().map(|at| at + 1);
    let behind = |gap: usize| gap + row[gap..].len() - row[gap..].trim_start().len();
    margin + gap.or_else(item).map_or(0, behind)
}

/// Words of a form of usage, a group in brackets never broken.
fn forms(text: &str, width: usize) -> Vec<String> {
    let mut depth = 0_usize;
    // A group holds no other blanks than these, so they can stand for it while lines are filled.
    let glued: String = text
        .chars()
        .map(|letter| {
            match letter {
                '[' | '{' => depth += 1,
                ']' | '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if letter == ' ' && depth > 0 { '\0' } else { letter }
        })
        .collect();
    wrap(&glued, width).into_iter().map(|line| line.replace('\0', " ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_columns_and_groups_their_words() {
        let text = "\
Usage: mptcpize run [-d | --debug[=FILE]] [--strict] CMD

A paragraph that is longer than the line.
  -x, --long  What it is about and more
      --longer-than-half-a-line  What it does
          - auto: One of the others
  fine\n";
        let expected = "\
Usage: mptcpize run [-d | --debug[=FILE]]
                    [--strict] CMD

A paragraph that is longer than the line.
  -x, --long  What it is about and more
      --longer-than-half-a-line
          What it does
          - auto: One of the others
  fine\n";
        assert_eq!(fold(text, 41), expected);
        let usage = fold("Usage: mptcpize run [--setup | --no-setup] CMD\n", 40);
        assert_eq!(usage, "Usage: mptcpize run\n    [--setup | --no-setup] CMD\n");
        let usage = fold("Usage: mptcpize run [--setup | --no-setup] CMD\n", 20);
        assert_eq!(usage, "Usage: mptcpize run\n    [--setup |\n    --no-setup]\n    CMD\n");
        let narrow = fold("  term  one two three four\n  - a: five six\n", 16);
        assert_eq!(narrow, "  term  one two\n        three\n        four\n  - a: five six\n");
    }
}
