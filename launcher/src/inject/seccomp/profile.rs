//! The seccomp profile by which the calls of a container come to a supervisor: an engine's own profile, in
//! which calls for TCP sockets, and for options that MPTCP refuses, ask instead of being allowed. Pure.
//!
//! What the engine's profile forbids stays forbidden, with the same errno. The rules of one call must not
//! overlap, because libseccomp does not say which of two would count; so each call gets new ones
//! that share out all of its arguments ([`arguments`](super::arguments)).

use serde_json::{Map, Value, json};

use crate::inject::seccomp::arguments::{Argument, Rule, axis, blocks, others};
use crate::inject::seccomp::filter::{LEAVE, TYPE_MASK};
use crate::inject::seccomp::refused::{LEVELS, Refused};

/// The profile.
pub const FILE: &str = "/etc/containers/mptcpize-seccomp.json";

/// Where engines of the containers project have their own: the administrator's, and the package's.
pub const DEFAULTS: [&str; 2] =
    ["/etc/containers/seccomp.json", "/usr/share/containers/seccomp.json"];

/// A profile is not longer, in bytes.
pub const MOST: usize = 1 << 20;

const ALLOW: &str = "SCMP_ACT_ALLOW";
const NOTIFY: &str = "SCMP_ACT_NOTIFY";

const STREAM: u64 = libc::SOCK_STREAM as u64;
/// The protocols by which a program asks for TCP.
const TCP: [u64; 2] = [0, libc::IPPROTO_TCP as u64];
const FAMILIES: [u64; 2] = [libc::AF_INET as u64, libc::AF_INET6 as u64];

/// Options that MPTCP refuses, for each of [`LEVELS`].
type Options = [Vec<u32>; 4];

/// The profile, from an engine's own. The listener is at `socket` (`listenerPath` of OCI's runtime
/// specification), and `refused` are the options to be asked about.
///
/// # Errors
/// A clause: why nothing can be made of it.
pub fn with_supervisor(text: &str, socket: &str, refused: &Refused) -> Result<String, String> {
    let no_profile = || "it is no profile of seccomp".to_owned();
    let mut profile: Map<String, Value> = serde_json::from_str(text).map_err(|_| no_profile())?;
    if profile.get("listenerPath").is_some_and(|path| path != "") {
        return Err("its calls are answered by another listener (listenerPath)".to_owned());
    }
    let Some(Value::Array(entries)) = profile.get_mut("syscalls") else { return Err(no_profile()) };
    let mut ours = Vec::new();
    for group in take(entries, "socket")? {
        ours.extend(sockets(&group)?.iter().map(|rule| rule.entry("socket", &group.conditions)));
    }
    let mut taken: Options = Options::default();
    for (level, name) in &refused.both {
        if let Some(at) = LEVELS.iter().position(|known| known == level) {
            taken[at].push(name.unsigned_abs());
        }
    }
    for (call, names, fine) in
        [("setsockopt", &refused.set, &taken), ("getsockopt", &refused.get, &refused.told)]
    {
        if names.iter().all(Vec::is_empty) {
            continue;
        }
        for group in take(entries, call)? {
            if group.rules.iter().any(|rule| !rule.args.is_empty() || rule.action != ALLOW) {
                return Err(format!("it has rules of its own for {call}"));
            }
            ours.extend(
                options(names, fine).iter().map(|rule| rule.entry(call, &group.conditions)),
            );
        }
    }
    if ours.is_empty() {
        return Err("it has no rule for socket".to_owned());
    }
    entries.extend(ours);
    profile.insert("listenerPath".to_owned(), socket.into());
    let text = serde_json::to_string_pretty(&profile).map_err(|_| no_profile())?;
    Ok(text + "\n")
}

/// Is this a profile whose listener is at `socket`?
pub fn is_ours(text: &str, socket: &str) -> bool {
    let profile: Option<Value> = serde_json::from_str(text).ok();
    profile.is_some_and(|profile| profile.get("listenerPath") == Some(&socket.into()))
}

