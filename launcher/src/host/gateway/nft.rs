//! The gateway's table of the packet filter, by nft(8).

use std::io::{self, Write};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::error::{Error, Exit, reason};
use crate::host::netlink::KernelError;
use crate::host::process::helper;
use mptcpize_model::gateway::filter::{Filter, MADE, TABLE};

/// How long nft may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which rules our table has, by their name: empty for rules of unknown making, nothing without a table.
///
/// # Errors
/// 5 where nft is missing, 1 where it does not answer, 4 where it may not.
pub fn read() -> Result<Option<String>, Error> {
    let mut nft = Command::new("nft");
    // Not one table, which fails where it is not there; and chains, for rules may be many.
    nft.args(["-j", "list", "chains", "inet"]);
    let said = helper::run(nft, Instant::now() + PATIENCE).map_err(|error| missing(&error))?;
    if !said.success {
        return Err(refused(&said.stderr));
    }
    let answer: Value = serde_json::from_slice(&said.stdout).map_err(|_| {
        Error::new(Exit::Missing, "cannot read the packet filter")
            .why("this nft has no JSON output")
            .fix("apt install nftables    # Debian's has it")
    })?;
    let chains = answer["nftables"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ours = chains.iter().map(|object| &object["chain"]).filter(|it| it["table"] == TABLE);
    let names: Vec<&str> = ours.filter_map(|chain| chain["name"].as_str()).collect();
    if names.is_empty() {
        // Somebody's may have sets alone; ours has a chain with the first of its rules.
        return Ok(is_listed().then(String::new));
    }
    Ok(Some(names.into_iter().find_map(|name| name.strip_prefix(MADE)).unwrap_or("").to_owned()))
}

/// Is there a table of our name?
fn is_listed() -> bool {
    let mut nft = Command::new("nft");
    nft.args(["list", "tables", "inet"]);
    let said = helper::run(nft, Instant::now() + PATIENCE).map(|said| said.stdout);
    let line = format!("table inet {TABLE}");
    String::from_utf8_lossy(&said.unwrap_or_default()).lines().any(|one| one.trim_end() == line)
}

/// Would the kernel take these rules?
///
/// # Errors
/// 5 where the kernel has no TPROXY, or another part of what they need.
pub fn check(filter: &Filter) -> Result<(), Error> {
    let said = script(&filter.script(), &["-c"]).map_err(|error| missing(&error))?;
    if said.success {
        return Ok(());
    }
    // What nft says of a rule repeats it, with a line of carets under it.
    let culprit = ["tproxy", "socket transparent", "fib", "masquerade", "ct status"]
        .into_iter()
        .find(|word| said.stderr.lines().any(|line| line.contains(word)));
    match (first_line(&said.stderr).contains("ermitted"), culprit) {
        (false, Some(word)) => Err(Error::new(Exit::Missing, "this kernel cannot be a gateway")
            .why(format!("its packet filter refuses \"{word}\": {}", first_line(&said.stderr)))
            .fix(
                "modprobe -a nft_tproxy nft_socket nft_fib_inet nft_masq nft_ct nft_reject_inet    \
                 # or a kernel of your distribution: apt install linux-image-amd64",
            )),
        _ => Err(refused(&said.stderr)),
    }
}

/// Makes the table what `filter` says, in one step.
///
/// # Errors
/// nft is missing, or the kernel refuses.
pub fn replace(filter: &Filter) -> Result<(), KernelError> {
    apply(&filter.script())
}

/// Removes the table.
///
/// # Errors
/// nft is missing, or the kernel refuses.
pub fn remove() -> Result<(), KernelError> {
    // Its declaration makes it if it is not there, so that this cannot fail for that.
    apply(&format!("table inet {TABLE}\ndelete table inet {TABLE}\n"))
}

fn apply(text: &str) -> Result<(), KernelError> {
    let failed = |text: String| KernelError::new(libc::EOPNOTSUPP, format!("nft: {text}"));
    match script(text, &[]) {
        Ok(said) if said.success => Ok(()),
        Ok(said) if first_line(&said.stderr).contains("ermitted") => {
            Err(KernelError::from_errno(libc::EPERM))
        }
        Ok(said) => Err(failed(first_line(&said.stderr).to_owned())),
        Err(error) => Err(failed(reason(&error))),
    }
}

fn script(text: &str, options: &[&str]) -> io::Result<helper::Said> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(text.as_bytes())?;
    let mut nft = Command::new("nft");
    nft.args(options).arg("-f").arg(file.path());
    helper::run(nft, Instant::now() + PATIENCE)
}

/// The first line without the name of our temporary file.
fn first_line(text: &str) -> &str {
    let line = text.lines().next().unwrap_or("it failed");
    line.split_once("Error: ").map_or(line, |(_, said)| said)
}

fn missing(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => Error::new(Exit::Missing, "nft is not here")
            .why("a gateway needs it for the packet filter: TPROXY and masquerade")
            .fix("apt install nftables"),
        _ => Error::new(Exit::Failed, "cannot ask nft").why(reason(error)),
    }
}

fn refused(text: &str) -> Error {
    let said = first_line(text);
    if said.contains("ermitted") {
        return Error::new(Exit::NotPermitted, "cannot use the packet filter")
            .why("the kernel wants CAP_NET_ADMIN")
            .fix(crate::host::process::privilege::advice());
    }
    Error::new(Exit::Failed, "cannot use the packet filter").why(format!("nft: {said}"))
}
