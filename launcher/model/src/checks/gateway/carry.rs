//! Is TCP of the LAN carried: the relay, what hands connections over to it, and its uplinks.

use super::{Finding, Gateway, Relay, anew};
use crate::checks::{Context, Severity};
use crate::mptcp::Flags;
use crate::net::IfName;
use crate::phrase::list;
use crate::shell;

pub(super) fn carry(context: &Context, gateway: &Gateway) -> Vec<Finding> {
    let mut found = vec![];
    let lan = list(&gateway.settings.lan);
    match &gateway.relay {
        Relay::Answers => {}
        Relay::Drains => found.push(
            Finding::warning("gateway.draining", "the relay takes no more connections")
                .why("it was told to end, and waits for those that it has")
                .advice("mptcpize gateway    # or: systemctl start mptcpize-gateway"),
        ),
        Relay::Hidden => {
            let mut unknown = Finding::note("gateway.hidden", "the relay was not asked");
            unknown.severity = Severity::Unknown;
            found.push(unknown.why("only root may ask it"));
        }
        Relay::Silent(why) => found.push(
            Finding::problem("gateway.relay", "the relay does not run: TCP is not bonded")
                .why(format!("{why}; connections of {lan} are forwarded over one uplink at most"))
                .advice(match gateway.service {
                    true => {
                        "journalctl -u mptcpize-gateway    # what it said; then: systemctl restart \
                         mptcpize-gateway"
                            .to_owned()
                    }
                    false => anew(&gateway.settings.lan),
                }),
        ),
        Relay::Mute(why) => found.push(
            Finding::problem("gateway.mute", "the relay does not answer")
                .why(format!("{why}; it may carry connections of {lan} all the same"))
                .advice(match gateway.service {
                    true => "journalctl -u mptcpize-gateway    # what it said".to_owned(),
                    false => "sudo mptcpize gateway undo    # says what to end first".to_owned(),
                }),
        ),
    }
    if gateway.handed_over == Some(false) {
        found.push(match &gateway.tproxy {
            Some(why) => Finding::problem("gateway.tproxy", "this kernel has no TPROXY")
                .why(why.clone())
                .advice(
                    "modprobe -a nft_tproxy nft_socket    # CONFIG_NFT_TPROXY; or boot a kernel of \
                     your distribution",
                ),
            None => Finding::problem(
                "gateway.not_handed_over",
                format!("no rule hands TCP of {lan} to the relay"),
            )
            .why(format!("no tproxy to port {} is in the packet filter", gateway.settings.port))
            .advice(
                "systemctl restart mptcpize-gateway    # or mptcpize gateway, which makes the rules; \
                 nft flush ruleset takes them away",
            ),
        });
    }
    found.extend(down(context, gateway));
    found.extend(uplinks(context, gateway));
    found
}

/// Interfaces that carry nothing, whatever the relay says. One uplink of several that is down is what a
/// gateway is for.
fn down(context: &Context, gateway: &Gateway) -> Vec<Finding> {
    let works = |dev: &&IfName| context.seen.host.link(dev).is_some_and(|it| it.up && it.carrier);
    let show = |dev: &IfName| format!("ip link show dev {}", shell::word(dev));
    let mut found = vec![];
    for dev in gateway.settings.lan.iter().filter(|dev| !works(dev)) {
        found.push(
            Finding::warning("gateway.lan_down", format!("{dev} of the LAN is down"))
                .why("it is switched off, or nothing is plugged in")
                .advice(show(dev)),
        );
    }
    let uplinks: Vec<_> = gateway.settings.uplinks.iter().map(|uplink| &uplink.dev).collect();
    if !uplinks.iter().any(works) {
        let fix = uplinks.first().map_or_else(|| "ip link".to_owned(), |dev| show(dev));
        found.push(
            Finding::problem("gateway.uplinks_down", "no uplink of the gateway is up")
                .why(format!("{} have no carrier, or are switched off", list(&uplinks)))
                .advice(fix),
        );
    }
    found
}

/// The relay goes by addresses that it was told, and the kernel by endpoints.
fn uplinks(context: &Context, gateway: &Gateway) -> Vec<Finding> {
    let host = &context.seen.host;
    let mut found = vec![];
    for uplink in &gateway.settings.uplinks {
        for address in &uplink.addresses {
            let dev = &uplink.dev;
            if !host.addresses.iter().any(|one| one.dev == *dev && one.address == *address) {
                let title = format!("{dev} does not have {address}, which the relay starts from");
                found.push(
                    Finding::warning("gateway.address", title)
                        .why("the uplink is away, or has another address by now: it is passed by")
                        .advice("systemctl reload mptcpize-gateway    # reads the links again"),
                );
                continue;
            }
            // With one uplink there is nothing to bond.
            let bonds = gateway.settings.uplinks.len() > 1;
            let endpoint = host.endpoints.iter().any(|one| one.address == *address);
            if bonds && !endpoint {
                let add = format!(
                    "mptcpize endpoint add {address} dev {} {}",
                    shell::word(dev),
                    Flags::SUBFLOW
                );
                let title = format!("{address} of {dev} has no endpoint");
                found.push(
                    Finding::warning("gateway.endpoint", title)
                        .why("connections that began on another uplink never use this one")
                        .fix(&[&add]),
                );
            }
        }
    }
    found
}
