//! The faults of a relay, each with its cause and what mends it.
//!
//! What makes others meaningless comes first and alone: of a relay that cannot be reached nothing is
//! known, and one that does not take the key measures nothing.

use super::{Join, Mptcp, Reach, Row, Tested, Verdict, links};
use crate::phrase;
use crate::relay::probe::{Answer, Direction, Key};
use crate::shell;

/// Clocks that differ by less are no matter: SIP022 lets them differ by 30 s.
const CLOSE_S: i64 = 20;

fn fault(code: &'static str, title: impl Into<String>) -> Verdict {
    Verdict { code, attention: true, title: title.into(), why: None, fix: None }
}

impl Verdict {
    fn why(self, why: impl Into<String>) -> Self {
        Verdict { why: Some(why.into()), ..self }
    }

    fn fix(self, fix: impl Into<String>) -> Self {
        Verdict { fix: Some(fix.into()), ..self }
    }

    fn note(self) -> Self {
        Verdict { attention: false, ..self }
    }
}

/// All faults, the gravest first.
pub(super) fn find(tested: &Tested, rows: &[Row]) -> Vec<Verdict> {
    if let Some(fault) = unreached(tested, rows) {
        return vec![fault];
    }
    let mut all: Vec<Verdict> =
        tested.key.iter().filter_map(|key| key_fault(tested, key)).collect();
    all.extend(
        tested
            .failed
            .iter()
            .map(|why| fault("relay.probe", "whether it takes the key was not found out").why(why)),
    );
    all.extend(blocked(tested, rows));
    all.extend(family_dead(rows));
    all.extend(without_mptcp(rows));
    all.extend(not_joined(rows));
    all.extend(clock_soon(tested));
    all.extend(unmeasured(tested));
    all
}

/// Nothing was reached over any path.
fn unreached(tested: &Tested, rows: &[Row]) -> Option<Verdict> {
    let (host, port) = (&tested.peer.name, tested.peer.port);
    if let Some(why) = &tested.peer.unknown_name {
        let fix = format!("getent ahosts {}", shell::operand(host));
        return Some(fault("relay.name", format!("{host} has no address")).why(why).fix(fix));
    }
    if rows.iter().any(|row| row.reach == Reach::Reached) {
        return None;
    }
    if rows.iter().any(|row| row.reach == Reach::Refused) {
        return Some(
            fault("relay.refused", format!("nothing listens at port {port} of {host}"))
                .why("it answers by a reset: the relay does not run, or has another port")
                .fix("on the relay: sudo mptcpize relay serve --enable"),
        );
    }
    let why = rows.iter().find_map(|row| match &row.reach {
        Reach::Failed(why) => Some(why.clone()),
        _ => None,
    });
    let silent = rows.iter().any(|row| row.reach == Reach::Silent);
    let none = match silent {
        true => "a firewall drops what comes to that port, or the host is down",
        false => "no path of this host leads there",
    };
    let title = format!("no answer from port {port} of {host} over any path");
    Some(fault("relay.unreachable", title).why(why.unwrap_or_else(|| none.to_owned())).fix(
        match silent {
            true => format!(
                "let TCP port {port} in: in the provider's firewall, and as `mptcpize relay serve` \
                 says on the relay"
            ),
            false => "mptcpize check".to_owned(),
        },
    ))
}

fn key_fault(tested: &Tested, key: &Key) -> Option<Verdict> {
    Some(match key.answer {
        Answer::Taken => return None,
        Answer::TakenAtOtherTime => clock(tested, key.clock_s.unwrap_or(0)),
        Answer::Silent | Answer::Ended => {
            let mut why = match key.answer {
                Answer::Silent => "it answers nothing",
                _ => "it ends the connection",
            }
            .to_owned();
            why.push_str(": the key is wrong, or its user was removed or is at a limit");
            why.push_str(clocks(tested));
            fault("relay.key", "the relay does not take the key")
                .why(why)
                .fix("store the line anew that the relay prints: mptcpize relay add --replace -")
        }
        Answer::Foreign => {
            let title = "what answers there is no relay of Shadowsocks 2022";
            fault("relay.foreign", title)
                .why("it says something else: the port is that of another service")
                .fix("on the relay: sudo mptcpize relay serve")
        }
        Answer::Unreached => {
            fault("relay.lost", "the relay was reached, and a moment later it was not")
                .why("it takes no more connections of this address, or a path comes and goes")
                .fix("try again in a minute: mptcpize relay test")
        }
    })
}

