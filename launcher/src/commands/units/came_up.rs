//! After `--now`: waits until the units have come up, and judges them by their sockets.
//!
//! systemd says of most units that they are active as soon as their program is there; their listeners
//! come later. So a unit that listened before is waited for until it does so again, and any other
//! until its processes have nothing more to do and its sockets stay as they are. Both have an end.

use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::commands::units::Site;
use crate::commands::units::judged::{self, Look, Unit};
use crate::host::observe::unit_sockets::Tables;
use crate::host::systemd::units::Facts;
use mptcpize_model::unit::UnitName;
use mptcpize_model::unit::judge::Judgement;

/// How long units may take to come up, all together; `list` tells what comes later.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(40);
/// So many looks in a row that show the same, and nobody busy, are rest.
const QUIET: usize = 4;
/// So many are for a unit that listened elsewhere before.
const QUIET_ELSEWHERE: usize = 25;

/// A unit that was restarted or started.
pub struct Started {
    /// Its name.
    pub name: UnitName,
    /// Its drop-in.
    pub file: String,
    /// That puts its programs under a filter.
    pub filter: bool,
}

/// What is seen of a unit then.
#[derive(Debug, Default)]
pub struct Seen {
    /// What its sockets are; `None` where nothing of it runs.
    pub judgement: Option<Judgement>,
    /// What stayed TCP, and what does something about it.
    pub hints: Vec<String>,
}

/// Where the processes of a unit listen now.
pub fn listens_at(cgroup: Option<&str>) -> Vec<SocketAddr> {
    let look = cgroup.and_then(|cgroup| Look::at(cgroup, None, &mut Tables::default()));
    look.map(|look| look.listens_at()).unwrap_or_default()
}

/// Waits for the units, each with where it listened before, and judges them, in their order. Where
/// systemd does not answer, nothing is known.
pub fn look(site: &Site, units: impl IntoIterator<Item = (Started, Vec<SocketAddr>)>) -> Vec<Seen> {
    let (units, before): (Vec<Started>, Vec<Vec<SocketAddr>>) = units.into_iter().unzip();
    let names: Vec<UnitName> = units.iter().map(|unit| unit.name.clone()).collect();
    let end = Instant::now() + PATIENCE;
    let mut waits: Vec<Wait> =
        before.into_iter().map(|before| Wait { before, last: None, quiet: 0 }).collect();
    let mut facts = Vec::new();
    while !units.is_empty() && Instant::now() < end {
        let Ok(now) = site.source.facts(&names) else { break };
        facts = now;
        let mut tables = Tables::default();
        let mut up = true;
        for (facts, wait) in facts.iter().zip(&mut waits) {
            up &= wait.is_over(facts, &mut tables);
        }
        if up {
            break;
        }
        thread::sleep(PAUSE);
    }
    let mut tables = Tables::default();
    let mut all: Vec<Seen> = units
        .iter()
        .zip(&facts)
        .map(|(unit, facts)| judge(site, unit, facts, &mut tables))
        .collect();
    all.resize_with(units.len(), Seen::default);
    all
}

/// What was seen of a unit that is waited for.
struct Wait {
    before: Vec<SocketAddr>,
    last: Option<Vec<u64>>,
    quiet: usize,
}

impl Wait {
    fn is_over(&mut self, facts: &Facts, tables: &mut Tables) -> bool {
        match facts.active.as_str() {
            "active" => {}
            "activating" | "reloading" => return false,
            _ => return true,
        }
        let Some(cgroup) = facts.cgroup.as_deref() else { return true };
        let Some(look) = Look::at(cgroup, None, tables) else { return true };
        let now = look.listens_at();
        if !self.before.is_empty() && self.before.iter().all(|address| now.contains(address)) {
            return true;
        }
        let standing = look.standing();
        let same = standing.is_some() && standing == self.last;
        self.quiet = if same { self.quiet + 1 } else { 0 };
        self.last = standing;
        self.quiet >= if self.before.is_empty() { QUIET } else { QUIET_ELSEWHERE }
    }
}

fn judge(site: &Site, started: &Started, facts: &Facts, tables: &mut Tables) -> Seen {
    let Some(cgroup) = facts.cgroup.as_deref() else { return Seen::default() };
    let unit = Unit {
        name: started.name.as_str(),
        cgroup,
        filter: started.filter,
        file: Path::new(&started.file),
        sockets: &facts.sockets,
        user: site.user,
        limits_calls: facts.limits_calls,
    };
    let judgement = judged::judge(unit, tables);
    let hints = judgement.iter().flat_map(|judgement| judged::hints(unit, judgement)).collect();
    Seen { judgement, hints }
}
