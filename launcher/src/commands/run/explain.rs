//! `mptcpize run --explain`: how a program would get MPTCP and why that way, without running it.

use std::fmt::Write;

use crate::cli;
use crate::commands::run::socket_policy::{self, Policy};
use crate::commands::run::{mechanism, relay};
use crate::error::Exit;
use crate::inject::exec::Environment;
use crate::inject::mechanism::Decision;
use crate::inject::target::{Caller, Target};
use crate::locations::Locations;
use crate::output;
use crate::output::term::{Colour, Term};
use mptcpize_model::plain;

/// Prints the decision.
///
/// # Errors
/// Those of `run` about a program that cannot be started, and with `--strict` its refusal.
pub fn explain(arguments: &cli::run::Run) -> anyhow::Result<Exit> {
    if let Some(wanted) = &arguments.relay {
        return relay::explain(wanted, arguments);
    }
    let environment = Environment::inherited();
    let name = arguments.command.first().cloned().unwrap_or_default();
    let target = Target::find(&name, environment.get("PATH").as_deref(), &Caller::current())?;
    let locations = Locations::from_env(|name| environment.get(name));
    let policy = socket_policy::find(&arguments.policy, &environment, &locations)?;
    let decision = policy
        .over(&target, mechanism::decide(&target, arguments.via, arguments.follow, &environment));
    let text = match arguments.json {
        true => json(&name.to_string_lossy(), &target, &decision, &policy),
        false => table(&target, &decision, &policy),
    };
    output::line(&text)?;
    let falls_short = decision.blocked.is_some()
        || decision.unfollowed.is_some()
        || policy.unheeded(decision.mechanism).is_some();
    Ok(if arguments.strict && falls_short { Exit::Missing } else { Exit::Done })
}

fn table(target: &Target, decision: &Decision, policy: &Policy) -> String {
    let width = Term::of_stdout(Colour::Never).width;
    let program = plain::words(&target.path.to_string_lossy()).into_owned();
    let mut text = output::row("program", &program, width);
    let mut row = |name: &str, value: &str| {
        // What can be pasted is never broken.
        let width = if name == "fix" { usize::MAX } else { width };
        let _ = write!(text, "\n{}", output::row(name, &plain::words(value), width));
    };
    if target.binary != target.path {
        row("binary", &target.binary.display().to_string());
    }
    row("via", decision.mechanism.name());
    row("why", &decision.reason);
    match &decision.blocked {
        None => row("result", "MPTCP"),
        Some(blocked) => {
            row("result", &format!("TCP: {}", blocked.text));
            if let Some(fix) = blocked.fix {
                row("fix", fix);
            }
        }
    }
    if let Some(obstacle) = &decision.unfollowed {
        row("follow", &format!("no: {obstacle}"));
    }
    if let Some(words) = policy.words() {
        row("policy", &words);
    }
    if let Some(why) = policy.unheeded(decision.mechanism) {
        row("", &format!("not kept: {why}"));
    }
    for note in &decision.notes {
        row("note", note);
    }
    text
}

/// One object; `null` for what there is not.
fn json(name: &str, target: &Target, decision: &Decision, policy: &Policy) -> String {
    let blocked = decision.blocked.as_ref();
    let notes: Vec<String> = decision.notes.iter().map(|note| string(note)).collect();
    let optional = |text: Option<&str>| text.map_or("null".to_owned(), string);
    format!(
        "{{\"version\": 1, \"command\": {}, \"path\": {}, \"binary\": {}, \"via\": {}, \
         \"why\": {}, \"result\": {}, \"blocked\": {}, \"fix\": {}, \"not_followed\": {}, \
         \"policy\": {}, \"policy_not_kept\": {}, \"notes\": [{}]}}",
        string(name),
        string(&target.path.to_string_lossy()),
        string(&target.binary.to_string_lossy()),
        string(decision.mechanism.name()),
        string(&decision.reason),
        string(if blocked.is_none() { "mptcp" } else { "tcp" }),
        optional(blocked.map(|blocked| blocked.text.as_str())),
        optional(blocked.and_then(|blocked| blocked.fix)),
        optional(decision.unfollowed.map(|obstacle| obstacle.to_string()).as_deref()),
        optional(policy.words().as_deref()),
        optional(policy.unheeded(decision.mechanism)),
        notes.join(", "),
    )
}

/// A JSON string (RFC 8259, section 7).
fn string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            control if control < ' ' => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(control));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted_for_json() {
        assert_eq!(string("a \"b\"\\\n\u{e9}"), r#""a \"b\"\\\u000aé""#);
    }
}
