//! Drop-ins in images, where no systemd runs: which files of a unit count, what links inside mean,
//! and that a kill at any system call leaves the old state or the new.
//!
//! Not here: running services (enabled.rs).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::support::{Cmd, Outcome, scratch, tool};

const WEB: &str = "[Service]\nEnvironment=LD_PRELOAD=/lib/own.so\nExecStart=/usr/bin/web\n";
const DROPIN: &str = "etc/systemd/system/web.service.d/50-mptcpize.conf";

/// An image with one service.
fn image() -> PathBuf {
    let root = scratch("image");
    for directory in
        ["etc/systemd/system", "usr/lib/systemd/system", "usr/bin", "usr/local/lib", "var/lib"]
    {
        fs::create_dir_all(root.join(directory)).expect("a scratch directory");
    }
    fs::copy("/bin/true", root.join("usr/bin/web")).expect("a program");
    write(&root, "usr/lib/systemd/system/web.service", WEB);
    root
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().expect("it has one")).expect("a scratch directory");
    fs::write(path, text).expect("a scratch file");
}

fn read(root: &Path, path: &str) -> String {
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every path below a directory, with its mode and what tells its content or target from others.
fn tree(root: &Path) -> BTreeMap<PathBuf, (u32, String)> {
    let mut found = BTreeMap::new();
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).expect("it can be listed").flatten() {
            let path = entry.path();
            let about = entry.metadata().expect("it is there");
            let content = match about.file_type() {
                kind if kind.is_symlink() => {
                    fs::read_link(&path).expect("a link").display().to_string()
                }
                kind if kind.is_dir() => {
                    left.push(path.clone());
                    String::new()
                }
                _ => digest(&fs::read(&path).expect("a file")),
            };
            found.insert(path, (about.permissions().mode(), content));
        }
    }
    found
}

/// A short text that two contents do not share by accident.
fn digest(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("{} bytes {:x}", bytes.len(), hasher.finish())
}

/// `mptcpize VERB --root ROOT UNIT…`.
fn on(root: &Path, arguments: &str) -> Outcome {
    let words: Vec<&str> = arguments.split_whitespace().collect();
    tool(&words).arg("--root").arg(root).run()
}

/// Killed at the Nth call that changes files, in a way that no destructor sees.
fn killed(root: &Path, arguments: &str, when: u32) -> bool {
    const CALLS: &str = "openat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,rmdir,write,\
                         fsync,fdatasync,chmod,fchmod,fchmodat,linkat";
    let outcome = Cmd::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={CALLS}"), "-e"])
        .arg(format!("inject={CALLS}:signal=KILL:when={when}"))
        .arg(tool::binary())
        .args(arguments.split_whitespace())
        .arg("--root")
        .arg(root)
        .run();
    assert!(matches!(outcome.code(), 0 | 137), "{outcome}");
    outcome.code() == 137
}

/// Where AppArmor's profiles let no library be mapped, and earlier releases kept ours.
#[test]
fn a_library_at_the_place_of_earlier_releases_moves_with_the_next_enable() {
    let root = image();
    let before = tree(&root);
    on(&root, "enable web").silent();
    let (old, new) = ("usr/local/lib/mptcpize/units", "usr/lib/mptcpize/units");
    let library = fs::read(root.join(new).join("libmptcpize.so")).expect("it was put there");
    fs::create_dir_all(root.join(old)).expect("it is ours");
    fs::write(root.join(old).join("libmptcpize.so"), library).expect("it is ours");
    write(&root, DROPIN, &read(&root, DROPIN).replace(new, old));
    let said = on(&root, "enable web").silent().stdout;
    assert!(said.starts_with("+ web.service  preload"), "{said}");
    assert!(read(&root, DROPIN).contains(&format!("LD_PRELOAD=/{new}/libmptcpize.so:")));
    assert!(root.join(new).join("libmptcpize.so").is_file());
    assert!(!root.join("usr/local/lib/mptcpize").exists());
    on(&root, "disable web").silent();
    assert_eq!(tree(&root), before);
}

