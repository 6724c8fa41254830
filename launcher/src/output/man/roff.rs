//! Text as man(7)'s macros take it.

use std::fmt::Write;

/// Columns of a line that is not to be broken: those of a terminal, less the margin of a page (man-pages(7)
/// says 7) and that of an example.
const ROOM: usize = 80 - 7 - 4;

/// Paragraphs, each of which ends as a sentence; `between` is the macro that begins another.
pub(super) fn paragraphs(said: &str, between: &str) -> String {
    let all = said.split("\n\n").map(|paragraph| {
        let paragraph = text(paragraph.trim());
        let ended = paragraph.ends_with(['.', ':', ';', '?']);
        if ended || paragraph.is_empty() { paragraph } else { format!("{paragraph}.") }
    });
    all.collect::<Vec<String>>().join(&format!("\n{between}\n"))
}

/// Text that may begin a line: one that begins with a control character is no request. What stands
/// between grave accents is bold, as commands are in manual pages, and so is the name of a page.
pub(super) fn text(text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(index, part)| match index % 2 {
        0 => with_pages(part),
        _ => bold(part),
    });
    let whole: String = parts.collect();
    let lines = whole.lines().map(guarded);
    lines.collect::<Vec<String>>().join("\n")
}

/// Bold text.
pub(super) fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", escaped(text))
}

/// Commands as they are to be typed, in bold and with their line breaks; one that is too long goes on
/// in the next line, as the shell reads it.
pub(super) fn commands(lines: &[&str]) -> String {
    let mut all = String::from(".RS 4\n.EX\n");
    for line in lines {
        for part in folded(line) {
            let _ = writeln!(all, "{}", guarded(&bold(&part)));
        }
    }
    all.push_str(".EE\n.RE");
    all
}

fn folded(line: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for word in line.split(' ') {
        let Some(last) = parts.last_mut() else {
            parts.push(word.to_owned());
            continue;
        };
        if last.chars().count() + 1 + word.chars().count() + 2 > ROOM {
            last.push_str(" \\");
            parts.push(format!("    {word}"));
        } else {
            last.push(' ');
            last.push_str(word);
        }
    }
    parts
}

/// A line that is no request, whatever it begins with.
fn guarded(line: &str) -> String {
    match line.starts_with(['.', '\'']) {
        true => format!("\\&{line}"),
        false => line.to_owned(),
    }
}

/// The names of pages in bold: `ip-mptcp(8)`.
fn with_pages(text: &str) -> String {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('(') {
        let (before, behind) = rest.split_at(at);
        let section = behind.as_bytes().get(1).filter(|digit| digit.is_ascii_digit());
        let is_page = section.is_some() && behind.as_bytes().get(2) == Some(&b')');
        let begin = before
            .rfind(|letter| !is_name(letter))
            .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        let (text, name) = before.split_at(begin);
        match is_page && !name.is_empty() {
            true => {
                let _ = write!(out, "{}{}", escaped(text), bold(name));
            }
            false => out.push_str(&escaped(before)),
        }
        out.push('(');
        rest = &behind[1..];
    }
    out.push_str(&escaped(rest));
    out
}

/// Characters with a meaning in roff; those beyond ASCII by their code point, so that a page reads
/// the same in every locale.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '\'' => out.push_str("\\(aq"),
            '`' => out.push_str("\\(ga"),
            '^' => out.push_str("\\(ha"),
            '~' => out.push_str("\\(ti"),
            '"' => out.push_str("\\(dq"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_command_goes_on_as_the_shell_reads_it() {
        let long = "sudo mptcpize subflow create --token 9f3a01c2 --from 10.64.9.2 --to 203.0.113.9:443 \
                    --dev wwan0 --backup";
        for (command, lines) in [(long, 2), ("mptcpize check", 1)] {
            let parts = folded(command);
            assert_eq!(parts.len(), lines, "{parts:?}");
            assert!(parts.iter().all(|part| part.chars().count() <= ROOM), "{parts:?}");
            assert_eq!(parts.join("\n").replace(" \\\n    ", " "), command);
        }
    }

    #[test]
    fn names_of_pages_and_commands_are_bold_and_nothing_is_a_request() {
        for (said, expected) in [
            ("see ip-mptcp(8), ss(8).", "see \\fBip\\-mptcp\\fR(8), \\fBss\\fR(8)."),
            ("a filter on `socket(2)`: any", "a filter on \\fBsocket(2)\\fR: any"),
            ("(default: 443) (2)", "(default: 443) (2)"),
            ("a…(8)", "a...(8)"),
            (".conf", "\\&.conf"),
            ("'x' \\ \"y\"", "\\(aqx\\(aq \\e \\(dqy\\(dq"),
        ] {
            assert_eq!(text(said), expected, "{said}");
        }
    }
}
