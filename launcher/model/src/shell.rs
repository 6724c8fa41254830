//! Words of a command line as a shell takes them, so that every line that is printed for pasting
//! does what it says, whatever the names in it: an interface may be called `a;id` or `$(id)`.
//!
//! Quotes do not help where a program takes a name for an option: [`operand`] and [`option`] are for
//! names that may begin with a hyphen. Not here: running anything.

use std::fmt::{Display, Write};

/// One word: as it is where no shell reads anything into it (`eth0.10`), else quoted (`'a;id'`).
pub fn word(text: impl Display) -> String {
    let text = text.to_string();
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "%+,-./:=@_".contains(letter);
    // zsh expands a leading `=` to the path of a command.
    if !text.is_empty() && text.chars().all(plain) && !text.starts_with('=') {
        return text;
    }
    if !text.contains(char::is_control) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    // What would move a terminal's cursor is written as its number (POSIX.1-2024, bash, zsh, ksh).
    let mut quoted = String::from("$'");
    for letter in text.chars() {
        match letter {
            '\\' | '\'' => quoted.extend(['\\', letter]),
            _ if letter.is_control() => {
                for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
                    // The standard has it that writing to a String cannot fail.
                    let _ = write!(quoted, "\\{byte:03o}");
                }
            }
            _ => quoted.push(letter),
        }
    }
    quoted.push('\'');
    quoted
}

/// The last word of a line, for a program that takes options: behind `--` where it looks like one.
pub fn operand(text: impl Display) -> String {
    operands([text])
}

/// The last words of a line, quoted for a shell, with `--` before them where one begins with `-`.
pub fn operands<T: Display>(texts: impl IntoIterator<Item = T>) -> String {
    let texts: Vec<String> = texts.into_iter().map(|text| text.to_string()).collect();
    let ends = if texts.iter().any(|text| text.starts_with('-')) { "-- " } else { "" };
    format!("{ends}{}", line(texts))
}

/// A long option with its value: as two words, or as one where the value looks like an option.
pub fn option(name: &str, value: impl Display) -> String {
    let value = value.to_string();
    match value.starts_with('-') {
        true => word(format!("{name}={value}")),
        false => format!("{name} {}", word(value)),
    }
}

/// A whole line.
pub fn line<T: Display>(words: impl IntoIterator<Item = T>) -> String {
    words.into_iter().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What interfaces, namespaces, units and comments have been called, or could be.
    const NAMES: [&str; 28] = [
        "eth0", "eth0.10", "br-lan", "a;id", "$(id)", "`id`", "x'y", "x\"y", "'", "''", "a\\b",
        "\\", "-v", "--help", "-", "--", "*", "?", "[x]", "{a,b}", "~", "#x", "!x", "=ls", "a b",
        "a&b|c", "wg\u{fc}", "",
    ];

    /// What a shell makes of a line.
    fn read(shell: &str, line: &str) -> Vec<String> {
        let script = format!("printf '%s\\0' {line}");
        let output = Command::new(shell).args(["-c", &script]).output().expect("it is installed");
        assert!(output.status.success() && output.stderr.is_empty(), "{line}: {output:?}");
        let text = String::from_utf8(output.stdout).expect("it was text");
        text.strip_suffix('\0')
            .expect("each word has its end")
            .split('\0')
            .map(String::from)
            .collect()
    }

    #[test]
    fn a_shell_reads_each_word_as_it_was() {
        for shell in ["sh", "bash"] {
            let all = line(NAMES);
            assert_eq!(read(shell, &all), NAMES, "{all}");
            for name in NAMES {
                assert_eq!(read(shell, &word(name)), [name], "{shell}");
            }
        }
        for odd in ["\u{1b}[2J", "a\u{7}'b\\", "a\nb", "\u{9b}x"] {
            let quoted = word(odd);
            assert!(!quoted.contains(char::is_control), "{quoted:?}");
            assert_eq!(read("bash", &quoted), [odd]);
        }
    }

    #[test]
    fn what_needs_no_quotes_has_none() {
        for plain in ["eth0.10", "net.ipv4.conf.eth0/10.rp_filter=1", "[x]y", "user@1.service"] {
            assert_eq!(word(plain) == plain, !plain.contains('['), "{plain}");
        }
    }

    #[test]
    fn a_name_that_looks_like_an_option_is_none() {
        let table = [
            (operand("nginx.service"), "nginx.service"),
            (operand("-v.service"), "-- -v.service"),
            (operand("a;id"), "'a;id'"),
            (operands(["a.service", "-v.service"]), "-- a.service -v.service"),
            (option("--netns", "lab"), "--netns lab"),
            (option("--netns", "-v"), "--netns=-v"),
            (option("--gateway", "x'y=ADDRESS"), r"--gateway 'x'\''y=ADDRESS'"),
            (option("--gateway", "-$=ADDRESS"), "'--gateway=-$=ADDRESS'"),
        ];
        for (made, expected) in table {
            assert_eq!(made, expected);
        }
    }
}
