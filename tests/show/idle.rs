//! What `status` says where nothing is wrong and no connection uses several paths: what is the case, and a next
//! step that leads on.

use serde_json::Value;

use crate::support::check::check;
use crate::support::hold::Hold;
use crate::support::uplinks::{SERVER_V4, Uplinks};
use crate::support::wait;

#[test]
fn on_an_idle_host_it_says_that_no_program_uses_mptcp_and_how_one_does() {
    let lab = Uplinks::two_subnets("15mbit");
    lab.client.setup("");
    let screen =
        lab.client.tool("status").env("COLUMNS", "100").env("LC_ALL", "C.UTF-8").run().ok().stdout;
    let last =
        "– every path is ready, and no program uses MPTCP now\n    more: mptcpize run PROGRAM\n";
    assert!(screen.ends_with(last), "{screen}");
}

#[test]
fn a_connection_that_stays_on_one_path_is_told_with_the_check_of_its_server_which_says_why() {
    let lab = Uplinks::two_subnets("15mbit");
    lab.server.net.ip("mptcp limits set subflows 0 add_addr_accepted 0");
    let _server = lab.serve();
    lab.client.setup("");
    let hold = Hold::new();
    let client = hold.on(lab.client_of("put", SERVER_V4, 1_000_000)).start();
    let mut found = Value::Null;
    wait::until("a connection on one path", || {
        let said = lab.client.tool("status -j").run().stdout;
        let said: Value = serde_json::from_str(&said).expect("JSON");
        let all = said["findings"].as_array().expect("a list").clone();
        found = all.into_iter().find(|one| one["code"] == "traffic.single").unwrap_or_default();
        !found.is_null()
    });
    assert_eq!(found["what"], "1 connection with one path each, and none with more");
    assert_eq!(found["fix"], "mptcpize check 10.99.0.1:8080");
    hold.release();
    client.finish().ok();
    let told = check(&lab.client, "10.99.0.1:8080");
    let codes = told.codes();
    assert!(codes.iter().any(|code| code.starts_with("peer.")), "{codes:?}");
}
