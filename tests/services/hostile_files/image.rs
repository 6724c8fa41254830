//! The boundary between an image (`--root DIR`) and the host: whatever an image holds, nothing of
//! the host is written, removed, read or run, and nothing of the image outlives the tool.
//!
//! Each row has an attacker's half, a script that prepares `$image`, and an innocent half, the
//! command of a person who has not looked into it. Both run as root in a copy of this machine, and
//! every file of that copy is compared before and after.

use crate::support::Outcome;
use crate::support::cc::{self, Build};
use crate::support::overlay::{copy, shown};

/// An image with a service, and what a root shell of it needs to be tried: bash, ls and sleep with
/// their libraries. `$hostile` is a unit's directory of the host that an attacker aims at.
const IMAGE: &str = r#"
    image=/tmp/image mptcpize=mptcpize hostile=/etc/systemd/system/cron.service.d
    mkdir -p $image/{etc/systemd/system,usr/lib/systemd/system,usr/bin,usr/local/lib,var/lib}
    mkdir -p $image/{usr/lib/x86_64-linux-gnu,usr/lib64}
    for link in lib lib64 bin; do ln -s usr/$link $image/$link; done
    for program in bash sleep ls; do
        cp /bin/$program $image/usr/bin/
        for library in $(ldd /bin/$program | grep -o '/[^ ]*'); do
            cp -L $library $image$library
        done
    done
    ln -s bash $image/usr/bin/sh
    echo root:x:0:0::/root:/bin/sh >$image/etc/passwd
    cp /bin/true $image/usr/bin/web
    printf '[Service]\nExecStart=/usr/bin/web\n' >$image/usr/lib/systemd/system/web.service
    mkdir -p $hostile
    written >/tmp/before
"#;

/// What the command said, once it is sure that the host is as it was.
#[track_caller]
fn attacked(what: &str, attack: &str, innocent: &str) -> Outcome {
    let script = format!(
        r#"
        {IMAGE}
        {attack}
        written >/tmp/before
        code=0
        {innocent} || code=$?
        written | diff /tmp/before - >&2 || exit 99
        exit $code
        "#
    );
    let done = copy(&script).run();
    assert_ne!(done.code(), 99, "{what}: the host was changed: {done}");
    done
}

/// A command that must be refused, with what its error names.
#[track_caller]
fn refused(what: &str, attack: &str, innocent: &str, names: &str) {
    let done = attacked(what, attack, innocent);
    assert_eq!(done.code(), 1, "{what}: {done}");
    assert!(done.stderr.starts_with("error: cannot "), "{what}: {done}");
    assert!(done.stderr.contains(names), "{what}: {done}");
}

const UNIT: &str = "$mptcpize enable --root $image web";
const SYSTEM: &str = "$mptcpize enable --system --root $image";

#[test]
fn a_link_out_of_an_image_is_not_followed_and_one_to_nowhere_is_refused_by_name() {
    let unit = "/tmp/image/etc/systemd/system/web.service.d is a symbolic link to ";
    for (what, attack, innocent, names) in [
        (
            "the drop-in's directory",
            "ln -s $hostile $image/etc/systemd/system/web.service.d",
            UNIT,
            unit,
        ),
        (
            "the same, upwards",
            "ln -s ../../../../..$hostile $image/etc/systemd/system/web.service.d",
            UNIT,
            unit,
        ),
        (
            "dangling in the image",
            "ln -s later $image/etc/systemd/system/web.service.d",
            UNIT,
            unit,
        ),
        (
            "a directory above",
            "rm -r $image/etc/systemd; ln -s /opt $image/etc/systemd",
            UNIT,
            "/tmp/image/etc/systemd is a symbolic link to /opt, which is not there",
        ),
        (
            "the library's place",
            "ln -s ../../../../../etc/cron.d $image/usr/lib/mptcpize",
            UNIT,
            "/tmp/image/usr/lib/mptcpize is a symbolic link to ../../../../../etc/cron.d",
        ),
        (
            "the library for every program",
            "ln -s /etc/cron.d $image/usr/lib/x86_64-linux-gnu/mptcpize",
            SYSTEM,
            "/tmp/image/usr/lib/x86_64-linux-gnu/mptcpize is a symbolic link to /etc/cron.d",
        ),
        (
            "ld.so.preload itself",
            "ln -s /etc/ld.so.preload $image/etc/ld.so.preload",
            SYSTEM,
            "/tmp/image/etc/ld.so.preload",
        ),
        (
            "the settings of systemd",
            "ln -s /etc/systemd/system.conf.d $image/etc/systemd/system.conf.d",
            "$mptcpize enable --system --via environment --root $image",
            "/tmp/image/etc/systemd/system.conf.d: too many levels of symbolic links",
        ),
    ] {
        refused(what, attack, innocent, names);
    }
}

