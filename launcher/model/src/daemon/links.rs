//! The links that have been paths: which came, which went, and which come and go too often.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::event::{Code, Millis, Report};
use super::pace::Pace;
use super::status::Held;
use crate::net::IfName;

/// A link that falls more often than this in a minute is held back.
const MOST_FALLS: usize = 5;

/// So many links are remembered; names that come and go without end must not fill the memory.
const MOST_LINKS: usize = 64;

/// Why a link is held back, as a clause.
const FLAPS: &str = "it came and went more than 5 times within a minute";

/// Every link that has been a path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Links(pub(super) BTreeMap<IfName, Link>);

/// What is remembered of a link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Link {
    /// Was it a path with a carrier when the host was last observed?
    usable: bool,
    /// How often it stopped being one.
    falls: Pace,
}

impl Links {
    /// Takes note of links that came and went, and returns what is to be told. `usable` has those
    /// that are paths, and of the others the reason. What is there at the `first` look is no news.
    pub(super) fn follow(
        &mut self,
        now: Millis,
        usable: &BTreeMap<IfName, Result<(), String>>,
        first: bool,
    ) -> Vec<Report> {
        let mut reports = Vec::new();
        for (dev, link) in &mut self.0 {
            if link.falls.end(now) {
                let text = format!("{dev} is no longer held back");
                reports.push(Report::about(Code::Released, dev, text));
            }
            let is = usable.get(dev).is_some_and(Result::is_ok);
            if is == link.usable {
                continue;
            }
            link.usable = is;
            if link.falls.until().is_some() {
                continue;
            }
            if is {
                reports.push(Report::about(Code::LinkBack, dev, format!("{dev} is a path again")));
                continue;
            }
            let gone = Err("it is gone".to_owned());
            let why = usable.get(dev).unwrap_or(&gone).clone().err().unwrap_or_default();
            let text = format!("{dev} is no path any more: {why}");
            reports.push(Report::about(Code::LinkGone, dev, text));
            if let Some(pause) = link.falls.strike(now, MOST_FALLS) {
                let text = format!("{dev} is held back for {} s: {FLAPS}", pause.as_secs());
                reports.push(Report::about(Code::Held, dev, text));
            }
        }
        for (dev, _) in usable.iter().filter(|(_, is)| is.is_ok()) {
            if self.0.contains_key(dev) || self.0.len() >= MOST_LINKS {
                continue;
            }
            self.0.insert(dev.clone(), Link { usable: true, falls: Pace::default() });
            if !first {
                reports.push(Report::about(Code::LinkBack, dev, format!("{dev} is a path now")));
            }
        }
        self.0.retain(|_, link| link.usable || !link.falls.is_calm(now));
        reports
    }

    /// The links that are held back.
    pub(super) fn held(&self) -> BTreeSet<IfName> {
        let held = self.0.iter().filter(|(_, link)| link.falls.until().is_some());
        held.map(|(dev, _)| dev.clone()).collect()
    }

    /// What `mptcpize status` shows of them.
    pub(super) fn shown(&self) -> Vec<Held> {
        let held = |(dev, link): (&IfName, &Link)| {
            let until = Some(link.falls.until()?);
            Some(Held { link: dev.clone(), why: FLAPS.to_owned(), until })
        };
        self.0.iter().filter_map(held).collect()
    }

    /// When the first of them is held back no longer.
    pub(super) fn deadline(&self) -> Option<Millis> {
        self.0.values().filter_map(|link| link.falls.until()).min()
    }
}
