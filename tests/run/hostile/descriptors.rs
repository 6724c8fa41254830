//! Descriptors of a service's process, at which root looks: a file of a file system that its own user
//! serves (FUSE), and who asks it anything waits until that user likes to answer.

use std::fs;
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread;

use mptcpize::host::procfs::processes::{Protocol, protocol};

use crate::support::{Cmd, scratch, wait};

/// Mounts one that never answers, as any user can, and holds its root; and a listener.
const HOLDER: &str = r#"
import ctypes, os, signal, socket, sys
libc = ctypes.CDLL(None)
file, mount = sys.argv[1:]
user, group = os.geteuid(), os.getegid()
if not os.path.exists("/dev/fuse") or libc.unshare(0x10020000):
    sys.exit(77)
open("/proc/self/setgroups", "w").write("deny")
open("/proc/self/uid_map", "w").write("0 %d 1" % user)
open("/proc/self/gid_map", "w").write("0 %d 1" % group)
fuse = os.open("/dev/fuse", os.O_RDWR)
options = b"fd=%d,rootmode=40000,user_id=0,group_id=0" % fuse
if libc.mount(b"x", mount.encode(), b"fuse", 6, options):
    sys.exit(4)
held = os.open(mount, os.O_PATH)
listener = socket.create_server(("127.0.0.1", 0))
open(file + ".new", "w").write("%d %d" % (held, listener.fileno()))
os.rename(file + ".new", file)
while True:
    signal.pause()
"#;

#[test]
fn a_descriptor_that_its_user_answers_for_is_asked_nothing() {
    let directory = scratch("fuse");
    let (told, mount) = (directory.join("told"), directory.join("mount"));
    fs::create_dir(&mount).expect("a scratch directory");
    let mut holder = Cmd::new("python3").args(["-c", HOLDER]).arg(&told).arg(&mount).start();
    wait::until("the descriptors", || told.exists() || holder.ended());
    if !told.exists() {
        // No FUSE here, or no user namespaces: then no user can do that.
        assert_eq!(holder.finish().code(), 77);
        return;
    }
    let numbers = fs::read_to_string(&told).expect("it was renamed to that");
    let (held, listener) = numbers.split_once(' ').expect("two numbers");
    let path =
        |number: &str| Path::new("/proc").join(holder.pid().to_string()).join("fd").join(number);
    let (of_fuse, of_socket) = (path(held), path(listener));
    let (say, said) = channel();
    thread::spawn(move || say.send((protocol(&of_fuse), protocol(&of_socket))));
    let got = said.recv_timeout(wait::deadline()).ok();
    // With its end, whoever waits for an answer of it gets an error.
    drop(holder);
    assert_eq!(got, Some((None, Some(Protocol::Tcp))), "asked, and waited in vain");
}
