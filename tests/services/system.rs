//! `enable --system` and `disable --system` in a copy of this machine: what programs get, what is
//! refused, and that no trace is left.

use crate::support::cc::{self, Build};
use crate::support::overlay::{beside, copy, shown};
use crate::support::scratch;
use mptcpize::inject::library::system_copy;

/// The programs of tests/c/protocol.c, one for each way to be built: their paths in scripts.
fn protocol(build: Build) -> String {
    shown(&cc::c("protocol", build))
}

#[test]
fn every_dynamic_program_gets_mptcp_and_no_program_says_a_word_more() {
    let script = format!(
        r#"
        mptcpize enable --system >/dev/null
        {plain}; {bits32}; {fixed}; {musl}; {sanitized}; {sanitized32}
        MPTCPIZE=off {plain}
        nobody {plain}
        env -i {plain}
        /lib64/ld-linux-x86-64.so.2 {plain}
        mptcpize run {plain}
        mptcpize disable --system >/dev/null
        {plain}
        "#,
        plain = protocol(Build::Plain),
        bits32 = protocol(Build::Bits32),
        fixed = protocol(Build::Static),
        musl = protocol(Build::Musl),
        sanitized = protocol(Build::Sanitized),
        sanitized32 = protocol(Build::Sanitized32),
    );
    let wanted = "262\n6\n6\n6\n262\n6\n6\n262\n262\n262\n262\n6\n";
    assert_eq!(copy(&script).run().silent().stdout, wanted);
}

#[test]
fn connections_within_the_host_stay_tcp_unless_the_file_says_otherwise() {
    let python = r#"python3 -c "
import socket
server = socket.create_server(('127.0.0.1', 0))
client = socket.create_connection(server.getsockname())
print(*(s.getsockopt(1, 38) for s in (server, client, server.accept()[0])))
""#;
    let script = format!(
        r#"
        ip link set lo up
        mptcpize enable --system >/dev/null
        {python}
        printf '[sockets]\nloopback = "mptcp"\n' >/etc/mptcpize.toml
        mptcpize enable --system >/dev/null
        {python}
        "#
    );
    assert_eq!(copy(&script).run().silent().stdout, "6 6 6\n262 262 262\n");
}

#[test]
fn the_environment_reaches_log_ins_and_the_rest_stays_as_it_is() {
    let script = format!(
        r#"
        echo LANG=C >/etc/environment
        written >/tmp/before
        mptcpize enable --system --via environment >/dev/null
        test ! -e /etc/ld.so.preload
        {plain}
        su -s /bin/sh -c 'unset LC_ALL; echo $LANG; {plain}; {bits32}; {musl}; {fixed}' nobody
        eval "$(/lib/systemd/user-environment-generators/30-systemd-environment-d-generator |
            sed 's/^/export /')"
        {plain}
        unset LD_PRELOAD GODEBUG
        mptcpize enable --system --via environment
        mptcpize disable --system >/dev/null
        cat /etc/environment
        written | diff /tmp/before -
        test ! -e /etc/systemd/system.conf.d
        "#,
        plain = protocol(Build::Plain),
        bits32 = protocol(Build::Bits32),
        fixed = protocol(Build::Static),
        musl = protocol(Build::Musl),
    );
    let done = copy(&script).run().ok();
    let wanted =
        "6\nC\n262\n6\n6\n6\n262\nalready on for every program (via environment)\nLANG=C\n";
    assert_eq!(done.stdout, wanted, "{done}");
}

#[test]
fn twice_is_a_no_op_and_off_leaves_no_trace() {
    for via in ["preload", "environment"] {
        let script = format!(
            r#"
            # Into the overlay, so that the list tells what was not there before.
            touch /etc/environment
            cp /etc/environment /tmp/environment
            written >/tmp/before
            mptcpize enable --system --via {via} >/dev/null
            written >/tmp/first
            find /etc /usr/lib /usr/lib32 -xdev -name '*mptcpize*' -newer /tmp/before \
                -printf '%p %i %C@\n' >/tmp/inodes
            mptcpize enable --system --via {via}
            find /etc /usr/lib /usr/lib32 -xdev -name '*mptcpize*' -newer /tmp/before \
                -printf '%p %i %C@\n' | diff /tmp/inodes -
            written | diff /tmp/first -
            mptcpize disable --system -n | grep -c '^  [-~] '
            mptcpize disable --system >/dev/null
            written | diff /tmp/before -
            cmp /etc/environment /tmp/environment
            mptcpize disable --system
            "#
        );
        let done = copy(&script).run().silent();
        let lines: Vec<&str> = done.stdout.lines().collect();
        let changes = if via == "preload" { "3" } else { "5" };
        let already = format!("already on for every program (via {via})");
        let nothing = "nothing to do: it is not on for every program";
        assert_eq!(lines, [&already, changes, nothing], "{done}");
    }
}

