//! Rules of a packet filter, as far as the packets of a LAN are concerned, or those of clients of this host,
//! and what becomes of them: no matter which tool listed them.
//!
//! A rule may ask what is not known here (addresses, marks, sets): then it may apply or not, and a packet
//! that may be accepted is taken to be. So what is told is certain, and what is not certain is not told.

use std::collections::{BTreeMap, BTreeSet};

use mptcpize_model::net::IfName;

/// The first packet of a new connection, of the LAN to somewhere beyond an uplink, or of a client to this
/// host.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    /// It comes over this interface.
    pub(super) lan: &'a IfName,
    /// What becomes of it.
    pub(super) way: Way<'a>,
}

/// The ways of packets through a gateway.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way<'a> {
    /// It is of TCP, to [`PORT`], and the relay gets it: it comes in.
    Relayed,
    /// It is of any protocol, and leaves over this interface.
    Forwarded(&'a IfName),
    /// It is of TCP, and to this port of this host.
    Served(u16),
}

/// What most connections of a LAN are to: HTTPS. Who lets in ssh alone lets in nothing of them.
const PORT: u64 = 443;

/// Does a rule apply to the packet?
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Applies {
    /// Never.
    No,
    /// It depends on what is not known.
    Maybe,
    /// Always.
    Yes,
}

impl Packet<'_> {
    /// Is the interface that it comes over one of these?
    pub(super) fn comes_over(self, names: &[&str]) -> Applies {
        among(self.lan, names)
    }

    /// Is the interface that it leaves over one of these?
    pub(super) fn leaves_over(self, names: &[&str]) -> Applies {
        match self.way {
            Way::Forwarded(uplink) => among(uplink, names),
            // What comes in has none.
            Way::Relayed | Way::Served(_) => Applies::No,
        }
    }

    /// Is it of this protocol?
    pub(super) fn is_of(self, protocol: &str) -> Applies {
        match (self.way, protocol) {
            (Way::Relayed | Way::Served(_), "tcp") => Applies::Yes,
            (Way::Relayed | Way::Served(_), _) => Applies::No,
            (Way::Forwarded(_), _) => Applies::Maybe,
        }
    }

    /// Is it to a port of this range?
    pub(super) fn is_to(self, ports: std::ops::RangeInclusive<u64>) -> Applies {
        let port = match self.way {
            Way::Relayed => PORT,
            Way::Served(port) => port.into(),
            Way::Forwarded(_) => return Applies::Maybe,
        };
        if ports.contains(&port) { Applies::Yes } else { Applies::No }
    }

    /// The hook that all such packets pass (nft(8)).
    pub(super) fn hook(self) -> &'static str {
        match self.way {
            Way::Relayed | Way::Served(_) => "input",
            Way::Forwarded(_) => "forward",
        }
    }
}

fn among(dev: &IfName, names: &[&str]) -> Applies {
    let same = names.iter().any(|name| is_named(dev, name));
    if same { Applies::Yes } else { Applies::No }
}

impl Applies {
    /// The opposite of a condition.
    pub(super) fn not(self) -> Self {
        match self {
            Applies::No => Applies::Yes,
            Applies::Maybe => Applies::Maybe,
            Applies::Yes => Applies::No,
        }
    }
}

/// Both tools write `br*` and `br+` for all interfaces that begin so.
fn is_named(dev: &IfName, name: &str) -> bool {
    match name.strip_suffix(['*', '+']) {
        Some(begin) => dev.as_str().starts_with(begin),
        None => dev.as_str() == name,
    }
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The packet passes this hook.
    Accept,
    /// It ends here (drop, reject).
    Drop,
    /// Another chain follows, and then the next rule.
    Jump(String),
    /// Another chain follows, and none of this one.
    Goto(String),
    /// The chain ends.
    Return,
    /// TCP is given to a socket of this host (tproxy, redirect).
    Take,
    /// Nothing that ends its way.
    Nothing,
}

