//! `mptcpize relay test`: each path, then the key, the clock and how much goes through.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::cli::relay::test::Test;
use crate::commands::setup::settings;
use crate::commands::show::progress::Progress;
use crate::commands::show::{observe, trial};
use crate::error::{Exit, reason};
use crate::host::apply::journal;
use crate::host::netns::identity;
use crate::host::observe::kernel_host::KernelHost;
use crate::host::relays::{self, AUTO};
use crate::host::{Host, relay_clock, relay_probe};
use crate::inject::relay as program;
use crate::locations::Locations;
use crate::output::{self, relay_test as screen};
use mptcpize_model::HostState;
use mptcpize_model::checks::peer::{Answer, Try};
use mptcpize_model::config::Config;
use mptcpize_model::relay::agent::Relay;
use mptcpize_model::relay::probe::{Settings, Source};
use mptcpize_model::relay::test::Tested;

/// What of the time is for the paths, in hundredths: the rest measures.
const PATHS: u32 = 35;

/// A probe of less than this says nothing.
const LEAST: Duration = Duration::from_millis(500);

/// Clocks that differ by less are alike: a server takes 30 s (SIP022).
const ALIKE_S: i64 = 30;

/// How long a second probe may take, beside ten round trips: for the request as it was, and for one with the
/// time that the relay is said to have.
const AGAIN_MS: u32 = 5_000;

/// Tries the relays, and says what came of it.
///
/// # Errors
/// As [`relays::resolve`]; 5: there is no mptcpize-relay; 4: a sandbox forbids to look.
pub fn test(arguments: &Test, locations: &Locations) -> anyhow::Result<Exit> {
    let wanted = arguments.relay.as_deref().unwrap_or(AUTO);
    let all = relays::resolve(wanted, locations)?;
    let program = program::find(locations)?;
    let record = journal::look(&locations.run(), identity::netns())?;
    let config = settings::of_host(&record, locations)?;
    let host = KernelHost::open()?.observe(&record.entries)?;
    let mut attention = false;
    for (place, relay) in all.iter().enumerate() {
        let tested = one(relay, &host, &config, arguments.seconds, &program);
        attention |= tested.verdict().iter().any(|verdict| verdict.attention);
        if arguments.json {
            output::line(&screen::json(&tested))?;
        } else {
            let gap = if place > 0 { "\n" } else { "" };
            let text = screen::screen(&tested, &observe::term(arguments.color));
            output::text(&format!("{gap}{text}"))?;
        }
    }
    Ok(if attention { Exit::Attention } else { Exit::Done })
}

/// Tries one.
fn one(relay: &Relay, host: &HostState, config: &Config, seconds: u32, program: &Path) -> Tested {
    let start = Instant::now();
    let time = Duration::from_secs(seconds.into());
    let mut progress = Progress::new(start);
    let mut tell = |text: &str| progress.tell(text);
    let peer = (relay.host.as_str(), relay.port);
    let address = match relay.host.contains(':') {
        true => format!("[{}]:{}", relay.host, relay.port),
        false => format!("{}:{}", relay.host, relay.port),
    };
    let mut tested = Tested {
        name: relay.name.to_string(),
        address,
        peer: trial::trial(host, config, peer, start + time * PATHS / 100, &mut tell),
        joins: trial::joins(host),
        ..Tested::default()
    };
    let left = time.saturating_sub(start.elapsed());
    let Some((to, best)) = best(&tested) else { return tested };
    if left < LEAST {
        tested.failed = Some("there was no time left".to_owned());
        return tested;
    }
    let endpoints = &host.endpoints;
    let path = best.from.map(|from| {
        let endpoint = endpoints.iter().find(|endpoint| endpoint.address == from);
        // As its subflows are.
        let bound = endpoint.is_none_or(|endpoint| endpoint.dev.is_some());
        Source { from, dev: best.dev.clone().filter(|_| bound) }
    });
    let of_address = |tried: &&Try| tried.to == to;
    let speaks = |tried: &Try| matches!(tried.mptcp, Answer::Connected { mptcp: true, .. });
    let settings = Settings {
        relay: relay.clone(),
        to,
        path,
        mptcp: tested.peer.tries.iter().filter(of_address).any(speaks),
        rtt_us: rtt_us(best).unwrap_or(0),
        millis: u32::try_from(left.as_millis()).unwrap_or(u32::MAX),
        ahead_s: 0,
        hinted_s: None,
    };
    let name = relay.name.as_str();
    let mut probe = |settings: &Settings, tested: &mut Tested| {
        relay_probe::run(program, settings, |line| {
            if let Some(doing) = tested.hear(line) {
                tell(&format!("{name}: {doing}"));
            }
        })
    };
    let mut ended = probe(&settings, &mut tested);
    if ended.is_ok() && tested.is_refused() {
        let from = settings.path.as_ref().map(|path| path.from);
        let round_trip = Duration::from_micros(settings.rtt_us.into());
        tested.hinted_s = relay_clock::ask(to.ip(), from, round_trip);
        if tested.hinted_s.is_some_and(|ahead_s| ahead_s.abs() > ALIKE_S) {
            let millis = AGAIN_MS.saturating_add(settings.rtt_us / 1_000 * 10);
            let again = Settings { hinted_s: tested.hinted_s, millis, ..settings };
            ended = probe(&again, &mut tested);
        }
    }
    if let Err(error) = ended {
        tested.failed = Some(reason(&error));
    } else if tested.key.is_none() {
        tested.failed = Some("mptcpize-relay ended without a word of it".to_owned());
    }
    tested
}

/// The address that is probed, and the best path to it: one that speaks MPTCP before others, in the
/// order in which programs try addresses, then the shortest round trip.
fn best(tested: &Tested) -> Option<(SocketAddr, &Try)> {
    let place = |tried: &Try| {
        let addresses = &tested.peer.addresses;
        addresses.iter().position(|address| *address == tried.to.ip()).unwrap_or(usize::MAX)
    };
    let plain = |tried: &Try| !matches!(tried.mptcp, Answer::Connected { mptcp: true, .. });
    let reached = tested.peer.tries.iter().filter_map(|tried| Some((rtt_us(tried)?, tried)));
    let best = reached.min_by_key(|(rtt, tried)| (plain(tried), place(tried), *rtt));
    best.map(|(_, tried)| (tried.to, tried))
}

fn rtt_us(tried: &Try) -> Option<u32> {
    match tried.tcp {
        Answer::Connected { rtt_us, .. } => Some(rtt_us),
        _ => None,
    }
}
