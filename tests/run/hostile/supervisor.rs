//! The supervisor behind a seccomp filter: no program of its tree keeps it from answering the
//! others, and it does not speak before a sandbox that the program made for itself.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::cc::{self, Build};
use crate::support::{Cmd, scratch, tool, wait};

/// What a pipe may hold at most by default (`/proc/sys/fs/pipe-max-size`), in bytes.
const ROOM: usize = 1 << 20;

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
    let table = [
        (Build::Bits32, "1", &["262\n"][..]),
        (Build::Bits32, "20", &["262\n", "6\n"]),
        // Options, whose values are in memory too, and which are asked of sockets.
        (Build::Static, "4", &["262\n", "6\n"]),
    ];
    for (build, attackers, of_32_bits) in table {
        let file = scratch("never").join("delivered");
        fs::write(&file, "").expect("a scratch file can be written");
        let stuck = supervised(&[]).arg(cc::c("stuck", build)).arg(attackers).arg(&file);
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
    let storm = supervised(&[]).arg(cc::c("storm", Build::Bits32)).args(["100", "40", "calm"]);
    assert_eq!(storm.run().silent().stdout, "mptcp 4000 tcp 0 low 0 left 0\n");
}

/// The records in a text, and how many it says were lost.
fn counted(text: &str) -> (u32, u32) {
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
    (written, lost)
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
    // The innocent half: who reads then gets what there is, whole, and how much there is not. There is
    // room for all that the writer still has, however late the reader comes back.
    fcntl_setpipe_size(&reader, ROOM).expect("root may have it");
    let mut reader = File::from(reader);
    let mut part = vec![0; 1 << 20];
    let got = reader.read(&mut part).expect("the pipe is full");
    part.truncate(got);
    let reading = thread::spawn(move || {
        reader.read_to_end(&mut part).map(|_| String::from_utf8(part).expect("records are text"))
    });
    fs::write(&fifo, "\n").expect("the program reads it");
    assert_eq!(running.finish().ok().stdout, "262\n");
    let text = reading.join().expect("it does not panic").expect("it is a pipe");
    let (written, lost) = counted(&text);
    assert!(lost > 0 && written > 100, "{written} written, {lost} lost");
    assert_eq!(written + lost, 5001);
    // A reader that keeps up misses nothing.
    let storm = supervised(&["-d"]).arg(cc::c("storm", Build::Static)).args(["1", "200", "calm"]);
    assert_eq!(storm.run().ok().stderr.lines().count(), 200);
}

/// The process that writes the records into this pipe.
fn writer_of(pipe: &impl AsFd) -> Option<Pid> {
    let inode = rustix::fs::fstat(pipe).expect("our own pipe").st_ino;
    let link = PathBuf::from(format!("pipe:[{inode}]"));
    let holds = |process: &Path| {
        let held = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        held.into_iter().any(|fd| fs::read_link(fd.path()).is_ok_and(|to| to == link))
    };
    let all = fs::read_dir("/proc").expect("procfs is there").flatten().map(|entry| entry.path());
    let found = all.into_iter().find(|process| {
        let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
        name == "mptcpize-trace\n" && holds(process)
    })?;
    Pid::from_raw(found.file_name()?.to_str()?.parse().ok()?)
}

#[test]
fn records_are_counted_too_when_their_writer_gets_no_processor_until_the_end() {
    let fifo = scratch("late-writer").join("fifo");
    Cmd::new("mkfifo").arg(&fifo).run().silent();
    let (mut reader, ours) = pipe_with(PipeFlags::CLOEXEC)
        .map(|(reader, ours)| (File::from(reader), ours))
        .expect("the kernel has pipes");
    // The writer waits a second at most for a reader that comes back late.
    fcntl_setpipe_size(&reader, ROOM).expect("root may have it");
    let running = supervised(&["-d", "sh", "-c", "read -r line <\"$1\"; exec \"$0\" 1 8000 calm"])
        .arg(cc::c("storm", Build::Static))
        .arg(&fifo)
        .stderr(ours)
        .start();
    let mut found = None;
    wait::until("the writer", || {
        found = writer_of(&reader);
        found.is_some()
    });
    let writer = found.expect("it was found");
    kill_process(writer, Signal::STOP).expect("it runs");
    fs::write(&fifo, "\n").expect("the program reads it");
    let done = running.finish();
    kill_process(writer, Signal::CONT).expect("it is still there");
    assert_eq!(done.ok().stdout, "mptcp 8000 tcp 0 low 0 left 0\n");
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("records are text");
    let (written, lost) = counted(&text);
    assert!(lost > 0, "{written} written");
    assert_eq!(written + lost, 8000);
}

#[test]
fn a_program_that_others_trace_or_confine_is_left_to_the_kernel() {
    let beneath = cc::c("beneath", Build::Plain);
    let program = protocol(Build::Static);
    let traced = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=none"];
    let said = |command: Cmd| {
        let done = command.arg(&program).run().ok();
        let record = done.stderr.lines().last().unwrap_or_default().to_owned();
        (done.stdout, record.split_once(" = ").map_or("", |(_, rest)| rest).to_owned())
    };
    let table: [(&[&str], &str); 2] = [
        (&traced, "? TCP: it is traced"),
        // What its filter would have said is not ours to know.
        (
            &[beneath.to_str().expect("our name is text")],
            "? TCP: it has seccomp filters of its own",
        ),
    ];
    for (how, record) in table {
        let found = said(supervised(&["-d"]).args(how));
        assert_eq!(found, ("6\n".to_owned(), record.to_owned()), "{how:?}");
    }
    // The innocent half: filters from before, and a program beside a traced one.
    let outer = Cmd::new(beneath).arg(crate::support::tool::binary());
    let found = said(outer.args(["run", "-d", "--via", "seccomp"]));
    assert_eq!(found, ("262\n".to_owned(), "3 MPTCP".to_owned()));
    let script = format!("{} \"$0\"; \"$0\"", traced.join(" "));
    let done = supervised(&["sh", "-c", &script]).arg(&program).run().silent();
    assert_eq!(done.stdout, "6\n262\n");
}

#[test]
fn a_sandbox_that_refuses_by_seccomp_and_ptrace_is_not_overruled() {
    // A filter has the tracer asked (SECCOMP_RET_TRACE), and the tracer says no. The kernel asks
    // us instead, whose answer counts more.
    let confined = "strace -f --seccomp-bpf -qq -o /dev/null -e trace=socket -e";
    let confined: Vec<&str> = confined.split(' ').collect();
    let program = protocol(Build::Static);
    for refusal in ["inject=socket:error=EPERM", "inject=socket:error=EACCES"] {
        let command = |command: Cmd| command.args(&confined).arg(refusal).arg(&program).run();
        let native = command(Cmd::new("env")).silent().stdout;
        assert_eq!(native, "-1\n");
        let ours = command(supervised(&[])).silent().stdout;
        assert_eq!(ours, native, "{refusal}");
    }
    // The innocent half: the next program.
    assert_eq!(supervised(&[]).arg(&program).run().silent().stdout, "262\n");
}
