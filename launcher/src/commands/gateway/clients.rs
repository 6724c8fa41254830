//! `--dhcp`: addresses and names for the clients, by a dnsmasq that is told what the LAN's addresses are,
//! started again when they change or when it ends.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::commands::gateway::pass::Pass;
use crate::commands::gateway::revival::Revival;
use crate::error::Error;
use crate::host::gateway::dnsmasq::{self, Dnsmasq};
use crate::output;

/// One that ends within this time was told something wrong, or another program is in its place.
const AT_ONCE: Duration = Duration::from_secs(1);

/// What gives clients their addresses.
#[derive(Debug)]
pub struct Clients {
    /// The program.
    pub program: PathBuf,
    /// What it was told.
    told: String,
    running: Option<Dnsmasq>,
    revival: Revival,
    /// It has lasted once, so that its end is no mistake in what it was told.
    lasted: bool,
}

impl Clients {
    /// Finds the program.
    ///
    /// # Errors
    /// 5 where it is not installed.
    pub fn find() -> Result<Self, Error> {
        Ok(Clients {
            program: dnsmasq::find()?,
            told: String::new(),
            running: None,
            revival: Revival::default(),
            lasted: false,
        })
    }

    /// Tells it what the LAN is now, and starts it where that is new.
    ///
    /// # Errors
    /// It cannot be told, or not be started.
    pub fn tell(&mut self, text: &str, pass: &Pass, user: Option<u32>) -> Result<(), Error> {
        if self.told == text {
            return Ok(());
        }
        pass.put(&pass.places.dnsmasq(), text)?;
        text.clone_into(&mut self.told);
        self.stop();
        self.start(pass, user)
    }

    fn start(&mut self, pass: &Pass, user: Option<u32>) -> Result<(), Error> {
        let settings = pass.places.dnsmasq();
        let started = Dnsmasq::start(&self.program, &settings, &pass.leases, user);
        self.running = Some(started.map_err(|error| dnsmasq::not_started(&error))?);
        self.revival.started(Instant::now());
        Ok(())
    }

    /// Starts it again where it has ended.
    ///
    /// # Errors
    /// It ended at once: another program gives addresses or names here.
    pub fn look_after(&mut self, pass: &Pass, user: Option<u32>) -> Result<(), Error> {
        let now = Instant::now();
        if let Some(status) = self.running.as_mut().and_then(Dnsmasq::ended) {
            self.running = None;
            if !self.lasted && self.revival.lived(now) < AT_ONCE {
                return Err(dnsmasq::ended(status));
            }
            self.lasted = true;
            output::note(&format!("dnsmasq ended ({status}), and is started again"));
            self.revival.ended(now);
        }
        if self.revival.is_due(now) {
            self.start(pass, user)?;
        }
        Ok(())
    }

    /// When there is something to do.
    pub fn next(&self) -> Option<Instant> {
        self.revival.next()
    }

    /// What is readable once it has ended.
    pub fn end(&self) -> Option<BorrowedFd<'_>> {
        self.running.as_ref().map(AsFd::as_fd)
    }

    /// Ends it.
    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }
}