#[test]
fn enabling_an_image_and_disabling_it_leaves_it_as_it_was() {
    let root = image();
    let before = tree(&root);
    let said = on(&root, "enable web").silent().stdout;
    let expected = "+ web.service  preload  /etc/systemd/system/web.service.d/50-mptcpize.conf\n    \
                    it is dynamically linked: its loader takes our library\n";
    assert_eq!(said, expected);
    let text = read(&root, DROPIN);
    let line = "Environment=\"LD_PRELOAD=/usr/lib/mptcpize/units/libmptcpize.so:/lib/own.so\"\n";
    assert!(text.contains(line), "{text}");
    assert!(root.join("usr/lib/mptcpize/units/libmptcpize.so").is_file());
    let list = on(&root, "list").silent().stdout;
    assert_eq!(
        list,
        "UNIT         VIA      STATE  IN EFFECT  SOCKETS\nweb.service  preload         -          -\n"
    );
    let after = tree(&root);
    on(&root, "enable web.service").silent();
    assert_eq!(tree(&root), after, "twice");
    on(&root, "disable web").silent();
    assert_eq!(tree(&root), before);
    on(&root, "disable web").silent();
    assert_eq!(tree(&root), before, "twice");
}

#[test]
fn a_directory_that_was_there_stays() {
    for (name, other) in [("empty", None), ("used", Some("override.conf"))] {
        let root = image();
        let directory = root.join("etc/systemd/system/web.service.d");
        fs::create_dir(&directory).expect("a scratch directory");
        if let Some(other) = other {
            fs::write(directory.join(other), "[Unit]\n").expect("a scratch file");
        }
        let before = tree(&root);
        on(&root, "enable web").silent();
        on(&root, "disable web").silent();
        assert_eq!(tree(&root), before, "{name}");
    }
    // One that we made, and that somebody uses since.
    let root = image();
    on(&root, "enable web").silent();
    write(&root, "etc/systemd/system/web.service.d/other.conf", "[Unit]\n");
    on(&root, "disable web").silent();
    let left: Vec<_> = fs::read_dir(root.join("etc/systemd/system/web.service.d"))
        .expect("it is there")
        .flatten()
        .collect();
    assert_eq!(left.len(), 1);
}

#[test]
fn killed_at_any_call_it_leaves_the_old_or_the_new() {
    let root = image();
    let old = tree(&root);
    on(&root, "enable web").silent();
    let new = tree(&root);
    let text = read(&root, DROPIN);
    on(&root, "disable web").silent();
    // What systemd would read: the drop-in is whole or is not there.
    let dropin = |when| match fs::read_to_string(root.join(DROPIN)) {
        Ok(found) => {
            assert_eq!(found, text, "killed at {when}");
            // Nothing that it names is missing.
            assert!(
                root.join("usr/lib/mptcpize/units/libmptcpize.so").is_file(),
                "killed at {when}"
            );
            true
        }
        Err(_) => false,
    };
    let mut seen = [0, 0];
    for when in 1..1000 {
        let was_killed = killed(&root, "enable web", when);
        seen[usize::from(dropin(when))] += 1;
        on(&root, "enable web").silent();
        assert_eq!(tree(&root), new, "enabled after a kill at {when}");
        let was_killed_too = killed(&root, "disable web", when);
        dropin(when);
        on(&root, "enable web").silent();
        assert_eq!(tree(&root), new, "enabled after a kill of disable at {when}");
        let _ = killed(&root, "disable web", when);
        on(&root, "disable web").silent();
        assert_eq!(tree(&root), old, "disabled after a kill at {when}");
        if !was_killed && !was_killed_too {
            assert!(seen[0] > 10 && seen[1] > 1, "kills before and after: {seen:?}");
            return;
        }
    }
    panic!("it never ended by itself");
}

