//! `mptcpize relay user`: keys of their own, which come and go while the relay runs.

use std::fs;

use serde_json::Value;

use mptcpize_model::relay::url;

use crate::serving::{self, Host};
use crate::support::wait;

/// What `relay user list` says of a user.
fn of(host: &Host, name: &str) -> Value {
    let said = host.tool("relay user list --json").run().silent().stdout;
    let said: Value = serde_json::from_str(&said).expect("it is JSON");
    let users = said["users"].as_array().expect("a list").clone();
    users.into_iter().find(|user| user["name"] == name).unwrap_or(Value::Null)
}

#[test]
fn users_come_and_go_while_it_runs_and_each_is_counted() {
    let host = Host::new();
    let web = host.relays.serve(100_000);
    let serving = host.serve("");
    let everybody = serving.url();
    host.carries(&everybody, &web);

    let asked = host.tool("relay user add alice").run();
    assert_eq!(asked.code(), 2, "{asked}");
    assert!(asked.stderr.contains("fix: sudo mptcpize relay user add alice --yes"), "{asked}");
    let alice = host.tool("relay user add alice --yes --month 100GB --rate 80").run().ok();
    assert!(alice.stdout.starts_with("+ user  alice  100 GB a month, 80 Mbit/s\n"), "{alice}");
    let alice = serving::url(&alice.stdout);
    let bob = serving::url(&host.tool("relay user add bob").run().ok().stdout);
    assert_eq!(url::read(&alice).expect("it can be stored").keys.len(), 2);
    for url in [&alice, &bob] {
        host.carries(url, &web);
    }
    assert_eq!(host.through(&everybody), None, "the server's key alone opens nothing");
    wait::until("the bytes of alice", || {
        of(&host, "alice")["month_bytes"].as_u64() > Some(100_000)
    });
    assert_eq!(of(&host, "alice")["limits"]["rate_mbit"], 80);
    // Again: the same key, other limits.
    let again = host.tool("relay user add alice --rate 90").run().ok();
    assert_eq!(serving::url(&again.stdout), alice);
    assert!(again.stdout.starts_with("= user  alice  100 GB a month, 90 Mbit/s\n"), "{again}");

    host.tool("relay user remove bob").run().silent();
    assert_eq!(host.through(&bob), None);
    host.carries(&alice, &web);
    let last = host.tool("relay user remove alice").run();
    assert_eq!(last.code(), 2, "{last}");
    host.tool("relay user remove alice --yes").run().ok();
    host.carries(&everybody, &web);
    serving.end();
    let shown = host.tool("relay user list").run().ok();
    assert!(shown.stdout.contains("(the server's key)"), "{shown}");
}

#[test]
fn without_a_relay_that_runs_users_count_from_the_next_start_on() {
    let host = Host::new();
    let never = host.tool("relay user add alice").run();
    assert_eq!(never.code(), 5, "{never}");
    assert!(never.stderr.contains("error: this host is no relay\n"), "{never}");
    host.serve("").end();
    let added = host.tool("relay user add alice --yes").run().ok();
    assert!(added.stderr.contains("no relay runs here now"), "{added}");
    let web = host.relays.serve(1_000);
    let serving = host.serve("");
    let alice = serving::url(&added.stdout);
    host.carries(&alice, &web);
    assert!(!serving.printed().contains("ss://"), "{}", serving.printed());
    serving.end();
    for (words, code) in
        [("remove carol", 5), ("add a/b", 2), ("add x --connections 0", 2), ("add x --month 5", 2)]
    {
        let outcome = host.tool(&format!("relay user {words}")).run();
        assert_eq!(outcome.code(), code, "{words}: {outcome}");
    }
}

#[test]
fn a_method_without_users_says_what_to_do() {
    let host = Host::new();
    host.serve("--method 2022-blake3-chacha20-poly1305").end();
    let outcome = host.tool("relay user add alice --yes").run();
    assert_eq!(outcome.code(), 1, "{outcome}");
    assert!(outcome.stderr.contains("relay serve --method 2022-blake3-aes-128-gcm"), "{outcome}");
    let other = host.tool("relay serve --method 2022-blake3-aes-128-gcm").run();
    assert_eq!(other.code(), 2, "{other}");
    let text = fs::read_to_string(host.file()).expect("it is there");
    assert!(text.contains("chacha20"), "{text}");
}
