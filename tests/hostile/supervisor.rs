//! The supervisor behind a seccomp filter: no program of its tree keeps it from answering the
//! others.

use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::thread;

use rustix::pipe::{PipeFlags, pipe_with};

use crate::support::cc::{self, Build};
use crate::support::{Cmd, scratch, tool, wait};

/// `run` through a supervisor.
fn supervised(options: &[&str]) -> Cmd {
    tool(&["run", "--via", "seccomp"]).args(options)
}

/// A program that makes a socket and prints its protocol.
fn protocol(build: Build) -> PathBuf {
    cc::c("protocol", build)
}

#[test]
fn memory_that_nobody_delivers_holds_up_nobody_but_its_owner() {
    // How many attackers there are, and what a 32-bit program gets meanwhile: its arguments are in
    // memory too, and after a few that came too late no memory is read any more.
    for (attackers, of_32_bits) in [("1", &["262\n"][..]), ("20", &["262\n", "6\n"])] {
        let file = scratch("never").join("delivered");
        fs::write(&file, "").expect("a scratch file can be written");
        let stuck = supervised(&[]).arg(cc::c("stuck", Build::Bits32)).arg(attackers).arg(&file);
        let done = stuck
            .args(["sh", "-c", "\"$0\"; \"$1\"; \"$0\"; exec \"$2\" 2 100 calm"])
            .args([protocol(Build::Static), protocol(Build::Bits32)])
            .arg(cc::c("storm", Build::Static))
            .run()
            .silent();
        let all = "mptcp 200 tcp 0 low 0 left 0\n";
        let expected: Vec<String> =
            of_32_bits.iter().map(|got| format!("262\n{got}262\n{all}")).collect();
        assert!(expected.contains(&done.stdout), "{attackers}: {done}");
    }
    // The innocent half: nobody's reading comes too late.
    let storm = supervised(&[]).arg(cc::c("storm", Build::Bits32)).args(["200", "20", "calm"]);
    assert_eq!(storm.run().silent().stdout, "mptcp 4000 tcp 0 low 0 left 0\n");
}

#[test]
fn records_that_nobody_takes_hold_up_nobody_and_are_counted() {
    let directory = scratch("records");
    let [out, fifo] = ["out", "fifo"].map(|name| directory.join(name));
    Cmd::new("mkfifo").arg(&fifo).run().silent();
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).expect("the kernel has pipes");
    let script = "\"$0\" 1 5000 calm >\"$3\"; read -r line <\"$2\"; \"$1\"";
    let running = supervised(&["-d", "sh", "-c", script])
        .args([cc::c("storm", Build::Static), protocol(Build::Static)])
        .args([&fifo, &out])
        .stderr(writer)
        .start();
    // The attacker's half: it is 400 KB that nobody reads.
    wait::until("the sockets", || {
        fs::read_to_string(&out).is_ok_and(|text| text == "mptcp 5000 tcp 0 low 0 left 0\n")
    });
    // The innocent half: who reads then gets what there is, whole, and how much there is not.
    let reading = thread::spawn(move || {
        let mut text = String::new();
        File::from(reader).read_to_string(&mut text).map(|_| text)
    });
    fs::write(&fifo, "\n").expect("the program reads it");
    assert_eq!(running.finish().ok().stdout, "262\n");
    let text = reading.join().expect("it does not panic").expect("records are text");
    let (mut written, mut lost) = (0, 0);
    for line in text.lines() {
        let rest = line.strip_prefix("mptcpize: ").expect("a record");
        match rest.split_once(" records were lost: nobody took them in time") {
            Some((count, "")) => lost += count.parse::<u32>().expect("a number"),
            _ => {
                assert!(rest.ends_with(" = 3 MPTCP"), "{line}");
                written += 1;
            }
        }
    }
    assert!(lost > 0 && written > 100, "{written} written, {lost} lost");
    assert_eq!(written + lost, 5001);
    // A reader that keeps up misses nothing.
    let storm = supervised(&["-d"]).arg(cc::c("storm", Build::Static)).args(["1", "200", "calm"]);
    assert_eq!(storm.run().ok().stderr.lines().count(), 200);
}
