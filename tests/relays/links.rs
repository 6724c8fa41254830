//! What the laboratory itself is: without it the other tests would say nothing.

use std::io::ErrorKind;
use std::net::{IpAddr, TcpStream};

use crate::lab::{PORT, RELAY_V4, RELAY_V6, Relays, WEB_V4, WEB_V6};
use crate::support::kernel;

#[test]
fn the_web_server_is_reached_in_both_families_and_speaks_no_mptcp() {
    let relays = Relays::new();
    let web = relays.serve(1_000);
    for host in [WEB_V4, &format!("[{WEB_V6}]")] {
        let url = format!("http://{host}/file");
        let curl = relays.client().tool("run --no-setup curl -sSf -o /dev/null").arg(url);
        curl.run().ok();
    }
    assert_eq!(web.content.len(), 1_000);
    assert!(kernel::counter(&relays.client().net, "MPTcpExt", "MPCapableSYNTX") >= 2);
    assert_eq!(kernel::counter(&relays.client().net, "MPTcpExt", "MPCapableSYNACKRX"), 0);
    for host in [RELAY_V4, RELAY_V6] {
        let host: IpAddr = host.parse().expect("an address");
        let said = relays.client().net.enter(|| TcpStream::connect((host, PORT)));
        assert_eq!(said.map_err(|error| error.kind()).err(), Some(ErrorKind::ConnectionRefused));
    }
}
