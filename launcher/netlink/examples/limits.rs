//! Shows the path manager's limits, or sets both: `limits [SUBFLOWS ACCEPTED]`.

use std::error::Error;

use mptcp_netlink::pm::{Limits, PathManager};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut pm = PathManager::open()?;
    match &words[..] {
        [] => {}
        [subflows, accepted] => pm.set_limits(Limits {
            subflows: subflows.parse()?,
            add_addr_accepted: accepted.parse()?,
        })?,
        _ => return Err("limits [SUBFLOWS ACCEPTED]".into()),
    }
    let limits = pm.limits()?;
    println!("{} additional subflows for each connection", limits.subflows);
    println!("{} announced addresses taken up", limits.add_addr_accepted);
    Ok(())
}
