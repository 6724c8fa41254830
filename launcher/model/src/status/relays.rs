//! How connections of this host and of its LAN go: through a relay, over MPTCP, or in plain TCP. From what
//! the agents said when they were asked, and the gateway's relay.
//!
//! An agent has no privileges and talks to strangers, so its lists are bounded and its reasons are words.
//! Not here: the relay that this host is for others.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::relay::agent::{Fallback, MOST_RELAYS};
use crate::relay::status::{Agent, MOST_CONNECTIONS, Relay, Relays, VERSION, Via};
use crate::status::Seen;

/// What the agent of the whole host is called.
pub const HOST: &str = "host";
/// How the agents of programs are called, with the process behind it.
pub const PROGRAM: &str = "run-";
/// What the relay of a gateway is called here.
pub const GATEWAY: &str = "gateway";

/// Reasons for which connections were not carried that are told apart.
const MOST_REASONS: usize = 16;
/// The longest text of an agent that is shown, in characters: a name, a port and some.
const LONGEST: usize = 300;

/// An agent, and what came of asking it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// [`HOST`], or [`PROGRAM`] with a process.
    pub agent: String,
    /// What came of it.
    pub heard: Heard,
}

/// What came of asking an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Heard {
    /// This user may not ask.
    Hidden,
    /// It should answer and does not, for this reason.
    Silent(String),
    /// This is what it said.
    State(Box<Agent>),
}

/// An agent on the screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Through {
    /// Whose connections: `host`, `run-4711`, `gateway`.
    pub agent: String,
    /// Why nothing is known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// It did not tell because of who asked, which is no fault.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
    /// Its process.
    pub pid: Option<u32>,
    /// For how long it has run, in seconds.
    pub running_s: Option<u64>,
    /// New connections go without a relay, because none can be reached.
    pub fallback_in_force: bool,
    /// What it said.
    #[serde(flatten)]
    pub told: Option<Relays>,
}

/// Takes what an agent said, as far as an agent says it.
///
/// # Errors
/// A clause.
pub fn checked(agent: Agent) -> Result<Agent, String> {
    if agent.version != VERSION {
        return Err(format!("it speaks version {}, not {VERSION}", agent.version));
    }
    Ok(Agent { relays: bounded(agent.relays), ..agent })
}

/// The same of a gateway's relay.
pub fn bounded(mut relays: Relays) -> Relays {
    let cut = |text: &mut String| {
        if let Some((end, _)) = text.char_indices().nth(LONGEST) {
            text.truncate(end);
        }
    };
    relays.relays.truncate(MOST_RELAYS);
    for relay in &mut relays.relays {
        cut(&mut relay.address);
        cut(&mut relay.fault);
    }
    relays.connections.truncate(MOST_CONNECTIONS);
    relays.connections.iter_mut().for_each(|connection| cut(&mut connection.to));
    let is_word = |name: &str| {
        (1..=32).contains(&name.len())
            && name.bytes().all(|it| it.is_ascii_lowercase() || it == b'_')
    };
    let reasons = relays.refused.into_iter().filter(|(name, _)| is_word(name));
    relays.refused = reasons.take(MOST_REASONS).collect();
    relays
}

/// All that is shown: the agents in their order, then the gateway.
pub fn through(seen: &Seen) -> Vec<Through> {
    let mut all: Vec<Through> = seen.agents.iter().map(of_agent).collect();
    let gateway = seen.relay.state();
    if let Some((state, relays)) = gateway.and_then(|state| Some((state, state.relays.clone()?))) {
        let told = bounded(relays);
        all.push(Through {
            agent: GATEWAY.to_owned(),
            why: None,
            hidden: false,
            pid: Some(state.pid),
            running_s: Some(state.running_ms / 1_000),
            fallback_in_force: is_in_force(&told),
            told: Some(told),
        });
    }
    all
}

fn of_agent(asked: &Asked) -> Through {
    let quiet = |why: Option<String>, hidden| Through {
        agent: asked.agent.clone(),
        why,
        hidden,
        pid: None,
        running_s: None,
        fallback_in_force: false,
        told: None,
    };
    match &asked.heard {
        Heard::Hidden => quiet(None, true),
        Heard::Silent(why) => quiet(Some(why.clone()), false),
        Heard::State(agent) => Through {
            pid: Some(agent.pid),
            running_s: Some(agent.running_ms / 1_000),
            fallback_in_force: is_in_force(&agent.relays),
            told: Some(agent.relays.clone()),
            ..quiet(None, false)
        },
    }
}

/// None can be reached, and each is known not to be. At the start nothing is known.
fn is_in_force(relays: &Relays) -> bool {
    let mut all = relays.relays.iter();
    relays.chosen.is_none() && !relays.relays.is_empty() && all.all(|one| !one.fault.is_empty())
}

impl Through {
    /// How new connections go, as a clause.
    pub fn goes(&self) -> String {
        let Some(told) = &self.told else {
            let why = self.why.clone().unwrap_or_default();
            return if self.hidden { "only root may ask".to_owned() } else { why };
        };
        match (&told.chosen, self.fallback_in_force, told.fallback) {
            (Some(name), ..) => format!("new connections go through {name}"),
            (None, true, Fallback::Direct) => {
                "no relay can be reached: new connections go directly".to_owned()
            }
            (None, true, Fallback::Refuse) => {
                "no relay can be reached: new connections are refused".to_owned()
            }
            (None, false, _) => "no connection has gone through a relay yet".to_owned(),
        }
    }
}