/// What is known of the clocks where no time was taken.
fn clocks(tested: &Tested) -> &'static str {
    match (tested.hinted_s, tested.synchronised) {
        // It may be a lie, and so may the day be another one.
        (Some(ahead_s), Some(true)) if ahead_s.abs() <= CLOSE_S => "",
        (Some(ahead_s), _) if ahead_s.abs() <= CLOSE_S => "; or a clock is off by whole days",
        (Some(_), _) => {
            "; or a clock is off by days: the relay's host tells another time than this one"
        }
        (None, Some(true)) => "; or the relay's clock is off by more than a quarter of an hour",
        (None, _) => {
            "; or a clock is off by more than a quarter of an hour: this host's is not known to be right"
        }
    }
}

/// The clocks differ by more than is taken.
fn clock(tested: &Tested, clock_s: i64) -> Verdict {
    let (amount, way) =
        (span(clock_s.unsigned_abs()), if clock_s < 0 { "ahead of" } else { "behind" });
    let here = "sudo timedatectl set-ntp true";
    let (why, fix) = match tested.synchronised {
        Some(true) => (
            "this host's clock is synchronised, so the relay's is wrong; it takes 30 s at most",
            format!("on the relay: {here}"),
        ),
        _ => {
            ("the relay takes 30 s at most; this host's clock is not synchronised", here.to_owned())
        }
    };
    fault("relay.clock", format!("this host's clock is {amount} {way} the relay's"))
        .why(why)
        .fix(fix)
}

/// A clock that runs away, and is not yet too far.
fn clock_soon(tested: &Tested) -> Option<Verdict> {
    let key = tested.key.as_ref().filter(|key| key.answer == Answer::Taken)?;
    let apart = key.clock_s.filter(|clock_s| clock_s.abs() >= CLOSE_S)?;
    Some(clock(tested, apart).note())
}

