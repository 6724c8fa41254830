//! What `setup --dry-run` says beside its plan: what the judge found, as `status` and `check` say it, and which
//! of it a set-up does not mend.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::output::wrap;
use mptcpize_model::checks::{Finding, Judged, Place, SETUP, Severity, Verdict};

/// Is this a fault that the plan leaves as it is?
fn stays(finding: &&Finding) -> bool {
    !finding.fix.iter().any(|command| command == SETUP)
}

/// The lines below the plan; empty where a set-up mends all.
pub fn rest(judged: &Judged, place: &Place) -> String {
    let mut text = String::new();
    for finding in judged.faults().filter(stays) {
        if text.is_empty() {
            text.push_str("\nNot mended by it:\n");
        }
        let mark = Verdict::by(finding.severity).mark();
        let _ = writeln!(text, "  {mark} {}: {}", finding.topic, finding.title);
        if let Some(fix) = place.line(&finding.fix) {
            let _ = writeln!(text, "    fix: {fix}");
        } else if let Some(advice) = &finding.advice {
            let _ = writeln!(text, "    do: {advice}");
        }
    }
    text
}

/// The lines of what explains the paths and wants nothing done, such as a VPN that takes the traffic; empty where
/// there is none.
pub fn notes(judged: &Judged, place: &Place, width: usize) -> String {
    let mut text = String::new();
    // Why links are no paths stands among what the plan leaves out.
    let told = |one: &&Finding| one.explains_paths() && one.severity == Severity::Note;
    for finding in judged.findings.iter().filter(told) {
        text.push('\n');
        let mut paragraph = |start: &str, said: &str| {
            let mut start = start.to_owned();
            for line in wrap(said, width.saturating_sub(start.chars().count()).max(12)) {
                let below = " ".repeat(start.chars().count());
                let _ = writeln!(text, "{}{line}", std::mem::replace(&mut start, below));
            }
        };
        paragraph("– ", &format!("{}: {}", finding.topic, finding.title));
        finding.why.iter().for_each(|why| paragraph("    why: ", why));
        finding.advice.iter().for_each(|advice| paragraph("    do: ", advice));
        if let Some(fix) = place.line(&finding.fix) {
            let _ = writeln!(text, "    fix: {fix}");
        }
    }
    text
}

/// The plan as an object, with the judgement in it.
pub fn json(mut plan: Value, judged: &Judged, place: &Place) -> Value {
    let finding = |finding: &Finding| {
        json!({
            "code": finding.code,
            "severity": finding.severity,
            "what": format!("{}: {}", finding.topic, finding.title),
            "why": finding.why,
            "advice": finding.advice,
            "fix": place.line(&finding.fix),
        })
    };
    plan["verdict"] = json!(judged.verdict());
    plan["usable_paths"] = json!(judged.usable_paths);
    let told = judged.findings.iter().filter(|one| one.is_fault() || one.explains_paths());
    plan["findings"] = told.map(finding).collect();
    plan
}
