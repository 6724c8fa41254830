//! One pass over the host of a gateway: look at it, set the uplinks up, make what the gateway needs, and
//! write down what the relay is told. The same at the start and whenever something has changed.

use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::os::unix::fs::{PermissionsExt, fchown};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::commands::gateway::refusal;
use crate::commands::gateway::terms::Terms;
use crate::commands::setup::settings;
use crate::daemon::published;
use crate::error::{Error, Exit, reason};
use crate::host::Host;
use crate::host::apply::journal::{self, Journal};
use crate::host::apply::{lock, transaction};
use crate::host::gateway::relay::Places;
use crate::host::gateway::{GatewayHost, nft};
use crate::host::netns::identity;
use crate::inject::relay;
use crate::locations::Locations;
use mptcpize_model::HostState;
use mptcpize_model::change::{Change, Item};
use mptcpize_model::gateway::Settings;
use mptcpize_model::gateway::asked::Asked;
use mptcpize_model::gateway::dhcp;
use mptcpize_model::gateway::filter::Filter;
use mptcpize_model::gateway::lan::{self, Wrong};
use mptcpize_model::gateway::part::Part;
use mptcpize_model::gateway::wanted::{self, Wanted};
use mptcpize_model::net::{Family, Link};
use mptcpize_model::phrase;
use mptcpize_model::plan::Plan;
use mptcpize_model::proposal::{Observation, Proposal};
use mptcpize_model::uplinks::Path;

/// Where the relay listens, unless another program does: 8684 after the RFC.
const PORT: u16 = 8684;
/// How many ports from there on are tried.
const PORTS: u16 = 64;

/// How long another mptcpize that changes the host is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a relay may take to give up its port: it takes a millisecond, on a busy machine some.
const MOMENT: Duration = Duration::from_secs(1);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(1);

/// How long connections live on when a relay hands over to another.
const DRAIN_S: u32 = 3_600;

/// What a gateway works with.
pub struct Pass {
    host: GatewayHost,
    /// The relay's program.
    pub relay: PathBuf,
    /// Where the relay finds and leaves what it needs.
    pub places: Places,
    /// The addresses that clients were given.
    pub leases: PathBuf,
    /// The relay's user, once it has one.
    pub user: Option<u32>,
    run: PathBuf,
    netns: u64,
    port: u16,
    written: Option<Settings>,
    /// What spoke against the LAN when the host was looked at last.
    wrong: Option<Wrong>,
}

/// What was seen, and what follows from that.
pub struct Look {
    observation: Observation,
    uplinks: Vec<Path>,
    /// Families of the LAN that no uplink has.
    cut_off: Vec<Family>,
    /// The gateway's own changes.
    pub plan: Plan,
}

impl Look {
    /// The changes of the uplinks' set-up, unless a daemon makes them or there is nothing to bond.
    pub fn set_up(&self, pass: &Pass) -> Option<&Plan> {
        let Proposal { desired, plan, .. } = &self.observation.proposal;
        let whose = published::running(&pass.run, pass.netns);
        (whose.is_none() && desired.bonds && !plan.is_empty()).then_some(plan)
    }

    /// What is not as it could be with the uplinks, as a clause.
    pub fn shortfall(&self) -> Option<String> {
        let proposal = &self.observation.proposal;
        if let Some(captured) = proposal.captured() {
            return Some(format!(
                "{}: that of the LAN does too, and is not bonded",
                captured.what()
            ));
        }
        if proposal.is_blocked() {
            return proposal.plan.blocked.first().map(ToString::to_string);
        }
        (!proposal.desired.bonds).then(|| proposal.desired.notes.join("; "))
    }

    /// What is likely not meant, a clause each.
    pub fn hints(&self, asked: &Asked) -> Vec<String> {
        let lan = phrase::list(&asked.lan);
        let off = self.cut_off.iter();
        let off =
            off.map(|family| format!("no uplink has the {family} of {lan}: it leads nowhere"));
        let links = self.links();
        // A link may come later, so that this is no mistake.
        let unknown = asked.weights.keys().filter(|dev| !links.contains(dev));
        let unknown = unknown.map(|dev| format!("weights names {dev}, which is no uplink now"));
        off.chain(unknown).collect()
    }

    /// The links of the uplinks, best first.
    pub fn links(&self) -> Vec<&mptcpize_model::net::IfName> {
        let mut links: Vec<_> = self.uplinks.iter().map(|path| &path.dev).collect();
        links.dedup();
        let mut seen = Vec::new();
        links.retain(|dev| {
            !seen.contains(dev) && {
                seen.push(*dev);
                true
            }
        });
        links
    }
}

impl Pass {
    /// Connects to the kernel, and finds the relay and a port for it.
    ///
    /// # Errors
    /// 5 without a relay, 1 where all ports are taken or the journal is damaged.
    pub fn open(locations: &Locations) -> Result<Self, Error> {
        let relay = relay::find(locations)?;
        let host = GatewayHost::open()?;
        let netns = identity::netns();
        let record = journal::look(&locations.gateway_journal(), netns)?;
        let port = port(&record.entries)?;
        let places = Places(locations.gateway());
        Ok(Pass {
            host,
            relay,
            places,
            leases: locations.leases(),
            user: None,
            run: locations.run(),
            netns,
            port,
            written: None,
            wrong: None,
        })
    }