#[test]
fn a_dry_run_shows_it_and_writes_nothing() {
    let script = "written >/tmp/before; mptcpize enable --system -n; \
                  nobody mptcpize enable --system -n -j; written | diff /tmp/before -; ls /run";
    let done = copy(script).run().silent();
    let (screen, rest) = done.stdout.split_once("\nApply: ").expect("the screen's end");
    assert!(screen.starts_with("Would change 3 files on this host (nothing was changed):\n"));
    for path in ["/usr/lib/x86_64-linux-gnu/mptcpize/", "/usr/lib32/mptcpize/", "/etc/ld.so.pre"] {
        assert!(screen.contains(&format!("\n  + {path}")), "{screen}");
    }
    let json = rest.lines().find(|line| line.starts_with('{')).expect("one object");
    let json: serde_json::Value = serde_json::from_str(json).expect("JSON");
    assert!(json["version"] == 1 && json["via"] == "preload" && json["tried"].is_null(), "{json}");
    assert_eq!(json["changes"].as_array().map(Vec::len), Some(3), "{json}");
    assert!(rest.ends_with("lower\nupper\n"), "nothing in /run: {rest}");
}

#[test]
fn other_lines_of_ld_so_preload_count_and_stay_byte_for_byte() {
    let other = shown(&cc::c("other", Build::Library));
    let plain = protocol(Build::Plain);
    let script = format!(
        r#"
        printf '# ours\n  {other}\t\n\n   ' >/etc/ld.so.preload
        cp /etc/ld.so.preload /tmp/before
        mptcpize enable --system >/dev/null
        {plain}
        grep -o '^/usr[^-]*' /etc/ld.so.preload
        mptcpize disable --system >/dev/null
        cmp /etc/ld.so.preload /tmp/before
        "#
    );
    let done = copy(&script).run().silent();
    assert_eq!(done.stdout, "other: 2 1 0\n262\n/usr/$LIB/mptcpize/libmptcpize\n", "{done}");
}

#[test]
fn what_is_excluded_stays_on_tcp() {
    let plain = protocol(Build::Plain);
    let script = format!(
        r#"
        on() {{ printf "$1" >/etc/mptcpize.toml; mptcpize enable --system >/dev/null; }}
        cp {plain} /usr/bin/proto
        ln -s proto /usr/bin/linked
        printf '#!/bin/sh\nexec /usr/bin/proto\n' >/usr/bin/script
        printf '#!/usr/bin/proto\n' >/usr/bin/worded
        chmod +x /usr/bin/script /usr/bin/worded
        all() {{
            echo "$1:" $(proto; linked; {plain}; nobody proto; script; worded
                bash -c 'mount --bind /tmp/cgroup /proc/$$/cgroup; exec proto')
        }}
        echo '0::/system.slice/bird.service/inner' >/tmp/cgroup
        on ''; all nothing
        on '[system]\nexclude_programs = ["proto"]\n'; all name
        on '[system]\nexclude_programs = ["/usr/bin/proto"]\n'; all path
        on '[system]\nexclude_programs = ["linked", "worded"]\n'; all link
        on '[system]\nexclude_users = ["nobody"]\n'; all user
        on '[system]\nexclude_units = ["bird.service"]\n'; all unit
        ls /usr/lib/x86_64-linux-gnu/mptcpize/libmptcpize-system-* | wc -l
        on '[system]\nexclude_users = ["nobody", "root"]\n'
        nobody env MPTCPIZE_NOT_USERS=- proto
        mptcpize run proto
        "#
    );
    // Who is left out stays so, whatever its environment says.
    // proto, by a link, another path, as nobody, from a script, as a script's interpreter, in a unit.
    let wanted = "nothing: 262 262 262 262 262 262 262\n\
                  name: 6 6 262 6 6 6 6\n\
                  path: 6 6 262 6 6 6 6\n\
                  link: 262 6 262 262 262 6 262\n\
                  user: 262 262 262 6 262 262 262\n\
                  unit: 262 262 262 262 262 262 6\n\
                  1\n6\n262\n";
    assert_eq!(copy(&script).run().silent().stdout, wanted);
}

#[test]
fn a_program_that_gains_privilege_takes_nothing_from_its_caller_but_to_be_left_alone() {
    let plain = protocol(Build::Plain);
    let script = format!(
        r#"
        install -m 4755 {plain} /usr/bin/privileged
        install -m 755 {plain} /usr/bin/ordinary
        mptcpize enable --system >/dev/null
        nobody env MPTCPIZE_DEBUG=1 ordinary 2>/tmp/ordinary
        nobody env MPTCPIZE_DEBUG=1 MPTCPIZE_NOT_PROGRAMS=privileged privileged
        nobody env MPTCPIZE=off privileged
        grep -q 'ordinary\[.*MPTCP$' /tmp/ordinary
        "#
    );
    assert_eq!(copy(&script).run().silent().stdout, "262\n262\n6\n");
}