#[test]
fn the_files_of_a_unit_are_those_that_systemd_would_read() {
    let root = image();
    let system = "etc/systemd/system";
    // An alias, a template with an instance, prefixes, kinds, and a file that hides another.
    symlink("/usr/lib/systemd/system/web.service", root.join(system).join("www.service"))
        .expect("a link");
    write(&root, "usr/lib/systemd/system/a-b@.service", "[Service]\nExecStart=/usr/bin/web %i\n");
    write(
        &root,
        &format!("{system}/a-.service.d/10-x.conf"),
        "[Service]\nEnvironment=LD_PRELOAD=/x.so\n",
    );
    write(&root, &format!("{system}/service.d/20-y.conf"), "[Service]\nEnvironment=GODEBUG=y=1\n");
    write(
        &root,
        "usr/lib/systemd/system/web.service.d/30-z.conf",
        "[Service]\nEnvironment=LD_PRELOAD=/hidden.so\n",
    );
    write(
        &root,
        &format!("{system}/web.service.d/30-z.conf"),
        "[Service]\nEnvironment=LD_PRELOAD=/shown.so\n",
    );
    on(&root, "enable www a-b@one.service").silent();
    let text = read(&root, DROPIN);
    assert!(text.contains("/libmptcpize.so:/shown.so\""), "{text}");
    assert!(text.contains("GODEBUG=y=1,multipathtcp=1"), "{text}");
    let text = read(&root, &format!("{system}/a-b@one.service.d/50-mptcpize.conf"));
    assert!(text.contains("/libmptcpize.so:/x.so\""), "{text}");
    assert!(!root.join(system).join("www.service.d").exists());
    let listed = on(&root, "list --json").silent().stdout;
    let listed: serde_json::Value = serde_json::from_str(&listed).expect("it is JSON");
    assert_eq!(listed["version"], 1);
    assert_eq!(listed["units"].as_array().map(Vec::len), Some(2));
    on(&root, "disable --all").silent();
    assert_eq!(on(&root, "list").silent().stdout, "no unit is on (sudo mptcpize enable UNIT)\n");
}

#[test]
fn links_inside_an_image_lead_nowhere_else() {
    let root = image();
    let outside = scratch("outside");
    let guarded = tree(&outside);
    // Absolute links of an image are about its own root.
    fs::create_dir_all(root.join("var/ours")).expect("a scratch directory");
    symlink("/var/ours", root.join("usr/lib/mptcpize")).expect("a link");
    fs::remove_dir_all(root.join("etc/systemd")).expect("it is ours");
    fs::create_dir_all(root.join("data/units")).expect("a scratch directory");
    fs::create_dir_all(root.join("etc/systemd")).expect("a scratch directory");
    symlink("/data/units", root.join("etc/systemd/system")).expect("a link");
    fs::create_dir_all(root.join("opt")).expect("a scratch directory");
    fs::rename(root.join("usr/bin/web"), root.join("opt/web")).expect("it is ours");
    symlink("/opt/web", root.join("usr/bin/web")).expect("a link");
    let before = tree(&root);
    on(&root, "enable web").silent();
    assert!(root.join("data/units/web.service.d/50-mptcpize.conf").is_file());
    assert!(root.join("var/ours/units/libmptcpize.so").is_file());
    on(&root, "disable web").silent();
    assert_eq!(tree(&root), before);
    assert_eq!(tree(&outside), guarded);
}

#[test]
fn a_socket_is_made_by_a_systemd_that_can() {
    let root = image();
    write(&root, "usr/lib/systemd/system/web.socket", "[Socket]\nListenStream=80\n");
    let before = tree(&root);
    let outcome = on(&root, "enable web.socket");
    assert_eq!(outcome.code(), 5, "{outcome}");
    assert!(outcome.stderr.contains("systemd unknown cannot make web.socket"), "{outcome}");
    assert_eq!(tree(&root), before);
    for (version, code) in [("256", 5), ("257", 0), ("258.1", 0)] {
        let library = format!("usr/lib/systemd/libsystemd-shared-{version}.so");
        write(&root, &library, "");
        let outcome = on(&root, "enable web.socket");
        assert_eq!(outcome.code(), code, "{version}: {outcome}");
        if code == 0 {
            let text = read(&root, "etc/systemd/system/web.socket.d/50-mptcpize.conf");
            assert!(
                text.contains("\n[Socket]\n") && text.contains("\nSocketProtocol=mptcp\n"),
                "{text}"
            );
            on(&root, "disable web.socket").silent();
        }
        fs::remove_file(root.join(library)).expect("it is ours");
    }
}

