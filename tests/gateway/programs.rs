//! Programs of the LAN as they are, beside curl: a shell, which sends both ways at once, and a
//! measurement of a network's rate.

use std::fs;

use crate::lan::{Lan, SERVER, used_all};
use crate::support::{Cmd, Launch, scratch, serve};

/// What each link has carried since.
fn since(lan: &Lan, before: &[u64]) -> Vec<u64> {
    lan.lab.counters().iter().zip(before).map(|(after, before)| after - before).collect()
}

#[test]
fn a_file_that_goes_to_a_shell_and_comes_back_is_the_same_and_uses_all_uplinks() {
    let lan = Lan::three_dongles();
    let server = &lan.lab.server.net;
    let home = scratch("sshd");
    let key = home.join("key");
    Cmd::line("ssh-keygen -q -t ed25519 -N").arg("").arg("-f").arg(&key).run().silent();
    let key = key.display();
    let configuration = format!(
        "ListenAddress {SERVER}:2222\nHostKey {key}\nAuthorizedKeysFile {key}.pub\n\
         StrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\n"
    );
    let file = scratch::file(&home.join("sshd.conf"), configuration, 0o600);
    // It wants an empty directory of this name, and to be called by its whole path.
    let sshd = Cmd::new("sh").args(["-c", "mkdir -p /run/sshd; exec \"$0\" \"$@\""]);
    let sshd = sshd.arg(crate::support::tool::binary()).args(["run", "--no-setup"]);
    let sshd = sshd.args(["/usr/sbin/sshd", "-D", "-e", "-f"]).arg(file).within(server);
    let _server = serve::listening(server, sshd, 2222);
    let gateway = lan.gateway("");
    let (directory, content) = serve::content(6_000_000);
    let before = lan.lab.counters();
    let back = directory.join("back");
    let options = format!(
        "ssh -F none -p 2222 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
         -o LogLevel=ERROR -i {key} root@{SERVER} cat"
    );
    let shell = lan.phone.command("sh").args(["-c", "exec \"$@\" <\"$0/file\" >\"$0/back\""]);
    shell.arg(&directory).args(options.split_whitespace()).run().ok();
    assert!(fs::read(back).expect("it came back") == content, "other bytes came back");
    used_all(&since(&lan, &before));
    gateway.end();
}

#[test]
fn iperf3_sees_more_than_one_uplink_both_ways() {
    let lan = Lan::three_dongles();
    let server = &lan.lab.server.net;
    let gateway = lan.gateway("");
    for way in [&[][..], &["-R"]] {
        let iperf = Launch::Tool.command("iperf3").args(["-s", "-1", "-p", "5201"]).within(server);
        let _server = serve::listening(server, iperf, 5201);
        let before = lan.lab.counters();
        let client = lan.phone.command("iperf3").args(["-J", "-c", SERVER, "-n", "24M"]).args(way);
        let said: serde_json::Value =
            serde_json::from_str(&client.run().ok().stdout).expect("iperf3 speaks JSON");
        assert!(said.get("error").is_none(), "{way:?}: {said}");
        // Up to ten megabytes are in buffers on the way when its sender has done.
        let received = said["end"]["sum_received"]["bytes"].as_u64();
        assert!(received.is_some_and(|bytes| bytes > 10_000_000), "{way:?}: {received:?}");
        used_all(&since(&lan, &before));
    }
    gateway.end();
}