    fn journals(&self) -> PathBuf {
        self.places.0.join("journal")
    }

    /// May what was wrong with the host pass by itself, as links come?
    pub fn may_pass(&self) -> bool {
        let passing = |wrong: &Wrong| {
            matches!(
                wrong,
                Wrong::NoUplink(..)
                    | Wrong::NoFamily(..)
                    | Wrong::Absent(..)
                    | Wrong::Down(_)
                    | Wrong::NoAddress(_)
            )
        };
        self.wrong.as_ref().is_some_and(passing)
    }

    /// Looks at the host.
    ///
    /// # Errors
    /// It cannot be a gateway with these settings, or the kernel cannot be asked.
    pub fn look(&mut self, terms: &Terms) -> Result<Look, Error> {
        let set_up = journal::look(&self.run, self.netns)?;
        let record = journal::look(&self.journals(), self.netns)?;
        self.host.set_up = set_up.entries;
        let state = self.host.observe(&record.entries)?;
        settings::check_kernel(&state)?;
        self.wrong = None;
        refusal::of_table(&state, &record.entries)?;
        let judged = self.judge(state, terms);
        self.wrong = judged.as_ref().err().cloned();
        judged.map_err(refusal::of_lan)
    }

    fn judge(&self, state: HostState, terms: &Terms) -> Result<Look, Wrong> {
        let asked = &terms.asked;
        // Without the LAN among what is left out: whether it is an uplink is asked here.
        let mut config = terms.config.clone();
        config.exclude.retain(|dev| !asked.lan.contains(dev));
        let all = Proposal::of(&state, &config).uplinks;
        lan::check(&state, &all, &asked.lan, &asked.lan_address)?;
        let proposal = Proposal::of(&state, &terms.config);
        let uplinks = match proposal.desired.bonds {
            true => proposal.desired.paths.clone(),
            false => proposal.uplinks.clone(),
        };
        if uplinks.is_empty() {
            let left: Vec<String> = proposal
                .desired
                .left_out
                .iter()
                // The LAN is left out by us, and nobody asked for that.
                .filter(|it| !asked.lan.iter().any(|dev| dev.as_str() == it.what))
                .map(|it| format!("{}: {}", it.what, it.why))
                .collect();
            let may_be = |link: &&Link| {
                let suits = !link.loopback && link.up && link.master.is_none();
                suits && !asked.lan.contains(&link.name)
            };
            let link = state.links.iter().find(may_be).map(|link| link.name.clone());
            return Err(Wrong::NoUplink(left.join("; "), link));
        }
        let cut_off = lan::cut_off(&state, &uplinks, &asked.lan, &asked.lan_address)?;
        let plan = self.wanted(&uplinks, terms).plan(&state);
        Ok(Look { observation: Observation { state, proposal }, uplinks, cut_off, plan })
    }

    fn wanted<'a>(&self, uplinks: &'a [Path], terms: &'a Terms) -> Wanted<'a> {
        Wanted { asked: &terms.asked, uplinks, port: self.port, drain_s: DRAIN_S }
    }

    /// Would the kernel take the packet filter's rules? Before anything is changed.
    ///
    /// # Errors
    /// 5 where it would not.
    pub fn check(&self, look: &Look) -> Result<(), Error> {
        match filter(&look.plan.steps.iter().map(|step| step.change.clone()).collect::<Vec<_>>()) {
            Some(filter) => nft::check(filter),
            None => Ok(()),
        }
    }

    /// Waits until a relay that was told to end listens no more, for a moment at most.
    pub fn await_port(&self) {
        let begun = Instant::now();
        while !is_free(self.port) && begun.elapsed() < MOMENT {
            std::thread::sleep(LOOK);
        }
    }

    /// Makes the directory of the gateway.
    ///
    /// # Errors
    /// It cannot be made, or belongs to somebody else.
    pub fn make_directory(&self) -> Result<(), Error> {
        lock::make_in(&self.run, &self.places.0)
    }

    /// What dnsmasq is told of the LAN as it was seen.
    pub fn dhcp(&self, look: &Look, terms: &Terms) -> String {
        let leases = self.leases.display().to_string();
        dhcp::settings(&look.observation.state, &terms.asked.lan, &leases)
    }

    /// Makes the host what the gateway needs: the host as it is then, and whether the relay is told
    /// something new.
    ///
    /// # Errors
    /// A change that the kernel refused: what this pass made was taken back.
    pub fn carry_out(
        &mut self,
        look: Look,
        terms: &Terms,
        mut each: impl FnMut(&Change),
    ) -> Result<(Look, bool), Error> {
        if look.set_up(self).is_some() {
            self.set_up(look.observation, terms, &mut each)?;
        }
        let look = self.look(terms)?;
        if !look.plan.is_empty() {
            self.own(look.observation, look.plan, terms, &mut each)?;
        }
        let look = self.look(terms)?;
        let settings = Settings {
            relays: terms.relays.clone(),
            ..self.wanted(&look.uplinks, terms).settings(&terms.config)
        };
        let new = self.written.as_ref() != Some(&settings);
        if new {
            self.write(&settings)?;
            self.written = Some(settings);
        }
        Ok((look, new))
    }

