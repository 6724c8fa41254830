//! What all findings together say of a host, in one word and one sign: the same in every verb.

use serde::Serialize;

use super::{Finding, Severity};

/// The worst of what was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing is to be done.
    #[default]
    Fine,
    /// Something may do harm.
    Warning,
    /// Something does not work.
    Problem,
}

impl Verdict {
    /// Of all these findings.
    pub fn of(findings: &[Finding]) -> Self {
        findings.iter().map(|finding| Verdict::by(finding.severity)).max().unwrap_or_default()
    }

    /// Of one finding.
    pub fn by(severity: Severity) -> Self {
        match severity {
            Severity::Problem => Verdict::Problem,
            Severity::Warning => Verdict::Warning,
            Severity::Fine | Severity::Note | Severity::Unknown | Severity::Skipped => {
                Verdict::Fine
            }
        }
    }

    /// The sign on a screen.
    pub fn mark(self) -> &'static str {
        match self {
            Verdict::Fine => "●",
            Verdict::Warning => "!",
            Verdict::Problem => "✗",
        }
    }
}
