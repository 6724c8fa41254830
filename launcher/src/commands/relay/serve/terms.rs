//! What a relay goes by: what was kept of it, with what the command line says, and a key where there is none.

use crate::cli::relay::serve::Serve;
use crate::error::{Error, Exit};
use crate::host::served::kept::Kept;
use crate::host::served::key;
use mptcpize_model::relay::served::{Served, check_address};
use mptcpize_model::shell;

/// How long connections live on when the relay is told to end by the service manager alone.
const DRAIN_S: u32 = 600;

/// Reads what is kept, with the command line over it; nothing is written.
///
/// # Errors
/// 2 for an address that is none; as [`Kept::load`].
pub fn look(arguments: &Serve, kept: &Kept) -> Result<Option<Served>, Error> {
    check(arguments)?;
    let mut served = kept.load()?;
    if let Some(served) = &mut served {
        over(arguments, served, kept)?;
    }
    Ok(served)
}

/// The same, written: a first start makes a key. `true` where it did.
///
/// # Errors
/// As [`look`]; it cannot be written.
pub fn keep(arguments: &Serve, kept: &Kept) -> Result<(Served, bool), Error> {
    check(arguments)?;
    kept.change(|there| {
        let new = there.is_none();
        let served = match there {
            Some(served) => served,
            None => {
                let method = arguments.method.unwrap_or_else(key::method);
                there.insert(Served::new(arguments.port(), method, key::new(method)?))
            }
        };
        served.settings.drain_s = DRAIN_S;
        over(arguments, served, kept)?;
        Ok((served.clone(), new))
    })
}

fn over(arguments: &Serve, served: &mut Served, kept: &Kept) -> Result<(), Error> {
    let method = served.settings.method;
    if let Some(asked) = arguments.method.filter(|asked| *asked != method) {
        let file = shell::word(kept.file().display()).to_string();
        return Err(Error::new(Exit::Usage, format!("this relay has {method} already"))
            .why(format!("its key is none of {asked}"))
            .fix(format!(
                "sudo mv {file} {file}.old && sudo mptcpize relay serve --method {asked}    # another \
                 key: each client wants the new line"
            )));
    }
    if let Some(port) = arguments.port {
        served.settings.port = port;
    }
    if let Some(address) = &arguments.address {
        served.address = Some(bare(address).to_owned());
    }
    Ok(())
}

fn check(arguments: &Serve) -> Result<(), Error> {
    let Some(address) = &arguments.address else { return Ok(()) };
    check_address(bare(address)).map_err(|why| {
        Error::new(Exit::Usage, "this is no --address").why(why).fix(
            "mptcpize relay serve --address relay.example.org    # or 198.51.100.7, without a port",
        )
    })
}

/// An IPv6 address is often written in brackets.
fn bare(address: &str) -> &str {
    address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address)
}