    fn set_up(
        &mut self,
        seen: Observation,
        terms: &Terms,
        each: &mut dyn FnMut(&Change),
    ) -> Result<(), Error> {
        let mut journal = Journal::open_within(&self.run, self.netns, PATIENCE, |_| {})?;
        if journal.entries().is_empty() {
            // Before the first change, so that a crash does not make it somebody else's.
            fs::write(made_set_up(&self.places), "").map_err(|error| {
                Error::new(Exit::Failed, "cannot record that the gateway sets the uplinks up")
                    .why(reason(&error))
            })?;
        }
        let known = self.host.set_up.clone();
        let host = self.host.plain();
        let seen = transaction::up_to_date(seen, &known, host, &journal, &terms.config)?;
        transaction::set_up(seen, host, &mut journal, &terms.config, each)?;
        self.host.set_up = journal.entries().to_vec();
        Ok(())
    }

    fn own(
        &mut self,
        seen: Observation,
        plan: Plan,
        terms: &Terms,
        each: &mut dyn FnMut(&Change),
    ) -> Result<(), Error> {
        let directory = self.journals();
        let mut journal = Journal::open_within(&directory, self.netns, PATIENCE, |_| {})?;
        let seen = Observation { proposal: wanted::proposal(plan), ..seen };
        let port = self.port;
        let propose = |state: HostState| {
            let proposal = Proposal::of(&state, &terms.config);
            let uplinks = match proposal.desired.bonds {
                true => proposal.desired.paths,
                false => proposal.uplinks,
            };
            let wanted = Wanted { asked: &terms.asked, uplinks: &uplinks, port, drain_s: DRAIN_S };
            let plan = wanted.plan(&state);
            Observation { state, proposal: wanted::proposal(plan) }
        };
        transaction::carry_out(seen, &mut self.host, &mut journal, propose, each).map_err(
            |error| match error.exit() {
                Exit::Partial => error.fix("sudo mptcpize gateway undo"),
                _ => error.fix("mptcpize gateway --dry-run    # shows the whole plan"),
            },
        )?;
        Ok(())
    }

    /// Writes what the relay is told; it reads the old or the new, and nothing between.
    fn write(&self, settings: &Settings) -> Result<(), Error> {
        let mut text = serde_json::to_string_pretty(settings).expect("plain data");
        text.push('\n');
        if settings.relays.is_none() {
            return self.put(&self.places.settings(), &text);
        }
        // It holds keys, which the relay alone is to read.
        self.place(&self.places.settings(), &text, 0o600, self.user)
    }

    /// Replaces a file of the gateway's directory, whole or not at all.
    ///
    /// # Errors
    /// It cannot be written; it is as it was.
    pub fn put(&self, path: &std::path::Path, text: &str) -> Result<(), Error> {
        self.place(path, text, 0o644, None)
    }

    fn place(
        &self,
        path: &std::path::Path,
        text: &str,
        mode: u32,
        user: Option<u32>,
    ) -> Result<(), Error> {
        let failed = |error: io::Error| {
            Error::new(Exit::Failed, format!("cannot write {}", path.display())).why(reason(&error))
        };
        let mut file = tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(mode))
            .tempfile_in(&self.places.0)
            .map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.as_file().set_permissions(fs::Permissions::from_mode(mode)).map_err(failed)?;
        if user.is_some() {
            fchown(file.as_file(), user, user).map_err(failed)?;
        }
        file.persist(path).map_err(|error| failed(error.error))?;
        Ok(())
    }
}

/// The mark that the set-up of the uplinks is the gateway's, and goes with it.
pub fn made_set_up(places: &Places) -> PathBuf {
    places.0.join("made-set-up")
}

/// The packet filter's table among these changes.
fn filter(changes: &[Change]) -> Option<&Filter> {
    changes.iter().find_map(|change| match change {
        Change::Add(Item::Gateway(Part::Filter(filter))) => Some(filter),
        _ => None,
    })
}

/// The port of a gateway that was killed, or the first that nobody listens at.
fn port(entries: &[Change]) -> Result<u16, Error> {
    let before = filter(entries).map(|filter| filter.port);
    before.into_iter().chain(PORT..PORT + PORTS).find(|port| is_free(*port)).ok_or_else(|| {
        let last = PORT + PORTS - 1;
        Error::new(Exit::Failed, "there is no port for the relay")
            .why(format!("others listen at all of {PORT} to {last} of 127.0.0.1 or ::1"))
            .fix("ss -tlnp    # which they are")
    })
}

/// Does nobody listen at a port of the loopback interface?
fn is_free(port: u16) -> bool {
    let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, port));
    let taken = |error: &io::Error| error.kind() == io::ErrorKind::AddrInUse;
    !v4.as_ref().is_err_and(taken) && !v6.as_ref().is_err_and(taken)
}