#[test]
fn an_image_is_enabled_without_being_entered() {
    let plain = protocol(Build::Plain);
    let script = format!(
        r#"
        cp {plain} $root/usr/bin/proto
        mptcpize=$1
        $mptcpize enable --system --root $root >/dev/null
        test ! -e /etc/ld.so.preload
        chroot $root proto
        $mptcpize enable --system --root $root
        $mptcpize disable --system --root $root
        chroot $root proto
        ls $root/etc/ld.so.preload 2>/dev/null || echo gone
        $mptcpize enable --system --root $root/var || echo $?
        "#
    );
    // The host's /run is not for tests.
    let script = format!("mount -t tmpfs -o mode=755 tmpfs /run\n{script}");
    let done = beside(&script).run().ok();
    let wanted = "262\nalready on for every program (via preload)\n\
                  off for every program that starts from now on (3 files changed)\n6\ngone\n2\n";
    assert_eq!(done.stdout, wanted, "{done}");
    assert!(done.stderr.starts_with("error: there is no image in "), "{done}");
}

/// Libraries that must not get into every program: what is wrong with it, its source after the
/// slot for settings, options of the compiler, and a word of the refusal.
const BROKEN: [(&str, &str, &str, &str); 9] = [
    (
        "it crashes",
        "__attribute__((constructor)) static void f(void) { *(volatile int *)0 = 0; }",
        "",
        "signal 11 instead of exit 7",
    ),
    (
        "it ends the program",
        "#include <unistd.h>\n\
      __attribute__((constructor)) static void f(void) { _exit(0); }",
        "",
        "exit 0 instead of exit 7",
    ),
    (
        "it speaks",
        "#include <unistd.h>\n\
      __attribute__((constructor)) static void f(void) { if (write(2, \"oops\\n\", 5)) {} }",
        "",
        "oops",
    ),
    (
        "it refers to what nobody has",
        "void nobody_has_this(void);\n\
      __attribute__((constructor)) static void f(void) { nobody_has_this(); }",
        "",
        "nobody_has_this",
    ),
    ("it needs a library that is not here", "", "-Wl,--no-as-needed -L. -lgone", "libgone.so"),
    ("it upgrades nothing", "", "", "its socket is not upgraded"),
    ("it is for 32-bit programs", "", "-m32", "it is no 64-bit ELF file"),
    (
        "it changes what programs print",
        "#include <unistd.h>\n\
      __attribute__((constructor)) static void f(void) { if (write(1, \"hello\\n\", 6)) {} }",
        "",
        "it prints something else: hello",
    ),
    (
        "it ends programs with AddressSanitizer",
        "#include <stdlib.h>\n#include <sys/syscall.h>\n#include <unistd.h>\n\
         int socket(int domain, int type, int protocol) {\n\
         if (getenv(\"MPTCPIZE_DEBUG\") && write(2, \"mptcpize: MPTCP\\n\", 16)) {}\n\
         return syscall(SYS_socket, domain, type, protocol); }",
        "",
        "ASan runtime does not come first",
    ),
];

#[test]
fn a_broken_library_is_refused_and_nothing_is_changed() {
    let directory = scratch("broken");
    let slot = "char slot[4096] __attribute__((used)) = \"mptcpize set-up:\";\n";
    let mut script = String::from("written >/tmp/before\n");
    for (number, (name, source, options, _)) in BROKEN.iter().enumerate() {
        let build = directory.join(number.to_string());
        std::fs::create_dir(&build).expect("the scratch directory is ours");
        let cc = |options: &str, source: &str, output: &str| {
            let file = scratch::file(&build.join("library.c"), source, 0o644);
            crate::support::Cmd::new("cc")
                .args(["-shared", "-fPIC", "-o", output])
                .arg(file)
                .args(options.split_whitespace())
                .cwd(&build)
                .run()
                .ok();
        };
        cc("", "int gone;\n", "libgone.so");
        cc(options, &format!("{slot}{source}\n"), "library.so");
        let library = shown(&build.join("library.so"));
        script.push_str(&format!(
            "echo '== {name}' >&2\n\
             if mptcpize enable --system --library {library}; then echo taken; else echo $?; fi\n\
             written | diff /tmp/before -\n"
        ));
    }
    let done = copy(&script).run().ok();
    assert_eq!(done.stdout, "1\n".repeat(BROKEN.len()), "{done}");
    let parts: Vec<&str> = done.stderr.split("== ").skip(1).collect();
    for ((name, _, _, wanted), said) in BROKEN.iter().zip(&parts) {
        assert!(said.contains(wanted), "{name}: {said}");
        for part in ["\nerror: ", "\n  why: ", "\n  fix: "] {
            assert!(said.contains(part), "{name}: {said}");
        }
    }
}

