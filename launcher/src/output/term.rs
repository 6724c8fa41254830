//! What the reader of a screen can show: colour, UTF-8, how many columns.
//!
//! A screen is composed once, in UTF-8 and without width, and this says how it comes out: colour
//! never carries a meaning alone, and each symbol has an ASCII stand-in of the same width.
//!
//! Whether UTF-8 is shown is what the name of the locale says, and not whether this host has that
//! locale: a name that came over ssh(1) is that of the terminal in front of the user, and says what it
//! shows although nobody has generated the locale here. systemctl(1) does so too; ls(1) asks the
//! C library instead, which falls back to ASCII. No locale at all is POSIX's own, which is ASCII.

use std::borrow::Cow;
use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Are colours in use in this process? Only then may their sequences leave it.
static COLOURED: AtomicBool = AtomicBool::new(false);

/// The columns of a terminal that does not say how many it has, as a serial line, and one of a container that
/// was made a moment ago: what tput(1) takes then.
const UNTOLD: usize = 80;

/// Every sequence that [`Term::paint`] writes.
const SEQUENCES: [&str; 6] = ["\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[2m", "\x1b[1m", "\x1b[0m"];

/// The escape sequences that screens of this process may hold.
pub fn sequences() -> &'static [&'static str] {
    if COLOURED.load(Ordering::Relaxed) { &SEQUENCES } else { &[] }
}

/// How a screen is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// Escape sequences for colour are understood and wanted.
    pub colour: bool,
    /// Characters beyond ASCII can be shown.
    pub utf8: bool,
    /// Columns; `usize::MAX` where lines may be as long as they like, as in a pipe.
    pub width: usize,
}

/// `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Also into a pipe.
    Always,
    /// Not at all.
    Never,
}

/// What a piece of text says, beside its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Wants attention.
    Warning,
    /// Does not work.
    Bad,
    /// Beside the point: headings, explanations.
    Quiet,
    /// The point.
    Strong,
}

/// A piece of a line, and its tone if it has one.
pub type Piece = (String, Option<Tone>);

impl Tone {
    /// Its escape sequence (ECMA-48, select graphic rendition).
    fn code(self) -> &'static str {
        match self {
            Tone::Good => "32",
            Tone::Warning => "33",
            Tone::Bad => "31",
            Tone::Quiet => "2",
            Tone::Strong => "1",
        }
    }
}

/// Symbols and what stands for them where only ASCII is shown; each as wide as the other.
const STAND_INS: [(char, char); 30] = [
    ('●', '*'),
    ('○', 'o'),
    ('·', '.'),
    ('✓', '+'),
    ('✗', 'x'),
    ('–', '-'),
    ('…', '~'),
    ('↓', 'v'),
    ('↑', '^'),
    ('→', '>'),
    ('▸', '>'),
    ('▲', '^'),
    ('▼', 'v'),
    ('─', '-'),
    ('↵', '<'),
    ('×', 'x'),
    ('≥', '>'),
    ('▁', '.'),
    ('▂', '.'),
    ('▃', ':'),
    ('▄', '-'),
    ('▀', '"'),
    ('µ', 'u'),
    ('▅', '='),
    ('▆', '+'),
    ('▇', '*'),
    ('█', '#'),
    ('▉', '#'),
    ('▌', '='),
    ('▏', '|'),
];

/// Symbols that have room to be spelled out, outside of screens with columns.
const SPELLED: [(char, &str); 4] = [('…', "..."), ('→', "->"), ('≥', ">="), ('↵', "Enter")];

/// What stands between the parts of a line reads as a comma.
const PARTS: (&str, &str) = (" · ", ", ");

/// Does what the user sees show more than ASCII? Of this process, by its environment.
pub fn shows_utf8() -> bool {
    static SHOWS: OnceLock<bool> = OnceLock::new();
    *SHOWS.get_or_init(|| is_utf8(|name| std::env::var(name).ok()))
}

