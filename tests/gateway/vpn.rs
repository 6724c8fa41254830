//! A VPN on the router: what the LAN sends takes the way of what the router itself leaves unbound, and
//! nothing goes beside the tunnel.

use crate::lan::Lan;
use crate::support::tunnel::{self, BEHIND_V4, Style};
use crate::support::{Launch, wait};

#[track_caller]
fn stays_in_the_tunnel(style: Style) {
    let lan = Lan::behind(tunnel::host());
    let served = lan.serve(Launch::Tool, 3_000_000);
    let before = lan.state();
    let vpn = tunnel::connect(&lan.lab, style);
    let gateway = lan.gateway("");
    tunnel::packets(&lan.lab);
    lan.download(&lan.phone, BEHIND_V4, &served);
    let seen = tunnel::packets(&lan.lab);
    assert!(seen.tunnel > 1_000, "{style:?}: {seen:?}");
    assert_eq!(seen.beside, 0, "{style:?}: {seen:?}");
    gateway.end();
    tunnel::disconnect(&lan.lab, style, vpn);
    wait::until("the host as it was", || lan.state() == before);
}

#[test]
fn of_a_full_vpn_by_a_better_default_route() {
    stays_in_the_tunnel(Style::LowerMetric);
}

#[test]
fn of_a_full_vpn_by_two_halves() {
    stays_in_the_tunnel(Style::Halves);
}

#[test]
fn of_a_full_vpn_by_a_mark() {
    stays_in_the_tunnel(Style::WgQuick);
}

#[test]
fn of_a_full_vpn_by_a_rule_before_main() {
    stays_in_the_tunnel(Style::Tailscale);
}

#[test]
fn of_a_vpn_for_some_networks() {
    stays_in_the_tunnel(Style::Split);
}
