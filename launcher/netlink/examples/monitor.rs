//! Prints events of the path manager as they come, and waits for them with poll(2), as a program
//! with other descriptors would.

use std::error::Error;

use mptcp_netlink::pm::{Event, Events, News};
use mptcp_netlink::sock_diag;
use rustix::event::{PollFd, PollFlags, poll};

fn main() -> Result<(), Box<dyn Error>> {
    let mut events = Events::open()?;
    loop {
        // What was read already does not wake poll(2).
        if !events.has_more() {
            poll(&mut [PollFd::new(&events, PollFlags::IN)], None)?;
        }
        match events.read()? {
            News::Event(event) => print(&event),
            News::Lost => {
                println!("some were lost: {} connections", sock_diag::connections()?.len())
            }
        }
    }
}

fn print(event: &Event) {
    print!("{}", event.kind);
    if let Some(token) = event.token {
        print!(" connection {token:08x}");
    }
    if let (Some(local), Some(port)) = (event.local, event.local_port) {
        print!(" from {local} port {port}");
    }
    if let (Some(remote), Some(port)) = (event.remote, event.remote_port) {
        print!(" to {remote} port {port}");
    }
    if let Some(error) = event.error.filter(|error| *error != 0) {
        print!(": {}", std::io::Error::from_raw_os_error(error.into()));
    }
    println!();
}
