//! The table that redirects the connections of this host.

use crate::error::{Error, Exit};
use crate::host::agent::table::Table;
use crate::host::process::privilege;
use mptcpize_model::net::Prefix;
use mptcpize_model::relay::agent::Settings;
use mptcpize_model::relay::rules::{self, Ports, Whose};

/// How its names begin; a number follows, for one is made before the one before it goes.
const NAME: &str = "mptcpize-relay-host";

/// A user for a text that is only shown.
pub(super) const USER: u32 = 61_184 + 868;

/// A table with what it was made of.
#[derive(Debug)]
pub(super) struct Redirected {
    table: Table,
    never: Vec<Prefix>,
    number: u32,
}

/// Its text.
pub(super) fn text(number: u32, ports: Ports, settings: &Settings, user: u32) -> String {
    let name = format!("{NAME}-{number}");
    rules::redirect(&name, &Whose::Host(user), ports, &settings.terms.never)
}

impl Redirected {
    /// Loads one, in the place of `before`.
    ///
    /// # Errors
    /// 5 without nft, 4 without privilege, 1 where the kernel refuses.
    pub(super) fn load(
        before: Option<&Redirected>,
        ports: Ports,
        settings: &Settings,
        user: u32,
    ) -> Result<Self, Error> {
        let number = before.map_or(0, |before| before.number + 1);
        let text = text(number, ports, settings, user);
        let table = Table::load(&format!("{NAME}-{number}"), &text).map_err(|why| refused(&why))?;
        Ok(Redirected { table, never: settings.terms.never.clone(), number })
    }

    /// Is it still there, and what these settings ask for?
    pub(super) fn suits(&self, settings: &Settings) -> bool {
        !self.table.has_gone() && self.never == settings.terms.never
    }

    /// Has it gone?
    pub(super) fn has_gone(&self) -> bool {
        self.table.has_gone()
    }

    /// What is readable once it has gone.
    pub(super) fn sign(&self) -> &Table {
        &self.table
    }
}

fn refused(why: &str) -> Error {
    let error = |exit| Error::new(exit, "cannot redirect the connections of this host").why(why);
    match why {
        why if why.contains("there is no nft") => error(Exit::Missing).fix("apt install nftables"),
        why if why.contains("ermitted") => error(Exit::NotPermitted).fix(privilege::advice()),
        _ => error(Exit::Failed).fix(
            "mptcpize relay agent --proxy 127.0.0.1:1080    # without the packet filter; the kernel \
             has what it takes from Linux 5.12 on",
        ),
    }
}
