//! Subflows of one connection by hand. It must have begun while `net.mptcp.path_manager` was
//! `userspace`; `connections` or `monitor` tell its token.
//!
//! ```text
//! subflow TOKEN create 192.0.2.7 2 203.0.113.9:443     from an address, with an id, to a remote end
//! subflow TOKEN backup 192.0.2.7:40000 203.0.113.9:443
//! subflow TOKEN destroy 192.0.2.7:40000 203.0.113.9:443
//! ```

use std::error::Error;
use std::net::IpAddr;

use mptcp_netlink::pm::{Endpoint, PathManager};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let [token, rest @ ..] = &words[..] else { return Err("the token is missing".into()) };
    let mut pm = PathManager::open()?;
    let mut connection = pm.connection(u32::from_str_radix(token, 16)?);
    match rest {
        ["create", local, id, remote] => {
            let local: IpAddr = local.parse()?;
            connection.create(&Endpoint::new(local).id(id.parse()?).subflow(), remote.parse()?)?;
        }
        ["backup", local, remote] => {
            connection.set_backup(local.parse()?, remote.parse()?, true)?;
        }
        ["destroy", local, remote] => connection.destroy(local.parse()?, remote.parse()?)?,
        _ => return Err("subflow TOKEN create|backup|destroy …".into()),
    }
    Ok(())
}