#[test]
fn a_link_within_an_image_means_what_it_means_there() {
    let attack = "
        mkdir -p $image/opt/units/web.service.d
        rm -r $image/etc/systemd/system; ln -s /opt/units $image/etc/systemd/system";
    let innocent = "
        { $mptcpize enable --root $image web >/dev/null; ls $image/opt/units/web.service.d
        $mptcpize list --root $image | grep -c web.service
        $mptcpize disable --root $image web >/dev/null; find $image/opt/units -type f; }";
    let done = attacked("within", attack, innocent).silent();
    assert_eq!(done.stdout, "50-mptcpize.conf\n1\n");
}

#[test]
fn nothing_of_the_host_is_removed_by_disable() {
    // The host's own drop-in of ours, and its own library for every program.
    let ours = "
        printf '# Made by mptcpize\\n' >$hostile/50-mptcpize.conf
        mkdir -p /usr/lib/x86_64-linux-gnu/mptcpize
        echo ours >/usr/lib/x86_64-linux-gnu/mptcpize/libmptcpize-system-1.so
        for place in /usr/lib /usr/local/lib; do
            mkdir -p $place/mptcpize/units; touch $place/mptcpize/units/libmptcpize.so
        done";
    for (attack, innocent) in [
        (
            "ln -s $hostile $image/etc/systemd/system/web.service.d",
            "$mptcpize disable --root $image web",
        ),
        (
            "rm -r $image/etc/systemd/system; ln -s /etc/systemd/system $image/etc/systemd/",
            "$mptcpize disable --root $image --all",
        ),
        (
            "ln -s /usr/lib/mptcpize $image/usr/lib/mptcpize",
            "$mptcpize disable --root $image --all",
        ),
        (
            "ln -s /usr/local/lib/mptcpize $image/usr/local/lib/mptcpize",
            "$mptcpize disable --root $image --all",
        ),
        (
            "ln -s /usr/lib/x86_64-linux-gnu/mptcpize $image/usr/lib/x86_64-linux-gnu/",
            "$mptcpize disable --system --root $image",
        ),
    ] {
        attacked(attack, &format!("{ours}; {attack}"), innocent);
    }
}

#[test]
fn nothing_of_the_host_is_read_for_an_image() {
    let secret = "echo 'secret = 1' >/etc/secret.toml; ";
    for (attack, innocent) in [
        ("ln -s /etc/secret.toml $image/etc/mptcpize.toml", UNIT),
        ("ln -s ../../../etc/secret.toml $image/etc/mptcpize.toml", UNIT),
        ("ln -sf /etc/secret.toml $image/usr/lib/systemd/system/web.service", UNIT),
        ("ln -s /etc/secret.toml $image/etc/ld.so.preload", SYSTEM),
        ("printf '#!/etc/secret.toml\\n' >$image/usr/bin/web", UNIT),
    ] {
        let done = attacked(attack, &format!("{secret}{attack}"), innocent);
        let said = done.stdout.clone() + &done.stderr;
        assert!(!said.contains("secret = 1"), "{attack}: {done}");
        assert!(!done.stderr.contains("unknown field"), "{attack}: {done}");
    }
}

