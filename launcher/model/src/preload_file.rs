//! The text of /etc/ld.so.preload: our line put in and taken out, every other byte kept.
//!
//! Its form, as ld.so(8) reads it: names separated by blanks, tabs, line feeds or colons; from `#`
//! to the end of the line a comment. Pure text; bytes, because the names are.
//!
//! Our line is the name alone. A comment would say why it is there, but glibc (2.36, rtld.c) looks
//! for the second comment of a file in the wrong place and takes its words for names.

/// What stands behind our name when the file was not there before: taking the name out then
/// removes the file. A separator more means nothing to ld.so.
const MADE: &[u8] = b" \n";

/// The text with `library` in it and without other names that are ours. `before` is `None` where
/// there is no file.
pub fn with(before: Option<&[u8]>, library: &str, is_ours: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let made = before.is_none_or(|before| made_by_us(before, &is_ours));
    let mut text = without(before.unwrap_or_default(), &is_ours).unwrap_or_default();
    // Behind the others, so that theirs see the program's calls first, as they did; but before a
    // last line that does not end: ld.so takes a comment there for a name.
    let at = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let end = if made { MADE } else { b"\n" };
    text.splice(at..at, [library.as_bytes(), end].concat());
    text
}

/// The names in the text, in their order.
pub fn names(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let code = |line: &[u8]| line.iter().position(|byte| *byte == b'#').unwrap_or(line.len());
    text.split(|byte| *byte == b'\n')
        .flat_map(move |line| line[..code(line)].split(|byte| is_separator(*byte)))
        .filter(|name| !name.is_empty())
}

/// The text without our names; `None` where the file should be removed, because we made it and
/// nothing else is in it.
pub fn without(before: &[u8], is_ours: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    let mut text: Vec<u8> = Vec::with_capacity(before.len());
    for line in before.split_inclusive(|byte| *byte == b'\n') {
        let code = line.iter().position(|byte| *byte == b'#').unwrap_or(line.len());
        let mut names = line[..code].split(|byte| is_separator(*byte));
        if !names.any(&is_ours) {
            text.extend_from_slice(line);
            continue;
        }
        let others = line[..code].split(|byte| is_separator(*byte));
        let others = others.filter(|name| !name.is_empty() && !is_ours(name)).count();
        if others == 0 && line[code..].is_empty() {
            continue;
        }
        // Somebody put more into our line: only the name goes, with the separator behind it.
        let mut at = 0;
        while at < code {
            let end = line[at..code].iter().position(|byte| is_separator(*byte));
            let end = end.map_or(code, |end| at + end);
            let next = (end + 1).min(code);
            if end == at || !is_ours(&line[at..end]) {
                text.extend_from_slice(&line[at..next]);
            } else if line.get(end) == Some(&b'\n') {
                text.push(b'\n');
            }
            at = next;
        }
        text.extend_from_slice(&line[code..]);
    }
    if text.is_empty() && made_by_us(before, &is_ours) { None } else { Some(text) }
}

/// Is a line of ours there that says so?
fn made_by_us(text: &[u8], is_ours: impl Fn(&[u8]) -> bool) -> bool {
    let mut lines = text.split_inclusive(|byte| *byte == b'\n');
    lines.any(|line| line.strip_suffix(MADE).is_some_and(&is_ours))
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "/usr/$LIB/mptcpize/libmptcpize-system-1.so";

    fn is_ours(name: &[u8]) -> bool {
        name.windows(18).any(|window| window == b"libmptcpize-system")
    }

    #[test]
    fn in_and_out_again_keeps_every_byte() {
        let table: [(&str, Option<&[u8]>); 12] = [
            ("no file", None),
            ("an empty file", Some(b"")),
            ("one line", Some(b"/usr/lib/libsnoopy.so\n")),
            ("a last line without an end", Some(b"/usr/lib/libsnoopy.so")),
            ("a comment without an end", Some(b"# nothing")),
            ("a name and a blank", Some(b"/a.so \n")),
            ("blank lines", Some(b"\n\n\n")),
            ("several in a line", Some(b"/a.so:/b.so /c.so\t/d.so\n")),
            ("comments and blanks", Some(b"# one\n  /a.so   # why\n\n#\n")),
            ("line ends of another system", Some(b"/a.so\r\n")),
            ("bytes that are no text", Some(b"/\xff\xfe.so\n\0\n")),
            ("blanks alone", Some(b"   ")),
        ];
        for (name, before) in table {
            let on = with(before, OURS, is_ours);
            assert!(
                names(&on).any(|name| name == OURS.as_bytes()),
                "{name}: {}",
                on.escape_ascii()
            );
            for other in names(before.unwrap_or_default()) {
                assert!(names(&on).any(|name| name == other), "{name}: {}", on.escape_ascii());
            }
            assert_eq!(with(Some(&on), OURS, is_ours), on, "{name}: twice is once");
            let off = without(&on, is_ours);
            assert_eq!(off.as_deref(), before, "{name}: {}", on.escape_ascii());
            let again = without(before.unwrap_or_default(), is_ours);
            assert_eq!(again.as_deref(), Some(before.unwrap_or_default()), "{name}: not ours");
        }
    }

    #[test]
    fn another_release_is_replaced_and_lines_that_were_touched_keep_the_rest() {
        let table: [(&str, &[u8], &[u8]); 6] = [
            ("no comment", b"/x/libmptcpize-system-0.so\n", b""),
            ("its own comment", b"/x/libmptcpize-system-0.so # mine\n/a.so\n", b"# mine\n/a.so\n"),
            ("before others", b"/x/libmptcpize-system-0.so /a.so\n", b"/a.so\n"),
            ("behind others", b"/a.so:/x/libmptcpize-system-0.so\n/b.so", b"/a.so:\n/b.so"),
            ("between others", b"/a.so /x/libmptcpize-system-0.so /b.so", b"/a.so /b.so"),
            ("in a comment", b"# /x/libmptcpize-system-0.so\n", b"# /x/libmptcpize-system-0.so\n"),
        ];
        for (name, before, after) in table {
            let found = without(before, is_ours).expect("a file stays");
            assert_eq!(
                found.escape_ascii().to_string(),
                after.escape_ascii().to_string(),
                "{name}"
            );
            let on = with(Some(before), OURS, is_ours);
            let ours = names(&on).filter(|name| is_ours(name)).count();
            assert_eq!(ours, 1, "{name}: {}", on.escape_ascii());
        }
    }
}
