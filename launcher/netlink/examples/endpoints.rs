//! Lists, adds and deletes endpoints of the path manager:
//!
//! ```text
//! endpoints                       what there is
//! endpoints add 192.0.2.7 eth0    subflows from this address, bound to this link
//! endpoints delete 3              the endpoint with this id
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::net::IpAddr;

use mptcp_netlink::pm::{Endpoint, PathManager};
use mptcp_netlink::rtnl::Rtnl;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let links = Rtnl::open()?.links()?;
    let mut pm = PathManager::open()?;
    match words[..] {
        ["add", address, name] => {
            let link = links.iter().find(|link| link.name == name).ok_or("no such link")?;
            let address: IpAddr = address.parse()?;
            pm.add(&Endpoint::new(address).link(link.index).subflow())?;
        }
        ["delete", id] => pm.delete(id.parse()?)?,
        [] => {
            let names: BTreeMap<u32, &str> =
                links.iter().map(|link| (link.index, link.name.as_str())).collect();
            for endpoint in pm.endpoints()? {
                let name = |index| names.get(&index).copied().unwrap_or("a link that is gone");
                let link = endpoint.link.map_or("any link", name);
                let Endpoint { address, id, flags, .. } = endpoint;
                println!("{address} id {id} on {link}: {flags}");
            }
        }
        _ => return Err("endpoints [add ADDRESS LINK | delete ID]".into()),
    }
    Ok(())
}
