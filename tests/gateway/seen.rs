//! What `status`, `metrics` and `check` say of a gateway that runs, beside what the links' counters say.

use serde_json::Value;

use crate::lan::{Lan, SERVER};
use crate::support::check::check;
use crate::support::{Launch, wait};

/// The LAN's section of `status -j`.
fn shown(lan: &Lan) -> Value {
    let said = lan.router().tool("status -j").run();
    let report: Value =
        serde_json::from_str(&said.stdout).unwrap_or_else(|why| panic!("{why}: {said}"));
    report["gateway"].clone()
}

#[test]
fn a_clients_bytes_are_told_by_uplink_and_those_that_were_multipath() {
    let lan = Lan::three_dongles();
    let served = lan.serve(Launch::Tool, 9_000_000);
    let gateway = lan.gateway("");
    check(lan.router(), "").finds(&[], "a gateway as it is made");
    let by_link = lan.download(&lan.phone, SERVER, &served);
    let mut seen = Value::Null;
    wait::until("the end of the connection", || {
        seen = shown(&lan);
        seen["all"]["open"] == 0
    });
    let client = &seen["clients"][0];
    assert_eq!(
        (&client["address"], &client["carried"]),
        (&"192.168.77.2".into(), &1.into()),
        "{seen:#}"
    );
    assert!(client["down_bytes"].as_u64() > Some(9_000_000), "{seen:#}");
    assert_eq!(client["multipath_permille"], 1_000, "{seen:#}");
    let uplinks = seen["uplinks"].as_array().expect("a list");
    for uplink in uplinks {
        let name = uplink["dev"].as_str().expect("a name");
        let number: usize = name.trim_start_matches('w').parse().expect("w1, w2, …");
        let (told, counted) =
            (uplink["down_bytes"].as_u64().expect("a number"), by_link[number - 1]);
        assert!(told < counted && told > counted * 7 / 10, "{name}: {told} of {counted}: {seen:#}");
    }
    let text = lan.router().tool("metrics").run().silent().stdout;
    assert!(text.contains("\nmptcpize_gateway_up 1\n"), "{text}");
    gateway.end();
    assert_eq!(shown(&lan), Value::Null, "it has ended");
    let text = lan.router().tool("metrics").run().silent().stdout;
    assert!(!text.contains("mptcpize_gateway_"), "{text}");
}

#[test]
fn a_client_that_stays_on_one_uplink_is_no_fault_of_the_others() {
    let lan = Lan::three_dongles();
    let served = lan.serve(Launch::Native, 25_000_000);
    let gateway = lan.gateway("");
    lan.download(&lan.phone, SERVER, &served);
    wait::until("the end of the connection", || shown(&lan)["all"]["open"] == 0);
    let text = lan.router().tool("status").run().stdout;
    assert!(text.contains("192.168.77.2") && !text.contains("carries nothing"), "{text}");
    gateway.end();
}

#[test]
fn an_uplink_whose_joins_are_refused_on_the_way_is_remarked() {
    let lan = Lan::three_dongles();
    let served = lan.serve(Launch::Tool, 25_000_000);
    let gateway = lan.gateway("");
    // Up, with an endpoint, and joins from it are eaten: as middleboxes do.
    let eat = "table inet eat { chain f { type filter hook forward priority 0;
        ip saddr 192.168.0.12 tcp option mptcp subtype 1 drop\n}\n}";
    lan.lab.router.command("nft").args(["-f", "-"]).input(eat).run().ok();
    lan.download(&lan.phone, SERVER, &served);
    let mut text = String::new();
    wait::until("the end of the connection", || {
        let said = lan.router().tool("status").run().stdout;
        text = said;
        shown(&lan)["all"]["open"] == 0
    });
    assert!(text.contains("w2 carries nothing for the LAN"), "{text}");
    gateway.end();
}