/// `2 h`, `7 min`, `45 s`, `1 h 30 min`.
fn span(seconds: u64) -> String {
    // What was found by trying is right to half a minute.
    let minutes = (seconds + 30) / 60;
    match (minutes / 60, minutes % 60) {
        (0, _) if seconds < 90 => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

/// Some paths reach it and some do not, in one family.
fn blocked(tested: &Tested, rows: &[Row]) -> Option<Verdict> {
    let port = tested.peer.port;
    let reached = |row: &Row| row.reach == Reach::Reached;
    let dead = rows.iter().filter(|row| {
        let family = |other: &&Row| other.to.is_ipv4() == row.to.is_ipv4();
        !reached(row) && row.reach != Reach::Untried && rows.iter().filter(family).any(reached)
    });
    let dead: Vec<&Row> = dead.collect();
    let first = dead.first()?;
    let why = match &first.reach {
        Reach::Refused => "something on that path answers by a reset".to_owned(),
        Reach::Failed(why) => why.clone(),
        _ => format!("plain TCP to port {port} gets no answer there; over another path it does"),
    };
    let over = over(&dead)?;
    Some(
        fault("relay.path_blocked", format!("the relay cannot be reached over {over}"))
            .why(why)
            .fix("give the relay a port that is open there: sudo mptcpize relay serve --port 443"),
    )
}

/// One family does not come through at all, which is no fault as long as the other one does.
fn family_dead(rows: &[Row]) -> Option<Verdict> {
    let of = |v4: bool| rows.iter().filter(move |row| row.to.is_ipv4() == v4);
    let dead = |v4| of(v4).count() > 0 && of(v4).all(|row| row.reach != Reach::Reached);
    let name = match (dead(true), dead(false)) {
        (true, false) => "IPv4",
        (false, true) => "IPv6",
        _ => return None,
    };
    let title = format!("the relay cannot be reached in {name}");
    Some(
        fault("relay.family", title)
            .why("no path gets an answer there; in the other family it is reached")
            .fix(format!("let its port in for {name}, or give the relay an address without it"))
            .note(),
    )
}

/// The links of some rows; nothing where there are none.
fn over(rows: &[&Row]) -> Option<String> {
    (!rows.is_empty()).then(|| phrase::list(&links(rows.iter().copied())))
}

fn without_mptcp(rows: &[Row]) -> Option<Verdict> {
    let reached: Vec<&Row> = rows.iter().filter(|row| row.reach == Reach::Reached).collect();
    let with = |wanted: &[Mptcp]| -> Vec<&Row> {
        reached.iter().copied().filter(|row| wanted.contains(&row.mptcp)).collect()
    };
    let speaks = with(&[Mptcp::Speaks]);
    let (plain, dropped) = (with(&[Mptcp::Tcp]), with(&[Mptcp::Dropped]));
    let lost = with(&[Mptcp::LostLater]);
    if let Some(over) = over(&with(&[Mptcp::CarriesNothing])) {
        return Some(
            fault("relay.carries_nothing", format!("no data arrive over {over}"))
                .why("the handshake is answered there, and packets with data are not")
                .fix(
                    "try a lower MTU on that link: large or marked packets may be lost on its way",
                ),
        );
    }
    if speaks.is_empty() && dropped.is_empty() && lost.is_empty() && !plain.is_empty() {
        return Some(
            fault("relay.no_mptcp", "the relay speaks TCP alone: one path is used at a time")
                .why("its answer has no MPTCP on any path: it has none, or it was started without")
                .fix("on the relay: sudo sysctl -w net.mptcp.enabled=1, then start it anew"),
        );
    }
    let open = "use a VPN over that link, or let TCP option 30 pass in that network";
    if let Some(first) = dropped.first().or(lost.first()).or(plain.first()) {
        let (some, why) = match first.mptcp {
            Mptcp::Dropped => {
                (&dropped, "plain TCP is answered there, SYNs with MPTCP are dropped")
            }
            Mptcp::LostLater => (&lost, "a device on the way takes the option out of data"),
            _ => (&plain, "a device on that path takes the MPTCP options out"),
        };
        let over = over(some).unwrap_or_default();
        return Some(
            fault("relay.stripped", format!("MPTCP does not come through over {over}"))
                .why(why)
                .fix(open),
        );
    }
    None
}

fn not_joined(rows: &[Row]) -> Option<Verdict> {
    let with =
        |wanted: Join| -> Vec<&Row> { rows.iter().filter(|row| row.join == wanted).collect() };
    if let Some(over) = over(&with(Join::Unanswered)) {
        return Some(
            fault("relay.join_dropped", format!("no subflow can be added over {over}"))
                .why(
                    "MP_JOIN gets no answer: a firewall drops it, though MPTCP alone comes through",
                )
                .fix("let TCP option 30 pass in the firewall of the relay, also with subtype 1"),
        );
    }
    if let Some(over) = over(&with(Join::Refused)) {
        return Some(
            fault("relay.join_refused", format!("the relay refuses subflows over {over}"))
                .why("joins are answered by a reset: its limit of subflows, or its firewall")
                .fix("on the relay: sudo mptcpize limits set subflows 8"),
        );
    }
    let began = rows.iter().any(|row| matches!(row.join, Join::First | Join::Joined));
    if let Some(over) = over(&with(Join::NotAsked)).filter(|_| began) {
        return Some(
            fault("relay.no_endpoint", format!("connections use no subflow over {over}"))
                .why("this host has no endpoint there that opens subflows, or its limit is 0")
                .fix("sudo mptcpize setup"),
        );
    }
    None
}

fn unmeasured(tested: &Tested) -> Option<Verdict> {
    let taken = tested.key.as_ref().is_some_and(|key| key.answer == Answer::Taken);
    let absent = tested.target.is_some_and(|target| !target.present);
    (taken && absent).then(|| {
        fault("relay.no_target", "how much it carries was not measured")
            .why("it is not mptcpize's own server: it has no target for that")
            .note()
    })
}

/// Nothing is wrong.
pub(super) fn fine(tested: &Tested, rows: &[Row]) -> Verdict {
    let reached: Vec<&Row> = rows.iter().filter(|row| row.reach == Reach::Reached).collect();
    let over = over(&reached).unwrap_or_default();
    let title = match gain(tested) {
        Some(tenths) => format!(
            "the relay works over {over}: {}.{} × what plain TCP carries over one path",
            tenths / 10,
            tenths % 10
        ),
        None => format!("the relay works over {over}"),
    };
    Verdict { code: "relay", ..fault("relay", title).note() }
}

/// What MPTCP downloads in terms of plain TCP, in tenths.
fn gain(tested: &Tested) -> Option<u64> {
    let rate = |mptcp: bool| {
        let down = |direction| direction == Direction::Down;
        let mut all = tested.moved.iter();
        all.find(|moved| down(moved.direction) && moved.mptcp == mptcp).map(|moved| moved.bit_s)
    };
    (rate(true)?.saturating_mul(10) + rate(false)? / 2).checked_div(rate(false)?)
}
