//! The screen of `mptcpize check`: a symbol, the topic, what is the case; below it why, and the line
//! that mends it, which is never broken, so that it can be pasted.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::output::term::{Term, Tone};
use crate::output::{NARROW, fitted, wrap};
use mptcpize_model::checks::next::next;
use mptcpize_model::checks::{Finding, Judged, Observed, Place, Severity};
use mptcpize_model::phrase;
use mptcpize_model::shell;

/// Where the text begins, behind symbol and topic.
const TEXT_AT: usize = 20;
/// The indent of a finding's text where there is no room for a column of topics.
const NARROW_AT: usize = 4;

/// What to show.
#[derive(Clone, Debug)]
pub struct Screen<'a> {
    /// The findings, in their order.
    pub judged: &'a Judged,
    /// By whom and where the fixes are pasted.
    pub place: Place,
    /// The peer that was asked for.
    pub peer: Option<(&'a str, u16)>,
}

fn symbol(severity: Severity) -> (&'static str, Tone) {
    match severity {
        Severity::Fine => ("✓", Tone::Good),
        Severity::Note => ("·", Tone::Quiet),
        Severity::Unknown => ("?", Tone::Quiet),
        Severity::Skipped => ("–", Tone::Quiet),
        Severity::Warning => ("!", Tone::Warning),
        Severity::Problem => ("✗", Tone::Bad),
    }
}