/// The first of these variables that is set counts (locale(7)).
fn is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
    locale.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// Can the cursor be moved on this terminal? Not on one that says nothing of itself, as a serial line.
pub fn can_move_cursor() -> bool {
    can_draw(|name| std::env::var(name).ok())
}

fn can_draw(variable: impl Fn(&str) -> Option<String>) -> bool {
    variable("TERM").is_some_and(|term| !term.is_empty() && term != "dumb")
}

/// A text of lines as this process may show it: without UTF-8 what has a stand-in is spelled out, and
/// any other character is written as its number, which no shell takes for a pattern.
pub fn prose(text: &str) -> Cow<'_, str> {
    if shows_utf8() { Cow::Borrowed(text) } else { spelled(text) }
}

fn spelled(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    for letter in text.replace(PARTS.0, PARTS.1).chars() {
        let spelled = SPELLED.iter().find(|(symbol, _)| *symbol == letter);
        let one = STAND_INS.iter().find(|(symbol, _)| *symbol == letter);
        match (spelled, one) {
            (Some((_, spelled)), _) => plain.push_str(spelled),
            (None, Some((_, one))) => plain.push(*one),
            (None, None) if letter.is_ascii() => plain.push(letter),
            (None, None) => drop(write!(plain, "\\u{:04x}", u32::from(letter))),
        }
    }
    Cow::Owned(plain)
}

impl Term {
    /// Without colour, in UTF-8, of any width: what a file gets.
    pub const PLAIN: Term = Term { colour: false, utf8: true, width: usize::MAX };

    /// What standard output and the environment of this process say.
    pub fn of_stdout(wanted: Colour) -> Self {
        let stdout = std::io::stdout();
        let columns = stdout.is_terminal().then(|| {
            let said = rustix::termios::tcgetwinsize(&stdout).map_or(0, |size| size.ws_col);
            if said == 0 { UNTOLD } else { usize::from(said) }
        });
        Term::new(wanted, columns, |name| std::env::var(name).ok())
    }

    /// What the environment says. `columns` is the width of the terminal on standard output, none
    /// where that is not a terminal; `COLUMNS` wins over it.
    pub fn new(
        wanted: Colour,
        columns: Option<usize>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let is_set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let colour = match wanted {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => {
                columns.is_some() && can_draw(&variable) && is_set("NO_COLOR").is_none()
            }
        };
        if colour {
            COLOURED.store(true, Ordering::Relaxed);
        }
        let utf8 = is_utf8(&variable);
        let asked = is_set("COLUMNS").and_then(|value| value.parse().ok());
        let width = asked.or(columns).filter(|width| *width > 0).unwrap_or(usize::MAX);
        Term { colour, utf8, width }
    }

    /// A text of lines, as [`prose`] has it.
    pub fn prose<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.utf8 { Cow::Borrowed(text) } else { spelled(text) }
    }

    /// The text in a tone.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        if self.colour && !text.is_empty() {
            format!("\x1b[{}m{text}\x1b[0m", tone.code())
        } else {
            text.to_owned()
        }
    }

    /// A whole screen, with what the reader cannot show replaced.
    pub fn finish(&self, screen: String) -> String {
        if self.utf8 || screen.is_ascii() {
            return screen;
        }
        screen.replace(PARTS.0, PARTS.1).chars().map(ascii).collect()
    }
}

/// What stands for a character where only ASCII is shown.
pub fn ascii(letter: char) -> char {
    match STAND_INS.iter().find(|(symbol, _)| *symbol == letter) {
        Some((_, plain)) => *plain,
        None if letter.is_ascii() => letter,
        None => '?',
    }
}