/// A rule.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) applies: Applies,
    pub(super) verdict: Verdict,
    /// It is about UDP alone.
    pub(super) udp: bool,
    pub(super) told: Told,
}

/// Where something stands, and what mends it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) place: String,
    pub(super) fix: Vec<String>,
}

/// A chain.
#[derive(Clone, Debug, Default)]
pub(super) struct Chain {
    pub(super) rules: Vec<Rule>,
    /// The hook that packets come from; none for a chain of other chains.
    pub(super) hook: Option<String>,
    /// How its policy is told, where that is to drop.
    pub(super) drops: Option<String>,
    /// Commands that let the LAN's packets through before all rules of the chain.
    pub(super) admit: Vec<String>,
}

/// The chains of one table.
pub(super) type Table = BTreeMap<String, Chain>;

/// How the packet's way through a chain ended.
enum End<'a> {
    Passed,
    Dropped(&'a str),
    Through,
}

/// Where the packet is dropped, in any chain of its hook.
pub(super) fn drops(table: &Table, packet: Packet<'_>) -> Vec<Told> {
    let base = table.iter().filter(|(_, chain)| chain.hook.as_deref() == Some(packet.hook()));
    base.filter_map(|(name, chain)| {
        let place = match walk(table, name, &mut BTreeSet::new()) {
            End::Passed => return None,
            End::Dropped(place) => place.to_owned(),
            End::Through => chain.drops.clone()?,
        };
        // Not the rule's end: it may be there for others, with a policy behind it that does the same.
        Some(Told { place, fix: chain.admit.clone() })
    })
    .collect()
}

/// Chains may lead to each other in more ways than can be counted, so each is walked once: one that was
/// walked and left the packet as it was does so again.
fn walk<'a>(table: &'a Table, name: &str, walked: &mut BTreeSet<String>) -> End<'a> {
    if !walked.insert(name.to_owned()) || walked.len() > MOST {
        return End::Through;
    }
    let Some(chain) = table.get(name) else { return End::Through };
    for rule in chain.rules.iter().filter(|rule| rule.applies != Applies::No) {
        let sure = rule.applies == Applies::Yes;
        match &rule.verdict {
            Verdict::Accept => return End::Passed,
            Verdict::Drop if sure && !rule.udp => return End::Dropped(&rule.told.place),
            Verdict::Return | Verdict::Take if sure => return End::Through,
            Verdict::Jump(next) | Verdict::Goto(next) => match walk(table, next, walked) {
                End::Passed => return End::Passed,
                End::Dropped(place) if sure => return End::Dropped(place),
                _ if sure && matches!(rule.verdict, Verdict::Goto(_)) => return End::Through,
                _ => {}
            },
            _ => {}
        }
    }
    End::Through
}

/// Chains that are walked: the kernel follows 16 jumps in a row (NFT_JUMP_STACK_SIZE), and each call here
/// is one of them.
const MOST: usize = 256;

/// The rules that take TCP of the packet's sender when it comes in.
pub(super) fn takes(table: &Table) -> Vec<Told> {
    let base = table.iter().filter(|(_, chain)| chain.hook.as_deref() == Some("prerouting"));
    let mut found = Vec::new();
    for (name, _) in base {
        let mut walked = BTreeSet::new();
        let mut left = vec![name.as_str()];
        while let Some(name) = left.pop() {
            let Some(chain) = table.get(name).filter(|_| walked.insert(name)) else { continue };
            for rule in chain.rules.iter().filter(|rule| rule.applies != Applies::No && !rule.udp) {
                match &rule.verdict {
                    Verdict::Take => found.push(rule.told.clone()),
                    Verdict::Jump(next) | Verdict::Goto(next) => left.push(next),
                    Verdict::Accept | Verdict::Drop | Verdict::Return
                        if rule.applies == Applies::Yes =>
                    {
                        break;
                    }
                    _ => {}
                }
            }
        }
    }
    found
}
