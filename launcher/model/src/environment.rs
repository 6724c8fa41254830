//! The files that give every service and session its environment: their text with our variables
//! in it, and without. Pure text; every other line is kept.

/// The first and the last line of our block in /etc/environment, a file that others own.
const BEGIN: &str = "# mptcpize enable --system --via environment; off: mptcpize disable --system";
/// The first line of the block where we made the file: it goes with the block.
const BEGIN_NEW: &str =
    "# mptcpize enable --system --via environment made this file; off: mptcpize disable --system";
const END: &str = "# mptcpize: end";

/// The last line of a file of ours whose directory was not there before.
pub const MADE_DIRECTORY: &str = "# The directory was made with this file.\n";

/// A dollar sign, for environment.d(5).
const DOLLAR: &str = "${MPTCPIZE_DOLLAR:-$}";

/// Our variables: the library, and what Go takes instead of one.
fn variables(library: &str, with_go: bool) -> Vec<String> {
    let mut all = vec![format!("LD_PRELOAD={library}")];
    if with_go {
        all.push(String::from("GODEBUG=multipathtcp=1"));
    }
    all
}

/// Does a line that is no comment set this variable?
pub fn sets(text: &str, variable: &str) -> bool {
    let assignment = format!("{variable}=");
    let is_code = |line: &&str| !line.trim_start().starts_with(['#', ';']);
    text.lines().filter(is_code).any(|line| {
        line.match_indices(&assignment).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            before.is_none_or(|letter| !letter.is_alphanumeric() && letter != '_')
        })
    })
}

/// The libraries that lines which are no comments preload: the values of `LD_PRELOAD` as their readers take them.
pub fn preloads(text: &str) -> Vec<String> {
    let is_code = |line: &&str| !line.trim_start().starts_with(['#', ';']);
    let value = |line: &str| {
        let (before, value) = line.split_once("LD_PRELOAD=")?;
        let ends = before.chars().next_back();
        let value = value.trim_start_matches('"').split(['"', ' ', '\t']).next()?;
        let is_name = ends.is_none_or(|letter| !letter.is_alphanumeric() && letter != '_');
        is_name.then(|| value.replace(DOLLAR, "$"))
    };
    let all = text.lines().filter(is_code).filter_map(value);
    all.flat_map(|value| value.split(':').map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// The drop-in of the system's service manager (systemd-system.conf(5)). Services of another
/// `LD_PRELOAD=` have that one.
pub fn manager(library: &str) -> String {
    let all: Vec<String> =
        variables(library, true).iter().map(|variable| format!("\"{variable}\"")).collect();
    format!(
        "# Every service uses MPTCP: mptcpize enable --system --via environment\n\
         # Off: mptcpize disable --system\n[Manager]\nDefaultEnvironment={}\n",
        all.join(" ")
    )
}

/// The file of environment.d(5), for the service managers of users. They read /etc/environment
/// too (99-environment.conf leads there), but take its `$LIB` for a variable that is not set; so
/// this one is named to come after it.
pub fn users(library: &str) -> String {
    // No escape of a dollar sign holds in every place there; but the default of a variable that
    // nobody sets can be one.
    let library = library.replace('$', DOLLAR);
    format!(
        "# Every program of a session uses MPTCP: mptcpize enable --system --via environment\n\
         # Off: mptcpize disable --system\n\
         LD_PRELOAD={library}\n"
    )
}

/// /etc/environment, which PAM reads for log-ins (pam_env(8)), with our block at its end.
pub fn with(before: Option<&str>, library: &str) -> String {
    let made = before.is_none_or(|text| text.contains(BEGIN_NEW));
    let mut text = without(before.unwrap_or_default()).unwrap_or_default();
    let go = !sets(&text, "GODEBUG");
    let open = !text.is_empty() && !text.ends_with('\n');
    if open {
        text.push('\n');
    }
    let mut lines = vec![String::from(if made { BEGIN_NEW } else { BEGIN })];
    lines.extend(variables(library, go));
    lines.push(END.into());
    text.push_str(&lines.join("\n"));
    if !open {
        text.push('\n');
    }
    text
}

/// The text without our block; `None` where the file should be removed, because we made it and
/// nothing else is in it.
pub fn without(before: &str) -> Option<String> {
    let made = before.contains(BEGIN_NEW);
    let mut text = String::with_capacity(before.len());
    let mut inside = false;
    for line in before.split_inclusive('\n') {
        let bare = line.trim_end();
        if bare == BEGIN || bare == BEGIN_NEW {
            inside = true;
        } else if inside && bare == END {
            inside = false;
            // The line feed that we put before ours when the last line had none.
            if !line.ends_with('\n') && text.ends_with('\n') {
                text.pop();
            }
        } else if !inside {
            text.push_str(line);
        }
    }
    if text.is_empty() && made { None } else { Some(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_and_out_again_keeps_every_byte() {
        let table = [
            None,
            Some(""),
            Some("PATH=/bin\n"),
            Some("PATH=/bin"),
            Some("# a comment\n\nLANG=C\n\n"),
            Some("\n"),
        ];
        for before in table {
            let on = with(before, "/x.so");
            assert!(on.contains("\nLD_PRELOAD=/x.so\n"), "{on}");
            assert_eq!(with(Some(&on), "/x.so"), on, "twice is once");
            let other = with(Some(&on), "/y.so");
            assert!(other.contains("/y.so") && !other.contains("/x.so"), "replaced: {other}");
            assert_eq!(without(&other).as_deref(), before, "{other}");
            assert_eq!(without(before.unwrap_or_default()).as_deref(), before.or(Some("")));
        }
    }

    #[test]
    fn a_variable_that_others_set_is_seen() {
        let table = [
            ("LD_PRELOAD=/a.so\n", true),
            ("export LD_PRELOAD=/a.so\n", true),
            ("DefaultEnvironment=A=1 \"LD_PRELOAD=/a.so\"\n", true),
            ("# LD_PRELOAD=/a.so\n", false),
            ("  ; LD_PRELOAD=/a.so\n", false),
            ("MY_LD_PRELOAD=/a.so\n", false),
            ("LD_PRELOADED=/a.so\n", false),
            ("", false),
        ];
        for (text, expected) in table {
            assert_eq!(sets(text, "LD_PRELOAD"), expected, "{text}");
        }
        let on = with(Some("GODEBUG=x=1\n"), "/x.so");
        assert_eq!(on.matches("GODEBUG").count(), 1, "theirs alone: {on}");
    }
}