#[test]
fn what_a_program_is_decides_the_way() {
    let root = image();
    write(&root, "usr/lib/systemd/system/odd.service", "[Service]\nExecStart=/usr/bin/nothing\n");
    let said = on(&root, "enable odd").silent().stdout;
    assert!(said.contains("note: /usr/bin/nothing is not there"), "{said}");
    let fixed = crate::support::cc::c("listen", crate::support::cc::Build::Static);
    fs::copy(fixed, root.join("usr/bin/fixed")).expect("it was built");
    write(
        &root,
        "usr/lib/systemd/system/fixed.service",
        "[Service]\nType=oneshot\nExecStart=-/usr/bin/fixed 1 ; /usr/bin/web 'a b'\n",
    );
    let said = on(&root, "enable fixed --json").silent().stdout;
    let said: serde_json::Value = serde_json::from_str(&said).expect("it is JSON");
    assert_eq!(said["units"][0]["via"], "run");
    let text = read(&root, "etc/systemd/system/fixed.service.d/50-mptcpize.conf");
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("ExecStart=")).collect();
    let run = "/usr/lib/mptcpize/units/mptcpize run --no-setup --via seccomp --";
    assert_eq!(
        lines,
        [
            "ExecStart=".to_owned(),
            format!("ExecStart=-{run} /usr/bin/fixed 1"),
            format!("ExecStart={run} /usr/bin/web 'a b'")
        ]
    );
    // Another way later is the same file, and what is not needed any more goes.
    on(&root, "enable fixed --via preload").silent();
    assert!(!root.join("usr/lib/mptcpize/units/mptcpize").exists());
    let text = read(&root, "etc/systemd/system/fixed.service.d/50-mptcpize.conf");
    assert!(text.contains("LD_PRELOAD") && !text.contains("ExecStart"), "{text}");
}

/// Sockets of Debian's packages: unit, `on` or `no`, lines, package.
const SOCKETS: &str = include_str!("../sockets.txt");

#[test]
fn of_debians_sockets_only_those_that_listen_at_ip_alone_can_be_enabled() {
    let root = image();
    // An image says its systemd by the name of this library.
    write(&root, "usr/lib/systemd/libsystemd-shared-257.so", "");
    let table: Vec<Vec<&str>> = SOCKETS
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(" | ").collect())
        .collect();
    for row in &table {
        let text = format!("[Socket]\n{}\n", row[2].replace("; ", "\n"));
        write(&root, &format!("usr/lib/systemd/system/{}", row[0]), &text);
    }
    let before = tree(&root);
    let said = on(&root, "enable -n -j *.socket").silent().stdout;
    let said: serde_json::Value = serde_json::from_str(&said).expect("it is JSON");
    let named = |key: &str| -> BTreeSet<String> {
        let all = said[key].as_array().expect("a list").iter();
        all.map(|one| one["unit"].as_str().expect("a name").to_owned()).collect()
    };
    let (accepted, passed) = (named("units"), named("passed_over"));
    for row in &table {
        let unit = row[0];
        let (yes, no) = match unit.contains("@.") {
            // A pattern means what can be started.
            true => {
                let outcome = on(&root, &format!("enable -n {unit}"));
                (outcome.code() == 0, outcome.code() == 2)
            }
            false => (accepted.contains(unit), passed.contains(unit)),
        };
        assert_eq!((yes, no), (row[1] == "on", row[1] == "no"), "{row:?}: {said}");
    }
    assert_eq!(
        accepted.len() + passed.len(),
        table.iter().filter(|row| !row[0].contains("@.")).count()
    );
    assert_eq!(tree(&root), before);
}