/// The rules that a profile has for one call under the same conditions (capabilities, architectures).
struct Group {
    conditions: Conditions,
    rules: Vec<Rule>,
}

/// `includes`, `excludes`, and what else an entry says.
pub(super) type Conditions = Map<String, Value>;

/// Takes the rules of a call out of the entries.
fn take(entries: &mut Vec<Value>, call: &str) -> Result<Vec<Group>, String> {
    let mut groups: Vec<Group> = Vec::new();
    let unclear = || format!("a rule of it for {call} is not clear");
    for entry in entries.iter_mut() {
        let entry = entry.as_object_mut().ok_or_else(unclear)?;
        let Some(Value::Array(names)) = entry.get_mut("names") else { continue };
        let before = names.len();
        names.retain(|name| name != call);
        if names.len() == before {
            continue;
        }
        let rule = Rule::read(entry).ok_or_else(unclear)?;
        let conditions: Conditions = ["includes", "excludes"]
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), entry.get(*name)?.clone())))
            .collect();
        match groups.iter_mut().find(|group| group.conditions == conditions) {
            Some(group) => group.rules.push(rule),
            None => groups.push(Group { conditions, rules: vec![rule] }),
        }
    }
    entries.retain(|entry| entry.get("names") != Some(&json!([])));
    // Two groups at once would overlap: the one must want what the other excludes.
    let caps = |group: &Group, side: &str| group.conditions.get(side)?.get("caps").cloned();
    for (place, one) in groups.iter().enumerate() {
        for other in &groups[place + 1..] {
            let apart = |a: &Group, b: &Group| {
                caps(a, "includes").is_some_and(|wanted| Some(wanted) == caps(b, "excludes"))
            };
            if !apart(one, other) && !apart(other, one) {
                return Err(unclear());
            }
        }
    }
    Ok(groups)
}

/// The rules for socket(2): those of the group, and asking for TCP where the group allows it.
fn sockets(group: &Group) -> Result<Vec<Rule>, String> {
    let constants = |index: u32, more: &[u64]| {
        let args = group.rules.iter().flat_map(|rule| &rule.args);
        let theirs = args.filter(|arg| arg.index == index).flat_map(Argument::constants);
        theirs.chain(more.iter().copied()).collect::<Vec<_>>()
    };
    if group.rules.iter().flat_map(|rule| &rule.args).any(|arg| ![0, 2].contains(&arg.index)) {
        return Err("its rules for socket look at more than family and protocol".to_owned());
    }
    let mut all = Vec::new();
    for (family, value) in axis(0, constants(0, &FAMILIES)) {
        // Alike for every protocol: one rule, as most families have it.
        let by_protocol = axis(2, constants(2, &[]));
        let mut of_family = Vec::new();
        for (_, number) in &by_protocol {
            of_family.push(decision(&group.rules, [value, *number])?);
        }
        let alike = of_family.iter().all(|other| *other == of_family[0]);
        match of_family.first().cloned().flatten().filter(|_| alike) {
            Some(action) if FAMILIES.contains(&value) && action.allows() => {
                all.extend(ip(&family, &action));
            }
            Some(action) => all.push(action.with(vec![family])),
            None if FAMILIES.contains(&value) && !alike => {
                return Err("its rules for socket tell protocols of IP apart".to_owned());
            }
            None => {
                let rules = by_protocol.into_iter().zip(of_family);
                all.extend(rules.filter_map(|((protocol, _), action)| {
                    Some(action?.with(vec![family.clone(), protocol]))
                }));
            }
        }
    }
    Ok(all)
}

