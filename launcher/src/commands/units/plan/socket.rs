//! Sockets that systemd opens: whether a `.socket` unit can have MPTCP, and what a service should
//! know of those that are opened for it.
//!
//! systemd makes such a socket itself, where nothing of ours is loaded, so only its own
//! `SocketProtocol=` does it. Where it does not fit, systemd opens the socket no more, at each boot;
//! so nothing is enabled here that could not be opened.

use crate::commands::units::Site;
use crate::commands::units::plan::choice::Choice;
use crate::error::{Error, Exit};
use crate::host::systemd::units::Facts;
use mptcpize_model::mptcp::IPPROTO_MPTCP;
use mptcpize_model::shell;
use mptcpize_model::unit::UnitName;
use mptcpize_model::unit::address::{Address, Misfit, fits};
use mptcpize_model::unit::back_to_tcp::{self, Manager};
use mptcpize_model::unit::dropin::Mechanism;
use mptcpize_model::unit::file::UnitText;

/// The first systemd that can make a socket unit's socket one of MPTCP (its NEWS, version 257).
const SOCKET_PROTOCOL: u32 = 257;
/// Settings that systemd cannot keep on a socket of MPTCP: it warns and goes on (257, Linux 6.18).
const NOT_KEPT: [&str; 2] = ["IPTTL", "PassPacketInfo"];

/// The mechanism of a `.socket`: systemd's own, with a return to TCP where one is possible.
///
/// # Errors
/// It has streams that cannot be MPTCP, or none, or a protocol of its own (exit 2); systemd cannot
/// (5).
pub(super) fn choose(site: &Site, facts: &Facts, text: &UnitText) -> Result<Choice, Error> {
    let Some(name) = &facts.name else {
        return Err(Error::new(Exit::Missing, "systemd does not know the unit"));
    };
    let addresses = match facts.listen.as_slice() {
        // An instance that is not there was asked for a template's.
        [] => Address::written(text, name),
        _ if name.is_template() => Address::written(text, name),
        shown => shown.iter().filter_map(|line| Address::shown(line)).collect(),
    };
    fits(&addresses, text.last("Socket", "SocketProtocol"))
        .map_err(|misfit| refusal(name, text, &misfit))?;
    let by_service = format!(
        "let the service open its own socket: sudo systemctl disable --now {}, \
         then sudo mptcpize enable --now {}",
        shell::operand(name),
        shell::operand(service(name, text))
    );
    let version = site.source.version();
    if version.is_none_or(|version| version < SOCKET_PROTOCOL) {
        let version = version.map_or("unknown".to_owned(), |version| version.to_string());
        return Err(Error::new(
            Exit::Missing,
            format!("systemd {version} cannot make {name} a socket of MPTCP"),
        )
        .why(format!(
            "SocketProtocol=mptcp came with systemd {SOCKET_PROTOCOL}; the socket is made by \
             systemd itself, where nothing of ours is loaded"
        ))
        .fix(by_service)
        .group("of sockets that this systemd cannot make of MPTCP"));
    }
    let not_kept = NOT_KEPT.iter().filter(|key| text.last("Socket", key).is_some());
    let mut notes: Vec<String> =
        not_kept.map(|key| format!("its {key}= does not count: MPTCP refuses it")).collect();
    let manager = if site.user { Manager::User } else { Manager::System };
    let back = back_to_tcp::is_possible(&addresses).then_some(manager);
    if back.is_none() {
        notes.push(
            "it has datagrams too, and with them no way back to TCP: with net.mptcp.enabled=0, or a \
             kernel without MPTCP, systemd cannot open it"
                .to_owned(),
        );
    }
    Ok(Choice {
        mechanism: Mechanism::Socket(back),
        why: "systemd makes its socket, with SocketProtocol=".to_owned(),
        notes,
        needs: Vec::new(),
    })
}

fn service(name: &UnitName, text: &UnitText) -> String {
    text.last("Socket", "Service").map_or(format!("{}.service", name.stem()), str::to_owned)
}

fn refusal(name: &UnitName, text: &UnitText, misfit: &Misfit) -> Error {
    let enable = format!("sudo mptcpize enable {}", shell::operand(service(name, text)));
    let own = format!("{enable}    # for the connections that the service opens itself");
    match misfit {
        Misfit::NoStream => Error::new(Exit::Usage, format!("{name} has no stream socket"))
            .why("it has no ListenStream=")
            .fix(enable)
            .group("of sockets that are no streams of IP"),
        Misfit::NotIp(address) => {
            let other = address.describe();
            Error::new(Exit::Usage, format!("{name} cannot be a socket of MPTCP"))
                .why(format!("{other}, and SocketProtocol= counts for all streams of a unit"))
                .fix(match name.is_template() {
                    true => format!("enable its instances: {}", instance(name)),
                    false => own,
                })
                .group("of sockets that are no streams of IP")
        }
        Misfit::Protocol(protocol) => {
            Error::new(Exit::Usage, format!("{name} has a protocol of its own"))
                .why(format!("it has SocketProtocol={protocol}"))
                .fix(own)
                .group("of sockets that are no streams of IP")
        }
    }
}

fn instance(name: &UnitName) -> String {
    format!("sudo mptcpize enable {}", shell::operand(name.instance("NAME")))
}

/// What to know of the sockets that systemd opens for a service. Those that are no streams of IP
/// are nothing to speak of: they have no TCP to stay on.
pub(super) fn of_service(site: &Site, facts: &Facts) -> Vec<String> {
    let names: Vec<UnitName> =
        facts.sockets.iter().filter_map(|name| UnitName::new(name).ok()).collect();
    let sockets = site.source.facts(&names).unwrap_or_default();
    let mut notes = Vec::new();
    for (name, socket) in names.iter().zip(&sockets) {
        let all: Vec<Address> =
            socket.listen.iter().filter_map(|line| Address::shown(line)).collect();
        if socket.protocol == IPPROTO_MPTCP || !all.iter().any(Address::is_ip_stream) {
            continue;
        }
        let can = site.source.version().is_some_and(|version| version >= SOCKET_PROTOCOL)
            && fits(&all, None).is_ok();
        let name = shell::operand(name);
        let instead = match can {
            true => format!("for them: sudo mptcpize enable --now {name}"),
            false => format!("without it: systemctl disable --now {name}"),
        };
        notes.push(format!(
            "{name} opens its socket, and systemd is no program that this reaches: connections \
             through it stay on TCP ({instead})"
        ));
    }
    notes
}
