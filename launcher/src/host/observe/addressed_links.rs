//! A first look for `run`: how many links have an address. Two system calls and one small file,
//! where listing the links by netlink takes as long as starting the program.

#![allow(unsafe_code)]

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::fs;
use std::mem;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;

/// `SIOCGIFCONF` (netdevice(7)), which the libc crate leaves out for Linux.
const SIOCGIFCONF: u32 = 0x8912;

/// Addresses that are asked for at most; a host with more surely has two links.
const MOST: usize = 64;

/// How many links besides `lo` have an address that could start a subflow: never fewer than there
/// are paths. More than one where the kernel does not say.
pub fn count() -> usize {
    let (Some(mut names), Ok(v6)) = (
        with_v4(),
        fs::read_to_string("/proc/net/if_inet6").or_else(
            // A kernel without IPv6 has no such file.
            |error| {
                if error.kind() == std::io::ErrorKind::NotFound {
                    Ok(String::new())
                } else {
                    Err(error)
                }
            },
        ),
    ) else {
        return 2;
    };
    names.extend(with_global_v6(&v6));
    names.remove("lo");
    names.len()
}

/// The links with an IPv4 address.
fn with_v4() -> Option<BTreeSet<String>> {
    let socket = UnixDatagram::unbound().ok()?;
    // SAFETY: `ifreq` is plain data, for which all zeroes is a value.
    let mut found: [libc::ifreq; MOST] = unsafe { mem::zeroed() };
    let mut request = libc::ifconf {
        ifc_len: mem::size_of_val(&found) as libc::c_int,
        ifc_ifcu: libc::__c_anonymous_ifc_ifcu { ifcu_req: found.as_mut_ptr() },
    };
    // SAFETY: the request names a buffer and its true size, and both outlive the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCGIFCONF as _, &raw mut request) };
    if result != 0 {
        return None;
    }
    let count = request.ifc_len as usize / mem::size_of::<libc::ifreq>();
    let name = |entry: &libc::ifreq| {
        let bytes = entry.ifr_name.map(|letter| letter as u8);
        CStr::from_bytes_until_nul(&bytes).ok()?.to_str().ok().map(str::to_owned)
    };
    // An alias such as `eth0:1` is the link `eth0`.
    let link = |name: String| name.split(':').next().unwrap_or_default().to_owned();
    Some(found.iter().take(count).filter_map(name).map(link).collect())
}

/// The links with an IPv6 address of global scope: address, index, length, scope, flags, name.
fn with_global_v6(table: &str) -> BTreeSet<String> {
    table
        .lines()
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            (fields.nth(3)? == "00").then(|| fields.nth(1).map(str::to_owned)).flatten()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_global_addresses_of_ipv6_count() {
        let table = "\
00000000000000000000000000000001 01 80 10 80       lo
20010db8000100000000000000000023 02 40 00 00    wlan0
fe800000000000000000000000000001 03 40 20 80    wwan0
";
        assert_eq!(with_global_v6(table), BTreeSet::from(["wlan0".to_owned()]));
        assert!(with_global_v6("odd\n\n").is_empty());
    }
}
