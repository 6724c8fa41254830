//! The screens of `enable --system` and `disable --system`.

use std::fmt::Write;

use serde_json::{Value, json};

use mptcpize_model::phrase;
use mptcpize_model::plain;

/// One file that changes.
pub struct Row {
    /// `+` made, `-` removed, `~` changed.
    pub sign: char,
    /// The file, as a path below the root.
    pub path: String,
    /// What the change is for, as a clause.
    pub why: &'static str,
}

/// A line for each file.
pub(super) fn table(rows: &[Row]) -> String {
    let mut text = String::new();
    let width = rows.iter().map(|row| row.path.chars().count()).max().unwrap_or(0).min(52);
    for Row { sign, path, why } in rows {
        let path = plain::words(path);
        let _ = writeln!(text, "  {sign} {path:<width$}  {why}");
    }
    text
}

/// The same as JSON.
pub(super) fn changes(rows: &[Row]) -> Vec<Value> {
    let change =
        |row: &Row| json!({ "sign": row.sign.to_string(), "path": row.path, "reason": row.why });
    rows.iter().map(change).collect()
}

fn plural(rows: &[Row]) -> String {
    phrase::count(rows.len(), "file")
}

/// What `enable --system` did, or would do; `tried` commands passed the self-test.
pub fn enabled(
    rows: &[Row],
    by_preload: bool,
    dry_run: bool,
    tried: Option<usize>,
    json: bool,
) -> String {
    let via = if by_preload { "preload" } else { "environment" };
    if json {
        let object = json!({
            "version": 1,
            "via": via,
            "changes": changes(rows),
            "tried": tried,
            "dry_run": dry_run,
        });
        return format!("{object}\n");
    }
    if rows.is_empty() {
        return format!("already on for every program (via {via})\n");
    }
    if dry_run {
        return format!(
            "Would change {} on this host (nothing was changed):\n\n{}\n\
             Before anything names the library, the programs that a host needs to boot are tried\n\
             with it.\nApply: sudo mptcpize enable --system      \
             Off any time: sudo mptcpize disable --system\n",
            plural(rows),
            table(rows)
        );
    }
    let tried = tried.map_or(String::new(), |count| format!("{count} commands tried first; "));
    format!(
        "on for every program that starts from now on ({tried}off: mptcpize disable --system)\n\
         what runs already has it after a restart, at the latest after a reboot\n"
    )
}

/// Names of one kind that are shown.
const MOST_NAMES: usize = 8;

/// Whom `--via environment` reaches: log-ins, by the names of their stacks of PAM, and services
/// without those that have a root of their own.
pub fn reach(with: &[String], without: &[String], roots: &[String]) -> String {
    let mut text = String::new();
    let mut line = |what: &str, names: &[String]| {
        if !names.is_empty() {
            let shown = names.iter().take(MOST_NAMES).cloned().collect::<Vec<_>>().join(" ");
            let more = if names.len() > MOST_NAMES { " …" } else { "" };
            let _ = writeln!(text, "{what}: {}{more}", plain::words(&shown));
        }
    };
    line("log-ins that get it, by /etc/pam.d", with);
    line("and that do not, for want of pam_env", without);
    line("services that do not, for a root of their own", roots);
    text
}

/// What `disable --system` did, or would do.
pub fn disabled(rows: &[Row], dry_run: bool, json: bool) -> String {
    if json {
        let object = json!({ "version": 1, "changes": changes(rows), "dry_run": dry_run });
        return format!("{object}\n");
    }
    match (rows.is_empty(), dry_run) {
        (true, _) => String::from("nothing to do: it is not on for every program\n"),
        (false, true) => format!(
            "Would change {} on this host (nothing was changed):\n\n{}",
            plural(rows),
            table(rows)
        ),
        (false, false) => {
            format!("off for every program that starts from now on ({} changed)\n", plural(rows))
        }
    }
}