#[test]
fn what_has_no_end_is_refused_and_what_has_no_reader_is_not_waited_for() {
    let unit = "$image/usr/lib/systemd/system/web.service";
    for (what, attack, innocent) in [
        ("a unit", "FILE=$unit", UNIT),
        ("a drop-in of others", "FILE=$unit.d/60-own.conf; mkdir $unit.d", UNIT),
        (
            "variables",
            "FILE=$image/etc/variables; echo EnvironmentFile=/etc/variables >>$unit",
            UNIT,
        ),
        ("settings", "FILE=$image/etc/mptcpize.toml", UNIT),
        ("settings for every program", "FILE=$image/etc/mptcpize.toml", SYSTEM),
        ("ld.so.preload", "FILE=$image/etc/ld.so.preload", SYSTEM),
    ] {
        for (kind, make, why) in [
            ("FIFO", "mkfifo $FILE", "it is not a regular file"),
            ("device", "mknod $FILE c 1 5", "it is not a regular file"),
            ("endless", "truncate -s 1T $FILE", "it is longer than 1048576 bytes"),
        ] {
            let attack = format!("unit={unit}; {attack}; rm -f $FILE; {make}");
            let innocent = format!("timeout 60 {innocent}");
            let done = attacked(what, &attack, &innocent);
            assert!([1, 2].contains(&done.code()), "{what}, {kind}: {done}");
            assert!(done.stderr.contains(why), "{what}, {kind}: {done}");
        }
    }
}

/// What a trial of the image's programs does besides being tried.
fn trial(payload: &str) -> String {
    format!(
        r##"
        rm $image/usr/bin/ls
        cat >$image/usr/bin/ls <<'PAYLOAD'
#!/bin/bash
{payload}
PAYLOAD
        chmod 755 $image/usr/bin/ls
        "##
    )
}

#[test]
fn a_trial_of_a_good_image_passes_and_is_left_behind_by_nobody() {
    // As a coprocess: what is put into the background wants /dev/null.
    let payload = "trap '' HUP TERM; coproc exec /bin/sleep 987654; exit 0";
    let innocent = format!(
        "{{ {SYSTEM} >/dev/null && ! pgrep -x -f '/bin/sleep 987654' && cat $image/etc/ld.so.preload; }}"
    );
    let done = attacked("a daemon", &trial(payload), &innocent).ok();
    assert!(done.stdout.starts_with("/usr/$LIB/mptcpize/libmptcpize-system-"), "{done}");
}

#[test]
fn a_trial_has_no_power() {
    // What it can do it tells by saying something else than before the change.
    let payload = r#"
if [[ -e /etc/ld.so.preload ]]; then
    can=
    exec 2>&-
    echo x >/pwned && can+=" write"
    kill -0 $(</etc/victim) && can+=" see"
    [[ $(/bin/rootshell -p -c 'echo $EUID') == 0 ]] && can+=" become-root"
    (exec 9<>/tmp/disk) && can+=" open-devices"
    (exec 9<>/dev/tcp/127.0.0.1/$(</etc/port)) && can+=" connect"
    [[ -e /proc/self || -e /run/mptcpize ]] && can+=" look-around"
    ( : >&7 ) && can+=" use-our-descriptors"
    echo "user $UID, $(ulimit -t) s, $(ulimit -v) KiB, $(ulimit -u) processes, can:$can"
fi
"#;
    let attack = format!(
        r#"
        {}
        cp /bin/bash $image/usr/bin/rootshell; chmod 4755 $image/usr/bin/rootshell
        mkdir $image/tmp; mknod -m 666 $image/tmp/disk c 1 3
        sleep 1000 & echo $! >$image/etc/victim
        ip link set lo up
        python3 -c 'import socket, time
server = socket.create_server(("127.0.0.1", 0))
open("/tmp/image/etc/port", "w").write(str(server.getsockname()[1]))
time.sleep(1000)' &
        until [[ -s $image/etc/port ]]; do :; done
        touch /tmp/ours; exec 7<>/tmp/ours
        "#,
        trial(payload)
    );
    let done =
        attacked("power", &attack, &format!("{{ {SYSTEM}; code=$?; kill %1 %2; (exit $code); }}"));
    assert_eq!(done.code(), 1, "{done}");
    let said = "/bin/ls /: it prints something else: \
                user 65534, 10 s, 1048576 KiB, 256 processes, can:\n";
    assert!(done.stderr.contains(said), "{done}");
}