/// How a connection goes, in a word or two.
pub fn word(via: &Via) -> String {
    match via {
        Via::Relay(name) => format!("relay {name}"),
        Via::Multipath => "MPTCP".to_owned(),
        Via::Direct => "TCP".to_owned(),
    }
}

/// What of a relay is said in the column of its state.
pub fn standing(told: &Relays, relay: &Relay) -> String {
    if !relay.fault.is_empty() {
        return relay.fault.clone();
    }
    let used = told.chosen.as_ref() == Some(&relay.name);
    let mptcp = match relay.mptcp {
        Some(true) => ", MPTCP",
        Some(false) => ", TCP alone",
        None => "",
    };
    format!("{}{mptcp}", if used { "used" } else { "stands by" })
}

/// Programs' agents together, under one name, for whoever must not see one more with each program.
pub fn by_kind(all: &[Through]) -> BTreeMap<&str, Vec<&Relays>> {
    let mut kinds: BTreeMap<&str, Vec<&Relays>> = BTreeMap::new();
    for one in all {
        let kind = if one.agent.starts_with(PROGRAM) { "run" } else { one.agent.as_str() };
        kinds.entry(kind).or_default().extend(&one.told);
    }
    kinds
}

/// Whose connections an agent takes.
pub fn whose(agent: &str) -> String {
    match (agent, agent.strip_prefix(PROGRAM)) {
        (HOST, _) => "this host".to_owned(),
        (GATEWAY, _) => "the LAN".to_owned(),
        (_, Some(pid)) => format!("process {pid}"),
        (other, None) => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::status::Connection;

    fn relay(name: &str, fault: &str) -> Relay {
        Relay {
            name: name.parse().expect("a name"),
            address: "198.51.100.7:8686".into(),
            rtt_us: Some(18_000),
            fault: fault.into(),
            mptcp: Some(true),
            amounts: Default::default(),
        }
    }

    fn seen(relays: Relays) -> Seen {
        let agent = Agent { version: VERSION, pid: 7, relays, ..Agent::default() };
        let asked = Asked { agent: "run-7".into(), heard: Heard::State(Box::new(agent)) };
        Seen { agents: vec![asked], ..Seen::default() }
    }

    #[test]
    fn the_fallback_is_in_force_once_every_relay_is_known_to_be_away() {
        let at = |faults: [&str; 2], chosen: Option<&str>| {
            let relays = Relays {
                relays: vec![relay("a", faults[0]), relay("b", faults[1])],
                chosen: chosen.map(|name| name.parse().expect("a name")),
                ..Relays::default()
            };
            let all = through(&seen(relays));
            (all[0].fallback_in_force, all[0].goes())
        };
        assert_eq!(at(["", ""], Some("b")), (false, "new connections go through b".into()));
        assert!(!at(["", ""], None).0 && !at(["no answer", ""], None).0);
        let (in_force, goes) = at(["no answer", "refused"], None);
        assert!(in_force && goes.ends_with("new connections go directly"), "{goes}");
    }

    #[test]
    fn a_gateway_whose_lan_goes_through_relays_is_the_last_of_the_agents() {
        let relays = Relays {
            relays: vec![relay("a", "")],
            chosen: Some("a".parse().expect("a name")),
            ..Relays::default()
        };
        let state = crate::gateway_status::State {
            pid: 9,
            relays: Some(relays.clone()),
            ..Default::default()
        };
        let heard = crate::status::lan::Heard::State(Box::new(state));
        let all = through(&Seen { relay: heard, ..seen(relays) });
        let names: Vec<_> = all.iter().map(|one| (one.agent.as_str(), one.pid)).collect();
        assert_eq!(names, [("run-7", Some(7)), (GATEWAY, Some(9))]);
        assert_eq!(by_kind(&all).into_keys().collect::<Vec<_>>(), [GATEWAY, "run"]);
    }

    #[test]
    fn what_an_agent_says_too_much_is_cut() {
        let connection = Connection {
            from: ([127, 0, 0, 1], 1).into(),
            to: "é".repeat(1_000),
            via: Via::Direct,
            open_ms: 0,
            up_bytes: 0,
            down_bytes: 0,
        };
        let refused = BTreeMap::from([("no_relay".into(), 1), ("\u{1b}[2J".into(), 2)]);
        let relays = Relays {
            relays: vec![relay("a", &"x".repeat(10_000)); MOST_RELAYS + 1],
            connections: vec![connection; MOST_CONNECTIONS + 1],
            refused,
            ..Relays::default()
        };
        let agent = Agent { version: VERSION, relays, ..Agent::default() };
        let Relays { relays, connections, refused, .. } =
            checked(agent.clone()).expect("the version is known").relays;
        assert_eq!((relays.len(), connections.len()), (MOST_RELAYS, MOST_CONNECTIONS));
        assert_eq!(refused.into_keys().collect::<Vec<_>>(), ["no_relay"]);
        assert_eq!((relays[0].fault.len(), connections[0].to.chars().count()), (LONGEST, LONGEST));
        assert!(checked(Agent { version: 2, ..agent }).is_err());
    }
}
