//! Names of hosts, looked up by getent(1): the rules of this host (nsswitch.conf) hold, which a
//! statically linked program cannot follow by itself.

use std::io;
use std::net::IpAddr;
use std::process::Command;
use std::time::Instant;

use crate::error::reason;
use crate::host::process::helper;

/// The addresses of a host, in the order in which programs try them; an address is its own.
///
/// # Errors
/// Why there is none, in words.
pub fn addresses(name: &str, until: Instant) -> Result<Vec<IpAddr>, String> {
    if let Ok(address) = name.parse() {
        return Ok(vec![address]);
    }
    let mut getent = Command::new("getent");
    getent.args(["ahosts", "--", name]);
    let said = helper::run(getent, until).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "getent(1) is not here: give an address".to_owned(),
        io::ErrorKind::TimedOut => "the name servers did not answer in time".to_owned(),
        _ => reason(&error),
    })?;
    let found = parse(&String::from_utf8_lossy(&said.stdout));
    if found.is_empty() { Err("no name server or file knows it".into()) } else { Ok(found) }
}

/// Lines of address, kind of socket, and perhaps the name.
fn parse(text: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let address = words.next().and_then(|word| word.parse().ok());
        if let Some(address) = address.filter(|address| !found.contains(address)) {
            found.push(address);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_comes_once_in_its_order() {
        let text = "2001:db8::1     STREAM www.example.org\n2001:db8::1     DGRAM  \n\
                    192.0.2.1       STREAM \nfe80::1%eth0    STREAM \nodd\n";
        let expected: Vec<IpAddr> = ["2001:db8::1", "192.0.2.1"]
            .map(|text| text.parse().expect("a literal address"))
            .into();
        assert_eq!(parse(text), expected);
    }
}
