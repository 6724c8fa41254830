//! What was tried with a relay, judged: a row for each path, and one verdict with what mends it.
//!
//! The trials are the launcher's (each path with TCP and MPTCP, and one connection over all of them:
//! [`crate::checks::peer`]) and those of `mptcpize-relay probe` ([`super::probe`]). Not here: the screen.

mod faults;
mod rows;

use std::net::IpAddr;

use serde::Serialize;

use super::probe::{Answer, Key, Line, Moved, Target};
use crate::checks::peer::Report;
use crate::net::IfName;

pub use rows::{Join, Mptcp, Reach, Row};

/// All that was tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tested {
    /// What the relay is called.
    pub name: String,
    /// Its host and port.
    pub address: String,
    /// What each path answered.
    pub peer: Report,
    /// The addresses from which further subflows were to come.
    pub joins: Vec<IpAddr>,
    /// What the kernel says of this host's clock.
    pub synchronised: Option<bool>,
    /// What the relay said to the key.
    pub key: Option<Key>,
    /// The relay's clock less this host's, in seconds, to half a day, as its host says to anybody who
    /// asks: asked where it does not take the key.
    pub hinted_s: Option<i64>,
    /// What is measured with.
    pub target: Option<Target>,
    /// The measurements.
    pub moved: Vec<Moved>,
    /// Why the probe could not be had, as a clause.
    pub failed: Option<String>,
}

impl Tested {
    /// Takes up what the probe says; the clause of what it does now, if that was it.
    pub fn hear(&mut self, line: Line) -> Option<String> {
        match line {
            Line::Doing { what } => return Some(what),
            Line::Clock { synchronised } => self.synchronised = synchronised,
            Line::Key(key) => self.key = Some(key),
            Line::Target(target) => self.target = Some(target),
            Line::Moved(moved) => self.moved.push(moved),
        }
        None
    }

    /// It says nothing to the key, or ends the connection: what it does to a wrong time, too.
    pub fn is_refused(&self) -> bool {
        let answer = self.key.as_ref().map(|key| key.answer);
        matches!(answer, Some(Answer::Silent | Answer::Ended))
    }

    /// The paths.
    pub fn rows(&self) -> Vec<Row> {
        self.peer.tries.iter().map(|tried| rows::row(self, tried)).collect()
    }

    /// What is to be said of it, the gravest first; one that is no fault where there is none.
    pub fn verdict(&self) -> Vec<Verdict> {
        let rows = self.rows();
        let mut all = faults::find(self, &rows);
        if all.iter().all(|verdict| !verdict.attention) {
            all.insert(0, faults::fine(self, &rows));
        }
        all
    }
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// A name that stays, such as `relay.clock`.
    pub code: &'static str,
    /// Something is wrong; otherwise it is only worth knowing.
    pub attention: bool,
    /// What is the case.
    pub title: String,
    /// Its cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// The links of some rows, each once: `w1, w2`.
fn links<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Vec<&'a IfName> {
    let mut all: Vec<&IfName> = rows.into_iter().filter_map(|row| row.dev.as_ref()).collect();
    all.dedup();
    all
}

#[cfg(test)]
mod tests;
