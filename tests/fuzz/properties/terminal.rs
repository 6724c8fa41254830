//! Names and texts of strangers on their way to a terminal, and into lines for pasting.

use mptcpize_model::plain;
use mptcpize_model::shell;

use super::shell_words;

const COLOURS: [&str; 2] = ["\u{1b}[32m", "\u{1b}[0m"];

/// Nothing that a terminal obeys gets through but our own colours, what it does not obey is left
/// alone, and a shell reads a quoted word as it was.
pub(crate) fn terminal(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let words = plain::words(&text);
    assert!(!words.contains(char::is_control), "{words:?}");
    assert_eq!(plain::words(&words), words, "twice is once");
    let screen = plain::screen(&text, &COLOURS);
    let rest = COLOURS.iter().fold(screen.to_string(), |rest, own| rest.replace(own, ""));
    let obeyed = |letter: char| letter.is_control() && letter != '\n' && letter != '\t';
    assert!(!rest.contains(obeyed), "{screen:?}");
    let kept = |text: &str| text.chars().filter(|letter| letter.is_alphabetic()).count();
    assert!(kept(&words) >= kept(&text));

    let names: Vec<&str> = text.split('/').collect();
    let line = shell::line(&names);
    assert_eq!(shell_words(&line), names, "{line}");
    assert!(!line.contains(char::is_control), "{line:?}");
}