/// The rules for a family of IP, which is allowed so: all but TCP are, and TCP asks.
fn ip(family: &Argument, action: &Rule) -> Vec<Rule> {
    let mask = u64::from(TYPE_MASK);
    let of_kind = |kind| vec![family.clone(), kind];
    let mut all: Vec<Rule> =
        others(1, mask, STREAM).into_iter().map(|kind| action.with(of_kind(kind))).collect();
    for (protocol, number) in axis(2, TCP.to_vec()) {
        let mut args = of_kind(Argument::masked(1, mask, STREAM));
        args.push(protocol);
        if !TCP.contains(&number) {
            all.push(action.with(args));
            continue;
        }
        let with = |last| args.iter().cloned().chain([last]).collect();
        all.push(action.with(with(Argument::equal(3, LEAVE.into()))));
        all.push(Rule::new(NOTIFY, with(Argument::unequal(3, LEAVE.into()))));
    }
    all
}

/// What the rules say to these two arguments; `None` when they say nothing.
fn decision(rules: &[Rule], [family, protocol]: [u64; 2]) -> Result<Option<Rule>, String> {
    let value = |index| if index == 0 { family } else { protocol };
    let mut found: Option<Rule> = None;
    for rule in rules {
        if !rule.args.iter().all(|arg| arg.holds(value(arg.index))) {
            continue;
        }
        let bare = rule.with(Vec::new());
        match &found {
            Some(other) if *other != bare => {
                return Err("two of its rules for socket contradict each other".to_owned());
            }
            _ => found = Some(bare),
        }
    }
    Ok(found)
}

/// The names of options end below this, as far as anything is known of them.
const NAMES: u64 = 128;

/// Options that programs set or ask for with each connection: for them nobody is to wait. By level and name
/// (include/uapi/asm-generic/socket.h, linux/in.h, in6.h, tcp.h): SO_REUSEADDR, SO_TYPE, SO_ERROR, buffers,
/// SO_KEEPALIVE, SO_LINGER, SO_REUSEPORT, time-outs, SO_PROTOCOL, SO_DOMAIN; IP_TOS; IPV6_V6ONLY;
/// TCP_NODELAY, TCP_CORK, those of keep-alive, TCP_INFO, TCP_CONGESTION, TCP_NOTSENT_LOWAT.
const FREQUENT: [(u64, &[u32]); 4] = [
    (1, &[2, 3, 4, 7, 8, 9, 13, 15, 20, 21, 38, 39]),
    (0, &[1]),
    (41, &[26]),
    (6, &[1, 3, 4, 5, 6, 11, 13, 25]),
];

/// The rules for setsockopt(2) or getsockopt(2): asking about these options, and not about those that are
/// fine and frequent. As few as can be, for what libseccomp takes to make a filter grows with the square of
/// their number (hundreds are seconds); so others are asked about too, and let through.
fn options(names: &Options, fine: &Options) -> Vec<Rule> {
    let mut all = Vec::new();
    let known = || LEVELS.iter().map(|level| u64::from(level.unsigned_abs())).zip(names).zip(fine);
    let levels = known().filter(|((_, names), _)| !names.is_empty()).map(|((level, _), _)| level);
    for (level, number) in axis(1, levels.collect()) {
        let found = known().find(|((known, names), _)| *known == number && !names.is_empty());
        let Some(((_, names), fine)) = found else {
            all.push(Rule::new(ALLOW, vec![level]));
            continue;
        };
        let frequent = FREQUENT.iter().find(|(level, _)| *level == number);
        let fine = fine.iter().copied().filter(|name| {
            frequent.is_some_and(|(_, names)| names.contains(name)) && !names.contains(name)
        });
        let fine: Vec<u32> = fine.collect();
        let numbers = |names: &[u32]| names.iter().copied().map(u64::from).collect::<Vec<_>>();
        for (name, asks) in blocks(2, NAMES, &numbers(names), &numbers(&fine)) {
            let action = if asks { NOTIFY } else { ALLOW };
            all.push(Rule::new(action, vec![level.clone(), name]));
        }
    }
    all
}
