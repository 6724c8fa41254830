//! The promise: with two links, an unchanged program transfers faster than either link could, and
//! the interfaces' byte counters show that both carried it.
//!
//! Judged beside plain TCP, which transfers the same at the same time in a laboratory of its own: by
//! the bytes of both at one moment. Whatever keeps this machine from its work keeps both.

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use crate::support::kernel::{self, Traffic, accepted};
use crate::support::lab::{Lab, SERVER};
use crate::support::serve::{self, content};
use crate::support::{Cmd, Launch, Netns, Running, scratch, tool, wait};

const PORT: u16 = 8080;
/// Of each link: little work for a processor.
const RATE: &str = "20mbit";
/// Long enough for many looks when both are at full speed: 5 s over one link.
const SIZE: u64 = 12_000_000;

/// A laboratory and its server.
struct Side {
    lab: Lab,
    _server: Running,
    /// Where what was transferred comes to lie.
    arrives: PathBuf,
}

/// A program, ahead of what else this machine does: what is measured is the network.
fn urgent(launch: Launch, program: &str) -> Cmd {
    let command = Cmd::new("nice").args(["-n", "-20"]);
    match launch {
        Launch::Native => command.arg(program),
        Launch::Tool => command.arg(tool::binary()).arg("run").arg(program),
    }
}

impl Side {
    /// It and its client. `serve` starts the server; `words` are curl's for a file to read or write.
    fn new(
        launch: Launch,
        serve: impl Fn(&Lab) -> Running,
        words: &[&str],
        arrives: PathBuf,
    ) -> (Self, Cmd) {
        let lab = Lab::two_paths(&[RATE; 2]);
        lab.multipath();
        // BBR, a default of some hosts, is still measuring the links when such a transfer ends. A
        // namespace may not choose another, a route may.
        let change = |host: &Netns, route: &str| {
            host.ip(&format!("route change default via {route} congctl cubic"));
        };
        change(&lab.server, "10.99.0.254");
        change(&lab.client, "10.1.0.254 dev w1");
        for link in 1..=2 {
            change(&lab.client, &format!("10.{link}.0.254 dev w{link} table 10{link}"));
        }
        let server = serve(&lab);
        let pid = server.pid().to_string();
        Cmd::new("renice").args(["-n", "-20", "-p", &pid]).run().ok();
        let client = urgent(launch, "curl").arg("-sSf").args(words);
        let client = lab.on_client(client.arg(format!("http://{SERVER}:{PORT}/file")));
        (Side { lab, _server: server, arrives }, client)
    }
}

/// What both sides had moved at a moment.
#[derive(Clone, Copy, Debug)]
struct Look {
    one: u64,
    both: u64,
}

/// Runs both clients at once; `bytes` reads a link's counter.
fn faster_than_one(sides: [(Side, Cmd); 2], content: &[u8], bytes: fn(Traffic) -> u64) {
    // A laboratory at a time, and a thread that looks as often as it wants.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    rustix::process::nice(-20).expect("the tests run as root");
    let [(native, plain), (tool, under_tool)] = sides;
    let mut running = [plain.start(), under_tool.start()];
    let [one, both] = [running[0].pid(), running[1].pid()];
    // None when the process has ended.
    let moved = |pid: u32| -> Option<u64> {
        let table = fs::read_to_string(format!("/proc/{pid}/net/dev")).ok()?;
        Some(["w1", "w2"].iter().map(|link| bytes(kernel::traffic_in(&table, link))).sum())
    };
    let mut looks: Vec<Look> = Vec::new();
    wait::until("the end of the transfer over both", || {
        if let (Some(before), Some(both), Some(after)) = (moved(one), moved(both), moved(one)) {
            // One that took long was interrupted, and is of no moment. At first both grow.
            if after - before < SIZE / 200 && both > SIZE / 5 {
                looks.push(Look { one: after, both });
            }
        }
        running[1].ended()
    });
    for running in running {
        running.finish().silent();
    }
    for side in [&native.arrives, &tool.arrives] {
        assert!(fs::read(side).is_ok_and(|got| got == content), "it arrived otherwise");
    }

    let carried = |lab: &Lab| lab.traffic().into_iter().map(bytes).collect::<Vec<u64>>();
    let (plain, carried) = (carried(&native.lab), carried(&tool.lab));
    assert!(plain[1] < SIZE / 100, "plain TCP stays on the first link: {plain:?}");
    assert_eq!([&native, &tool].map(|side| accepted(&side.lab.server)), [0, 1], "MPTCP");
    assert!(carried.iter().all(|link| *link > SIZE / 5), "a link carried less: {carried:?}");
    let (Some(first), Some(last)) = (looks.first(), looks.last()) else { panic!("no look") };
    let (one, both) = (last.one - first.one, last.both - first.both);
    println!("{one} bytes over one link, {both} over two meanwhile, {carried:?} in all");
    assert!(both > SIZE / 3, "{} looks at a part of the transfer: {first:?} {last:?}", looks.len());
    assert!(both * 10 > one * 16, "less than 1.6 times one link: {both} {one}");
}

#[test]
fn a_download_uses_both_links_and_is_faster_than_one() {
    let (directory, bytes) = content(SIZE as usize);
    let sides = Launch::BOTH.map(|launch| {
        let out = scratch("download").join("file");
        let name = out.display().to_string();
        let serve = |lab: &Lab| serve::python(&lab.server, Launch::Tool, &directory, PORT);
        Side::new(launch, serve, &["-o", &name], out)
    });
    faster_than_one(sides, &bytes, |link| link.received);
}

#[test]
fn an_upload_uses_both_links_and_is_faster_than_one() {
    let (directory, bytes) = content(SIZE as usize);
    let name = directory.join("file").display().to_string();
    let sides = Launch::BOTH.map(|launch| {
        let stored = scratch("stored");
        let serve = |lab: &Lab| serve::store(&lab.server, Launch::Tool, &stored, PORT);
        // Without curl's question whether to send at all, which this server does not answer.
        Side::new(launch, serve, &["-H", "Expect:", "-T", &name], stored.join("file"))
    });
    faster_than_one(sides, &bytes, |link| link.sent);
}
