//! What the files of a unit say (systemd.syntax(7)): settings in the order of the files, lists
//! that an empty assignment resets, words with their quotes, and back again.
//!
//! Specifiers (`%h`) stay as they are, so that what is copied into a drop-in still means what it
//! meant. Not here: which files a unit has; systemd says that.

use std::path::{Path, PathBuf};

/// One `Key=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Assignment {
    section: String,
    key: String,
    value: String,
    /// Which of the files has it.
    file: usize,
}

/// All files of a unit, in the order in which they count: the unit's own, then its drop-ins.
#[derive(Clone, Debug, Default)]
pub struct UnitText {
    files: Vec<PathBuf>,
    assignments: Vec<Assignment>,
}

/// A word of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Without its quotes and escapes.
    pub text: String,
    /// Where it begins and ends in the setting, quotes included.
    pub start: usize,
    /// The byte behind it.
    pub end: usize,
}

/// A variable that a unit sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable<'a> {
    /// Its value, specifiers as they are.
    pub value: String,
    /// The file that has the last say.
    pub file: &'a Path,
}

impl UnitText {
    /// Reads files in the order given.
    pub fn read(files: &[(PathBuf, String)]) -> Self {
        let mut unit = UnitText::default();
        for (index, (path, text)) in files.iter().enumerate() {
            unit.files.push(path.clone());
            unit.add(index, text);
        }
        unit
    }

    fn add(&mut self, file: usize, text: &str) {
        let mut section = String::new();
        let mut pending = String::new();
        for line in lines(text) {
            let trimmed = line.trim_matches(BLANKS);
            // A comment between two continued lines does not end them.
            if trimmed.starts_with(['#', ';']) || (trimmed.is_empty() && pending.is_empty()) {
                continue;
            }
            pending.push_str(if pending.is_empty() {
                line.trim_start_matches(BLANKS)
            } else {
                line
            });
            if is_continued(line) {
                pending.pop();
                pending.push(' ');
                continue;
            }
            self.line(file, &mut section, pending.trim_matches(BLANKS));
            pending.clear();
        }
        self.line(file, &mut section, pending.trim_matches(BLANKS));
    }

    fn line(&mut self, file: usize, section: &mut String, line: &str) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(section);
        } else if let Some((key, value)) = line.split_once('=') {
            self.assignments.push(Assignment {
                section: section.clone(),
                key: key.trim_end_matches(BLANKS).to_owned(),
                value: value.trim_start_matches(BLANKS).to_owned(),
                file,
            });
        }
    }

    fn of<'a>(&'a self, section: &'a str, key: &'a str) -> impl Iterator<Item = &'a Assignment> {
        self.assignments.iter().filter(move |one| one.section == section && one.key == key)
    }

    /// Every assignment of a list since the last that is empty, with the file it is from.
    pub fn list<'a>(&'a self, section: &'a str, key: &'a str) -> Vec<(&'a str, &'a Path)> {
        let mut values = Vec::new();
        for Assignment { value, file, .. } in self.of(section, key) {
            if value.is_empty() {
                values.clear();
            } else {
                values.push((value.as_str(), self.file(*file)));
            }
        }
        values
    }

    /// Every assignment of a list that an empty one does not reset: the dependencies of `[Unit]`.
    pub fn all<'a>(&'a self, section: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.of(section, key).map(|one| one.value.as_str())
    }

    /// The last assignment of a single setting; `None` where it is empty or missing.
    pub fn last<'a>(&'a self, section: &'a str, key: &'a str) -> Option<&'a str> {
        self.of(section, key).last().map(|one| one.value.as_str()).filter(|value| !value.is_empty())
    }

    /// A variable of `Environment=`.
    pub fn environment(&self, name: &str) -> Option<Variable<'_>> {
        let mut found = None;
        for (setting, file) in self.list("Service", "Environment") {
            for word in words(setting) {
                if let Some((_, value)) = word.text.split_once('=').filter(|(key, _)| *key == name)
                {
                    found = Some(Variable { value: value.to_owned(), file });
                }
            }
        }
        found
    }

    /// A drop-in whose name sorts behind `name`, and so counts after it, that empties a list.
    pub fn reset_behind(&self, key: &str, name: &str) -> Option<&Path> {
        self.of("Service", key)
            .filter(|one| one.value.is_empty())
            .map(|one| self.file(one.file))
            .find(|file| counts_behind(file, name))
    }

    fn file(&self, index: usize) -> &Path {
        self.files.get(index).map_or(Path::new(""), PathBuf::as_path)
    }
}

