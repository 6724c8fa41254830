//! A plan as a person reads it: one line a change, in the words of iproute2, with its reason.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::output::term::Term;
use crate::output::wrap;
use mptcpize_model::HostState;
use mptcpize_model::change::{Change, Item};
use mptcpize_model::net::Family;
use mptcpize_model::plan::{Plan, Step};

/// Where the reasons begin at the latest; longer lines push theirs to the right.
const REASONS_AT: usize = 52;

/// How far a reason below its change is set in.
const BELOW: usize = 6;

/// The lines of a plan: changes, what is kept, what is left out, notes. A reason that has no room beside
/// its change stands below it; a change itself is never broken, so that it can be searched for.
pub fn plan(plan: &Plan, term: &Term) -> String {
    let mut rows: Vec<(String, &str)> = Vec::new();
    for Step { change, reason } in &plan.steps {
        rows.push((term.prose(&change_line(change)).into_owned(), reason));
    }
    for (endpoint, reason) in &plan.kept {
        rows.push((format!("= {:<9} {endpoint}", "endpoint"), reason));
    }
    let widest = rows.iter().map(|(line, _)| line.chars().count()).max().unwrap_or(0);
    let column = widest.min(REASONS_AT);
    let mut text = String::new();
    let mut last = "";
    for (line, reason) in &rows {
        // The same reason twice in a row is read once.
        let shown = if *reason == last { "" } else { reason };
        let row = format!("  {line:<column$}  {shown}");
        if row.trim_end().chars().count() <= term.width {
            let _ = writeln!(text, "{}", row.trim_end());
        } else {
            let _ = writeln!(text, "  {line}");
            for part in wrap(shown, term.width.saturating_sub(BELOW)) {
                let _ = writeln!(text, "{:BELOW$}{part}", "");
            }
        }
        last = reason;
    }
    if !plan.left_out.is_empty() {
        text.push('\n');
    }
    let mut paragraph = |line: String| {
        for part in wrap(&line, term.width) {
            let _ = writeln!(text, "{part}");
        }
    };
    if !plan.left_out.is_empty() {
        let all: Vec<String> =
            plan.left_out.iter().map(|left| format!("{} ({})", left.what, left.why)).collect();
        paragraph(format!("Left out: {}", all.join(", ")));
    }
    for note in &plan.notes {
        paragraph(format!("Note: {note}"));
    }
    text
}

/// One change: sign, noun, object.
pub fn change_line(change: &Change) -> String {
    format!("{} {:<9} {change}", change.sign(), noun(change))
}

/// The noun, with iproute2's `-6` where the words alone do not tell the family.
fn noun(change: &Change) -> String {
    let family = match change {
        Change::Add(Item::Route(route)) | Change::Remove(Item::Route(route)) => route.family,
        Change::Add(Item::Rule(rule)) | Change::Remove(Item::Rule(rule)) => rule.family,
        _ => Family::V4,
    };
    match family {
        Family::V4 => change.noun().to_owned(),
        Family::V6 => format!("{} -6", change.noun()),
    }
}

/// The plan and the state that it was made from, as one object.
pub fn json(plan: &Plan, state: &HostState) -> Value {
    let steps: Vec<Value> = plan
        .steps
        .iter()
        .map(|Step { change, reason }| {
            json!({
                "sign": change.sign().to_string(),
                "kind": change.noun(),
                "text": change.to_string(),
                "reason": reason,
                "change": change,
            })
        })
        .collect();
    let kept: Vec<Value> = plan
        .kept
        .iter()
        .map(|(endpoint, reason)| json!({ "endpoint": endpoint, "reason": reason }))
        .collect();
    let left_out: Vec<Value> =
        plan.left_out.iter().map(|left| json!({ "what": left.what, "why": left.why })).collect();
    json!({
        "version": 1,
        "changes": steps,
        "kept": kept,
        "left_out": left_out,
        "notes": plan.notes,
        "state": state,
    })
}