#[test]
fn a_damaged_or_hidden_library_is_refused() {
    let shim = scratch("whole").join("library.so");
    let shim = shown(&scratch::file(&shim, system_copy::BYTES, 0o755));
    // For a library that is cut off anywhere, or one that others cannot read.
    let script = format!(
        r#"
        written >/tmp/before
        size=$(stat -c %s {shim})
        for part in 0 64 4096 $((size / 2)) $((size - 3000)); do
            head -c $part {shim} >/tmp/cut.so
            ! mptcpize enable --system --library /tmp/cut.so 2>>/tmp/said || echo $part was taken
        done
        head -c 40 /dev/urandom >/tmp/noise.so
        ! mptcpize enable --system --library /tmp/noise.so 2>>/tmp/said
        ! mptcpize enable --system --library /tmp/missing.so 2>>/tmp/said
        written | diff /tmp/before -
        cut -d : -f 1 /tmp/said | sort | uniq -c
        mkdir -m 700 -p /usr/lib32/mptcpize /usr/lib/x86_64-linux-gnu/mptcpize
        chmod 700 /usr/lib/x86_64-linux-gnu/mptcpize
        mptcpize enable --system || echo $?
        test ! -e /etc/ld.so.preload
        "#
    );
    let done = copy(&script).run().ok();
    assert_eq!(done.stdout.split_whitespace().collect::<String>(), "7fix7why7error1", "{done}");
    assert!(done.stderr.contains("cannot be preloaded"), "{done}");
}

#[test]
fn what_cannot_be_is_a_clear_error_and_changes_nothing() {
    let table = [
        ("not root", "nobody mptcpize enable --system", 4, "only root may"),
        ("not root, off", "nobody mptcpize disable --system", 4, "only root may"),
        ("a filter", "mptcpize enable --system --via seccomp", 2, "no seccomp filter"),
        ("units beside it", "mptcpize enable --system nginx", 2, "cannot be used with"),
        (
            "a mistake in the settings",
            "printf '[system]\\nexclude = 1\\n' >/etc/mptcpize.toml; mptcpize enable --system",
            2,
            "line 2, column 1",
        ),
        (
            "a user that is not there",
            "printf '[system]\\nexclude_users = [\"bob\"]\\n' >/etc/mptcpize.toml
             mptcpize enable --system",
            2,
            "there is no user \"bob\"",
        ),
        (
            "a directory in its place",
            "mkdir /etc/ld.so.preload; mptcpize enable --system",
            1,
            "it is not a regular file",
        ),
        (
            "a link in its place",
            "ln -s /tmp/x /etc/ld.so.preload; mptcpize enable --system",
            1,
            "it is not a regular file",
        ),
        (
            "a read-only /etc",
            "mount --bind /etc /etc; mount -o remount,bind,ro /etc; mptcpize enable --system",
            1,
            "read-only file system",
        ),
        (
            "the last of several files",
            "mount --bind /etc/environment.d /etc/environment.d
             mount -o remount,bind,ro /etc/environment.d
             mptcpize enable --system --via environment",
            1,
            "read-only file system",
        ),
        (
            "a read-only /usr",
            "mount --bind /usr /usr; mount -o remount,bind,ro /usr; mptcpize enable --system",
            1,
            "read-only file system",
        ),
        (
            "LD_PRELOAD of somebody else",
            "echo LD_PRELOAD=/a.so >>/etc/environment
             mptcpize enable --system --via environment",
            1,
            "/etc/environment sets it",
        ),
        (
            "no glibc",
            "mkdir -p /tmp/image/etc; mptcpize enable --system --root /tmp/image",
            5,
            "musl's reads LD_PRELOAD alone",
        ),
        (
            "no mounts",
            "exec setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin \
             mptcpize enable --system",
            4,
            "no private view",
        ),
    ];
    for (name, command, code, why) in table {
        let done = copy(command).run();
        assert_eq!(done.code(), code, "{name}: {done}");
        assert!(done.stderr.contains(why), "{name}: {done}");
        assert!(done.stderr.starts_with("error: "), "{name}: {done}");
        // Written anew, or not at all.
        let after = copy(&format!(
            "({command}) >/dev/null 2>&1 || true
             find /usr -xdev -name 'libmptcpize-system*' 2>/dev/null; \
             grep -s mptcpize /etc/ld.so.preload /etc/environment || true"
        ));
        assert_eq!(after.run().ok().stdout, "", "{name}");
    }
}
