//! Text of foreign origin, made harmless for a terminal: process names, names of files and links,
//! `#!` lines, what systemd, settings and peers say.
//!
//! [`words`] is for a piece that goes into a line of ours, and leaves nothing in it that could end
//! the line. [`screen`] is for whole screens where they leave, and is the last guard: it keeps our
//! line feeds and our own colours, and nothing else that a terminal would obey.
//!
//! Both write a character as JSON does (`\u001b`), so that a JSON text stays one.

use std::borrow::Cow;
use std::fmt::Write;

/// Does a terminal obey it, or does it turn the order of what is shown? Control characters of
/// either set (C0, C1, DEL), and Unicode's marks, embeddings and separators of lines.
fn is_obeyed(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

fn escape(into: &mut String, letter: char) {
    // What is obeyed lies in the plane that has four digits.
    let _ = write!(into, "\\u{:04x}", u32::from(letter));
}

/// A piece of foreign text as a part of a line.
pub fn words(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if is_obeyed(letter) { escape(&mut plain, letter) } else { plain.push(letter) }
    }
    Cow::Owned(plain)
}

/// A whole text as it leaves; `colours` are the escape sequences of ours that may stay.
pub fn screen<'a>(text: &'a str, colours: &[&str]) -> Cow<'a, str> {
    let stays = |letter: char| matches!(letter, '\n' | '\t') || !is_obeyed(letter);
    if text.chars().all(stays) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let own = colours.iter().find(|own| rest.starts_with(**own));
        let length = match own {
            Some(own) => {
                plain.push_str(own);
                own.len()
            }
            None if stays(letter) => {
                plain.push(letter);
                letter.len_utf8()
            }
            None => {
                escape(&mut plain, letter);
                letter.len_utf8()
            }
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_shown_and_not_sent() {
        for (text, expected) in [
            ("plain é → ●", "plain é → ●"),
            ("\x1b[31mred\n", "\\u001b[31mred\\u000a"),
            ("\u{9b}2J\x7f\r", "\\u009b2J\\u007f\\u000d"),
            ("a\u{202e}b\u{2028}", "a\\u202eb\\u2028"),
        ] {
            assert_eq!(words(text), expected);
        }
    }

    #[test]
    fn our_lines_and_colours_stay_on_a_screen_and_nothing_else() {
        let own = ["\x1b[32m", "\x1b[0m"];
        for (text, colours, expected) in [
            ("one\n\ttwo\n", &own[..], "one\n\ttwo\n"),
            ("\x1b[32mon\x1b[0m\n", &own, "\x1b[32mon\x1b[0m\n"),
            ("\x1b[32mon\x1b[0m\n", &[], "\\u001b[32mon\\u001b[0m\n"),
            ("\x1b[8mhidden\x1b]0;title\x07", &own, "\\u001b[8mhidden\\u001b]0;title\\u0007"),
            ("\x1b\x1b[32m\u{9b}", &own, "\\u001b\x1b[32m\\u009b"),
        ] {
            assert_eq!(screen(text, colours), expected);
        }
    }

    #[test]
    fn json_stays_json() {
        let text = "{\"name\":\"a\u{9b}b\u{7f}\u{202e}\"}\n";
        let value: serde_json::Value =
            serde_json::from_str(&screen(text, &[])).expect("it is still JSON");
        assert_eq!(value["name"], "a\u{9b}b\u{7f}\u{202e}");
    }
}
