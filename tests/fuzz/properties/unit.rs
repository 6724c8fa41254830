//! The files of units: what is read of them, and the drop-in that is made from it, which systemd
//! reads as root.

use std::path::{Path, PathBuf};

use mptcpize_model::unit::dropin::{self, Dropin, Mechanism};
use mptcpize_model::unit::file::{UnitText, quoted, words};
use mptcpize_model::unit::{UnitName, matches};

/// Longer patterns and names than people write make nothing else happen.
const MOST_PATTERN: usize = 64;

fn file(name: &str, text: &str) -> (PathBuf, String) {
    (PathBuf::from(name), text.to_owned())
}

/// What a unit says comes out of a drop-in as it went in, and no file makes a drop-in with a
/// setting more than was meant.
pub(crate) fn unit(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for word in words(&text) {
        assert!(word.start < word.end, "{word:?}");
        assert!(text.is_char_boundary(word.start) && text.is_char_boundary(word.end), "{word:?}");
        let again: Vec<String> = words(&quoted(&word.text)).into_iter().map(|it| it.text).collect();
        assert_eq!(again, [word.text]);
    }
    if let Ok(name) = UnitName::new(text.lines().next().unwrap_or_default()) {
        assert_eq!(UnitName::new(name.as_str()).as_ref(), Ok(&name));
        assert!(!name.as_str().contains('/') && name.as_str().is_ascii());
    }
    let mut lines = text.lines();
    if let (Some(pattern), Some(name)) = (lines.next(), lines.next())
        && pattern.len().max(name.len()) <= MOST_PATTERN
    {
        assert!(!matches(pattern, name) || matches(&format!("*{pattern}"), name));
    }
    let vendor = file("/lib/systemd/system/web.service", &text);
    let unit = UnitText::read(std::slice::from_ref(&vendor));
    let preload = unit.environment("LD_PRELOAD").map(|variable| variable.value);
    let godebug = unit.environment("GODEBUG").map(|variable| variable.value);
    let mechanism = Mechanism::Environment { preload: preload.clone(), godebug: godebug.clone() };
    let both = UnitText::read(&[vendor.clone(), rendered(mechanism)]);
    let value = |name| both.environment(name).map(|variable| variable.value);
    assert_eq!((value("LD_PRELOAD"), value("GODEBUG")), (preload, godebug));

    let list = unit.list("Service", "ExecStart");
    let commands = list.iter().flat_map(|(setting, _)| dropin::commands(setting));
    let binary = Path::new("/usr/bin/mptcpize");
    let under_run = |command: &str| dropin::under_run(command, binary, &["--via", "seccomp"]);
    let lines: Vec<String> = commands.filter_map(|command| under_run(command).ok()).collect();
    let both = UnitText::read(&[
        vendor,
        rendered(Mechanism::Run { lines: lines.clone(), why: "it is static".into() }),
    ]);
    let read: Vec<&str> = both.list("Service", "ExecStart").iter().map(|(line, _)| *line).collect();
    assert_eq!(read, lines);
    for line in &lines {
        let program = dropin::program(line);
        assert_eq!(program.as_deref(), Some("/usr/bin/mptcpize"), "{line}");
    }
}

/// The drop-in, which has as many lines for systemd as it has for us.
fn rendered(mechanism: Mechanism) -> (PathBuf, String) {
    let name = mechanism.name();
    let settings = match &mechanism {
        Mechanism::Environment { preload, godebug } => preload.iter().chain(godebug).count(),
        Mechanism::Run { lines, .. } => lines.len() + 1,
        Mechanism::Socket(back) => back.map_or(1, |_| 3),
    };
    let dropin = Dropin {
        unit: UnitName::new("web.service").expect("a literal name"),
        mechanism,
        variables: Vec::new(),
        after_setup: false,
        bind: Vec::new(),
        executable: Vec::new(),
        made: Vec::new(),
    };
    let text = dropin.render();
    // systemd ends a line at each of these (`read_line`, basic/fileio.c).
    let lines = text.split(['\n', '\r', '\0']);
    let count = lines.filter(|line| !line.is_empty() && !line.starts_with(['#', '['])).count();
    assert_eq!(count, settings, "{text:?}");
    assert!(
        dropin::is_ours(&text) && (settings == 0 || dropin::mechanism(&text) == name),
        "{text:?}"
    );
    file("/etc/systemd/system/web.service.d/50-mptcpize.conf", &text)
}