/// At most so many characters of a text; what is cut off ends in `…`. Control characters, which a
/// program may have put into its name, are left out.
pub fn clip(text: &str, width: usize) -> String {
    let clean = || text.chars().filter(|letter| !letter.is_control());
    if clean().count() <= width {
        return clean().collect();
    }
    let mut cut: String = clean().take(width.saturating_sub(1)).collect();
    if width > 0 {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term(wanted: Colour, columns: Option<usize>, variables: &[(&str, &str)]) -> Term {
        Term::new(wanted, columns, |name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn colour_is_for_terminals_unless_somebody_says_otherwise() {
        for (wanted, columns, variable, expected) in [
            (Colour::Auto, Some(80), ("TERM", "xterm"), true),
            (Colour::Auto, Some(80), ("TERM", ""), false),
            (Colour::Auto, Some(80), ("TERM", "dumb"), false),
            (Colour::Auto, None, ("TERM", "xterm"), false),
            (Colour::Always, None, ("NO_COLOR", "1"), true),
            (Colour::Never, Some(80), ("TERM", "xterm"), false),
        ] {
            let term = term(wanted, columns, &[variable]);
            assert_eq!(term.colour, expected, "{wanted:?} {columns:?} {variable:?}");
        }
        for (value, expected) in [("1", false), ("", true)] {
            let term = term(Colour::Auto, Some(80), &[("TERM", "xterm"), ("NO_COLOR", value)]);
            assert_eq!(term.colour, expected, "NO_COLOR={value}");
        }
        let painted = term(Colour::Always, None, &[]).paint(Tone::Good, "on");
        assert_eq!(painted, "\x1b[32mon\x1b[0m");
        assert_eq!(Term::PLAIN.paint(Tone::Bad, "off"), "off");
    }

    #[test]
    fn the_first_locale_that_is_set_counts() {
        for (variables, expected) in [
            (&[("LANG", "de_DE.UTF-8")][..], true),
            (&[("LANG", "de_DE.UTF-8"), ("LC_ALL", "C")], false),
            (&[("LC_CTYPE", "C.utf8")], true),
            // No host has it: the user's terminal may.
            (&[("LC_ALL", "xx_YY.UTF-8")], true),
            (&[("LC_ALL", "xx_YY")], false),
            (&[("LC_ALL", ""), ("LANG", "POSIX")], false),
            (&[], false),
        ] {
            assert_eq!(term(Colour::Auto, None, variables).utf8, expected, "{variables:?}");
        }
    }

    #[test]
    fn columns_can_be_said_and_are_endless_in_a_pipe() {
        assert_eq!(term(Colour::Auto, Some(80), &[]).width, 80);
        assert_eq!(term(Colour::Auto, Some(80), &[("COLUMNS", "60")]).width, 60);
        assert_eq!(term(Colour::Auto, None, &[("COLUMNS", "60")]).width, 60);
        assert_eq!(term(Colour::Auto, None, &[("COLUMNS", "wide")]).width, usize::MAX);
    }

    #[test]
    fn without_utf8_every_symbol_has_a_stand_in_of_its_width() {
        let term = Term { utf8: false, ..Term::PLAIN };
        assert_eq!(term.finish("● on · 2 ↓ é".into()), "* on, 2 v ?");
        assert!(STAND_INS.iter().all(|(symbol, plain)| !symbol.is_ascii() && plain.is_ascii()));
    }

    #[test]
    fn prose_without_utf8_still_reads() {
        for (text, expected) in [
            ("subflows 2 → 8", "subflows 2 -> 8"),
            ("--only <IF,…>", "--only <IF,...>"),
            ("MPTCP is on · 2 paths", "MPTCP is on, 2 paths"),
            ("· a note", ". a note"),
            ("about 15 µs", "about 15 us"),
            ("wg\u{fc}", "wg\\u00fc"),
        ] {
            assert_eq!(spelled(text), expected);
        }
    }

    #[test]
    fn a_text_is_clipped_to_whole_characters() {
        for (text, width, expected) in [
            ("wlan0", 5, "wlan0"),
            ("wlan0", 4, "wla…"),
            ("é", 1, "é"),
            ("ab", 1, "…"),
            ("a", 0, ""),
        ] {
            assert_eq!(clip(text, width), expected);
        }
        assert_eq!(clip("a\x1b[31m\nb", 9), "a[31mb");
    }
}