impl Screen<'_> {
    /// The findings as a person reads them, and how many there are of each sort.
    pub fn text(&self, term: &Term) -> String {
        let narrow = term.width < NARROW;
        let indent = if narrow { NARROW_AT } else { TEXT_AT };
        let room = term.width.saturating_sub(indent).max(12);
        let mut text = String::new();
        let mut last = None;
        for finding in &self.judged.findings {
            let (mark, tone) = symbol(finding.severity);
            let topic = &finding.topic;
            // The same reason and the same remedy are read once.
            let same = |other: &&Finding| {
                other.topic == *topic && (&other.fix, &other.why) == (&finding.fix, &finding.why)
            };
            let repeats = last.filter(same).is_some();
            last = Some(finding);
            let mut lines = wrap(&finding.title, room).into_iter();
            let first = lines.next().unwrap_or_default();
            let _ = match narrow {
                true => writeln!(text, "{} {topic}\n{:indent$}{first}", term.paint(tone, mark), ""),
                false => {
                    writeln!(text, "{} {topic:<17} {first}", term.paint(tone, mark))
                }
            };
            for line in lines {
                let _ = writeln!(text, "{:indent$}{line}", "");
            }
            if !repeats {
                self.details(term, finding, indent, room, &mut text);
            }
        }
        let _ = writeln!(text, "\n{}", self.summary(term.width));
        self.next(term, &mut text);
        term.finish(text)
    }

    fn details(
        &self,
        term: &Term,
        finding: &Finding,
        indent: usize,
        room: usize,
        text: &mut String,
    ) {
        let prose = [("why", &finding.why), ("do", &finding.advice)];
        for (label, what) in prose {
            let Some(what) = what else { continue };
            for (at, line) in wrap(what, room.saturating_sub(5).max(12)).iter().enumerate() {
                let label = if at == 0 { label } else { "" };
                let label = term.paint(Tone::Quiet, &format!("{label:<3}"));
                let _ = writeln!(text, "{:indent$}{label}  {line}", "");
            }
        }
        for (label, commands) in [("fix", &finding.fix), ("or", &finding.or)] {
            if !commands.is_empty() {
                let label = term.paint(Tone::Quiet, &format!("{label:<3}"));
                let line = term.paint(Tone::Strong, &self.place.commands(commands).join(" && "));
                let _ = writeln!(text, "{:indent$}{label}  {line}", "");
            }
        }
    }

    /// What to do next: the commands alone in their lines, which every shell takes as they are.
    fn next(&self, term: &Term, text: &mut String) {
        let Some((what, commands)) = self.steps() else { return };
        text.push('\n');
        for line in wrap(&format!("Next, {what}:"), term.width) {
            let _ = writeln!(text, "{line}");
        }
        for command in commands {
            let _ = writeln!(text, "  {}", term.paint(Tone::Strong, &command));
        }
    }

    /// What is to be done next, and the commands that do it.
    fn steps(&self) -> Option<(String, Vec<String>)> {
        let next = next(&self.judged.findings, self.peer().as_deref())?;
        let then = next.then.iter().map(|command| self.of_the_tool(command));
        Some((next.what, self.place.commands(&next.by_root).into_iter().chain(then).collect()))
    }

    /// The peer, as `check` takes it.
    fn peer(&self) -> Option<String> {
        self.peer.map(|(name, port)| match name.contains(':') {
            true => shell::word(format_args!("[{name}]:{port}")).to_string(),
            false => shell::word(format_args!("{name}:{port}")).to_string(),
        })
    }

    /// A command of the tool that needs no root, in the namespace.
    fn of_the_tool(&self, command: &str) -> String {
        let takes = !command.ends_with("--help") && !command.starts_with("mptcpize run");
        match self.place.netns.as_ref().filter(|_| takes) {
            Some(netns) => format!("{command} {}", shell::option("--netns", netns)),
            None => command.to_owned(),
        }
    }

    fn summary(&self, width: usize) -> String {
        let of =
            |severity| self.judged.findings.iter().filter(|it| it.severity == severity).count();
        let plural = phrase::count;
        let (problems, warnings) = (of(Severity::Problem), of(Severity::Warning));
        let skipped = of(Severity::Skipped) + of(Severity::Unknown);
        let mut parts = Vec::new();
        if problems > 0 {
            parts.push(plural(problems, "problem"));
        }
        if warnings > 0 {
            parts.push(plural(warnings, "warning"));
        }
        if skipped > 0 {
            parts.push(format!("{skipped} not tried"));
        }
        parts.push(format!("{} fine", of(Severity::Fine)));
        let mut line = fitted(&format!("{}.", parts.join(", ")), width, 0);
        if problems + warnings > 0 {
            let peer = self.peer().map(|peer| format!(" {peer}"));
            let netns = self.place.netns.as_ref();
            let place = netns.map(|netns| format!(" {}", shell::option("--netns", netns)));
            let (peer, place) = (peer.unwrap_or_default(), place.unwrap_or_default());
            let report = format!("For a report: mptcpize check --json{peer}{place}");
            let fits = line.chars().count() + 3 + report.chars().count() <= width;
            let _ = write!(line, "{}{report}", if fits { "   " } else { "\n" });
        }
        line
    }

    /// The findings and everything that they follow from, as one object.
    pub fn json(&self, seen: &Observed) -> Value {
        let of =
            |severity| self.judged.findings.iter().filter(|it| it.severity == severity).count();
        let findings: Vec<Value> = self
            .judged
            .findings
            .iter()
            .map(|finding| {
                json!({
                    "code": finding.code,
                    "topic": finding.topic,
                    "severity": finding.severity,
                    "title": finding.title,
                    "why": finding.why,
                    "advice": finding.advice,
                    "fix": self.place.commands(&finding.fix),
                    "or": self.place.commands(&finding.or),
                    "depends_on": finding.depends_on,
                })
            })
            .collect();
        let next = self.steps().map(|(_, commands)| commands).unwrap_or_default();
        json!({
            "version": 1,
            "verdict": self.judged.verdict(),
            "usable_paths": self.judged.usable_paths,
            "problems": of(Severity::Problem),
            "warnings": of(Severity::Warning),
            "skipped": of(Severity::Skipped),
            "unknown": of(Severity::Unknown),
            "notes": of(Severity::Note),
            "fine": of(Severity::Fine),
            "findings": findings,
            "next": next,
            "observed": seen,
        })
    }
}
