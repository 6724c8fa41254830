//! What `setup --dry-run` says beside its plan: what the judge found, as `status` and `check` say it, and which
//! of it a set-up does not mend.

use std::fmt::Write;

use serde_json::{Value, json};

use mptcpize_model::checks::{Finding, Judged, Place, SETUP, Verdict};

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
    plan["findings"] = judged.faults().map(finding).collect();
    plan
}