/// The lines of a file. Each of these ends one (`read_line_full` of systemd, basic/fileio.c).
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split(['\n', '\r', '\0'])
}

/// Does a line go on in the next? Two backslashes at its end are one that does not continue it.
pub fn is_continued(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// Is it a drop-in that sorts behind this name?
pub fn counts_behind(file: &Path, name: &str) -> bool {
    file.extension().is_some_and(|kind| kind == "conf")
        && file.file_name().is_some_and(|own| own > name)
}

/// What separates words and surrounds lines (`WHITESPACE` of systemd, basic/string-util.h): no
/// other character does, though Unicode has more that are blank.
const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// The words of a setting, with quotes and C escapes resolved as systemd does.
pub fn words(setting: &str) -> Vec<Word> {
    let mut found = Vec::new();
    let mut letters = setting.char_indices().peekable();
    while let Some((start, letter)) = letters.peek().copied() {
        if BLANKS.contains(&letter) {
            letters.next();
            continue;
        }
        // Bytes, because an escape is one byte and a letter may be written as several.
        let mut text = Vec::new();
        let mut quote = None;
        let mut end = setting.len();
        while let Some((at, letter)) = letters.next() {
            match (letter, quote) {
                ('\\', _) => escape(&mut letters, &mut text),
                (letter, Some(open)) if letter == open => quote = None,
                ('"' | '\'', None) => quote = Some(letter),
                (letter, None) if BLANKS.contains(&letter) => {
                    end = at;
                    break;
                }
                (letter, _) => push(&mut text, letter),
            }
        }
        found.push(Word { text: String::from_utf8_lossy(&text).into_owned(), start, end });
    }
    found
}

fn push(text: &mut Vec<u8>, letter: char) {
    text.extend(letter.encode_utf8(&mut [0; 4]).bytes());
}

/// What follows a backslash (`cunescape_one` of systemd, basic/escape.c). A number that is none, or
/// 0, which no string can hold, gives nothing.
fn escape(letters: &mut std::iter::Peekable<std::str::CharIndices<'_>>, text: &mut Vec<u8>) {
    let Some((_, letter)) = letters.next() else { return text.push(b'\\') };
    let mut number = |radix: u32, digits: usize, first: Option<char>| {
        let mut text: String = first.into_iter().collect();
        while text.len() < digits
            && let Some((_, digit)) = letters.next_if(|(_, digit)| digit.is_digit(radix))
        {
            text.push(digit);
        }
        u32::from_str_radix(&text, radix).ok().filter(|number| *number != 0)
    };
    let byte = |number: Option<u32>| number.and_then(|number| u8::try_from(number).ok());
    let unicode = |number: Option<u32>| number.and_then(char::from_u32);
    match letter {
        'x' => text.extend(byte(number(16, 2, None))),
        '0'..='7' => text.extend(byte(number(8, 3, Some(letter)))),
        'u' => unicode(number(16, 4, None)).into_iter().for_each(|it| push(text, it)),
        'U' => unicode(number(16, 8, None)).into_iter().for_each(|it| push(text, it)),
        'a' => text.push(0x07),
        'b' => text.push(0x08),
        'f' => text.push(0x0c),
        'n' => text.push(b'\n'),
        'r' => text.push(b'\r'),
        't' => text.push(b'\t'),
        'v' => text.push(0x0b),
        's' => text.push(b' '),
        other => push(text, other),
    }
}

/// A word in quotes, so that [`words`] reads it back as it is.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            // Either would end the line for systemd.
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// A literal text where specifiers are resolved.
pub fn literal(text: &str) -> String {
    text.replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(files: &[(&str, &str)]) -> UnitText {
        let files: Vec<(PathBuf, String)> =
            files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect();
        UnitText::read(&files)
    }

    #[test]
    fn a_later_file_adds_and_an_empty_setting_resets() {
        let unit = unit(&[
            ("/l/a.service", "[Unit]\nX=1\n[Service]\nEnvironment=A=1 B=2\nEnvironment=A=3\n"),
            ("/e/10-x.conf", "[Service]\n Environment = \"C=a b\" \\\n# why\n  'D=\"q\"'\n"),
            ("/e/60-y.conf", "[Service]\nExecStart=\nExecStart=/bin/x\nEnvironment=B=9\n"),
        ]);
        let value = |name| unit.environment(name).map(|variable| variable.value);
        assert_eq!(value("A").as_deref(), Some("3"));
        assert_eq!(value("B").as_deref(), Some("9"));
        assert_eq!(value("C").as_deref(), Some("a b"));
        assert_eq!(value("D").as_deref(), Some("\"q\""));
        assert_eq!(value("E"), None);
        assert_eq!(unit.last("Unit", "X"), Some("1"));
        assert_eq!(unit.list("Service", "ExecStart"), [("/bin/x", Path::new("/e/60-y.conf"))]);
        let reset = |key| unit.reset_behind(key, "50-mptcpize.conf");
        assert_eq!(reset("ExecStart"), Some(Path::new("/e/60-y.conf")));
        assert_eq!(reset("Environment"), None);
    }

    #[test]
    fn an_empty_environment_forgets_the_vendors() {
        let unit = unit(&[
            ("/l/a.service", "[Service]\nEnvironment=LD_PRELOAD=/a.so\n"),
            ("/e/a.conf", "[Service]\nEnvironment=\n"),
        ]);
        assert_eq!(unit.environment("LD_PRELOAD"), None);
    }

    #[test]
    fn lines_end_and_go_on_as_they_do_for_systemd() {
        let unit = unit(&[(
            "/l/a.service",
            "[Service]\r\nA=1\rB=2\0C=3\nD=x\\\n  y\nE=x\\\\\nF=z\n[Service]\nG=1\\",
        )]);
        let table = [
            ("A", Some("1")),
            ("B", Some("2")),
            ("C", Some("3")),
            ("D", Some("x   y")),
            ("E", Some(r"x\\")),
            ("F", Some("z")),
            ("G", Some("1")),
        ];
        for (key, expected) in table {
            assert_eq!(unit.last("Service", key), expected, "{key}");
        }
    }

    #[test]
    fn a_file_of_continued_lines_is_read_in_one_go() {
        // Copying all that was read at each line would take minutes.
        let text = format!("[Service]\nA=1{}\n", "\\\n".repeat(400_000));
        assert_eq!(unit(&[("/l/a.service", &text)]).last("Service", "A"), Some("1"));
    }

    #[test]
    fn words_are_read_as_systemd_reads_them() {
        let table: [(&str, &[&str]); 12] = [
            ("a b", &["a", "b"]),
            ("  \"a b\"  c", &["a b", "c"]),
            ("'a \"b'", &["a \"b"]),
            (r#""a \"b\" \\ c""#, &[r#"a "b" \ c"#]),
            (r"\x41\x20B \101 \s", &["A B", "A", " "]),
            ("x=\"a b\"y", &["x=a by"]),
            ("%h/$X ${Y}", &["%h/$X", "${Y}"]),
            ("\"open", &["open"]),
            ("a\u{a0}b", &["a\u{a0}b"]),
            (r"\xc3\xa9\303\251\u00e9", &["ééé"]),
            (r"a\x00b\0c", &["abc"]),
            (r"\777", &[""]),
        ];
        for (text, expected) in table {
            let read: Vec<String> = words(text).into_iter().map(|word| word.text).collect();
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn what_is_quoted_is_read_back() {
        for text in
            ["", "a", "a b", "\"", "\\", "a\nb", "a\r\nb", "%h \\\" '", "LD_PRELOAD=%t/x.so:/l.so"]
        {
            let read = words(&quoted(text));
            assert_eq!(read.len(), 1, "{text:?}");
            assert_eq!(read[0].text, text);
        }
    }
}