#[test]
fn the_loader_of_an_image_is_not_run_to_be_asked() {
    let attack = format!(
        "rm $image/lib64/ld-linux-x86-64.so.2
         install -m 755 {} $image/lib64/ld-linux-x86-64.so.2",
        shown(&cc::c("touch_pwned", Build::Static))
    );
    let done = attacked(
        "a loader",
        &attack,
        &format!("{SYSTEM} --no-trial >/dev/null; test ! -e /tmp/pwned"),
    );
    assert_eq!(done.code(), 0, "{done}");
}

#[test]
fn where_a_trial_cannot_be_confined_there_is_none_unless_asked_for() {
    // Mounts are forbidden, as in a container.
    let less = "setpriv --bounding-set -sys_admin --inh-caps -sys_admin";
    let innocent = format!("{less} {SYSTEM}");
    let done = attacked("no namespaces", "", &innocent);
    assert_eq!(done.code(), 4, "{done}");
    assert!(done.stderr.contains("to do without the trial: --no-trial"), "{done}");
    let done = attacked("asked for", "", &format!("{innocent} --no-trial"));
    assert!(done.stdout.starts_with("on for every program"), "{done}");
}

#[test]
fn a_kernel_that_cannot_keep_look_ups_within_is_refused() {
    let innocent = "strace -qq -o /dev/null -e inject=openat2:error=ENOSYS \
                    $mptcpize enable --root $image web";
    let done = attacked("no openat2", "", innocent);
    assert_eq!(done.code(), 5, "{done}");
    assert!(
        done.stderr.contains("why: links in it could lead out of it: openat2(2) says"),
        "{done}"
    );
}

#[test]
fn settings_of_the_host_without_an_end_are_refused_too() {
    for (make, why) in [
        ("mkfifo /etc/mptcpize.toml", "it is not a regular file"),
        ("ln -s /dev/zero /etc/mptcpize.toml", "it is not a regular file"),
        ("truncate -s 1T /etc/mptcpize.toml", "it is longer than 1048576 bytes"),
        ("printf '\\377\\n' >/etc/mptcpize.toml", "it is not text"),
    ] {
        for verb in ["run true", "run --explain true", "setup --dry-run", "enable --system -n"] {
            let done = copy(&format!("{make}; timeout 60 mptcpize {verb}")).run();
            assert_eq!(done.code(), 2, "{make}, {verb}: {done}");
            let said = format!("error: cannot read /etc/mptcpize.toml\n  why: {why}\n");
            assert!(done.stderr.starts_with(&said), "{make}, {verb}: {done}");
        }
    }
}

#[test]
fn a_strict_umask_neither_refuses_a_change_nor_hides_its_files() {
    let program = shown(&cc::c("protocol", Build::Plain));
    for umask in ["027", "077"] {
        let script = format!(
            "umask {umask}; mptcpize enable --system >/dev/null; nobody {program}
             mptcpize disable --system >/dev/null; nobody {program}"
        );
        assert_eq!(copy(&script).run().silent().stdout, "262\n6\n", "umask {umask}");
    }
}
