//! The file that `enable --containers` writes: valid, written once, gone without a trace, on hosts and in
//! images, and whatever happens half-way.

use crate::schema;
use crate::support::overlay::copy;

#[test]
fn the_file_keeps_the_rules_of_the_interface() {
    let script = r#"
        mptcpize enable --containers >/dev/null
        cat /etc/cdi/mptcpize.json
        echo ==
        printf '[sockets]\nloopback = "tcp"\n[containers.a.b]\n' >/etc/mptcpize.toml
        printf '[containers.loopback-tcp]\nloopback = "tcp"\npreload = ["/a.so", "b.so"]\n
            [containers.db]\nonly_ports = [5432]\ngodebug = "x=1"\n' >/etc/mptcpize.toml
        mptcpize enable --containers >/dev/null
        cat /etc/cdi/mptcpize.json
    "#;
    let done = copy(script).run().silent();
    let (usual, more) = done.stdout.split_once("==").expect("two files");
    for file in [usual, more] {
        schema::validate(file);
    }
    assert!(usual.contains("\"run\"") && more.contains("\"loopback-tcp\""), "{done}");
}

#[test]
fn a_dry_run_shows_the_file_twice_is_a_no_op_and_off_leaves_no_trace() {
    let script = r#"
        written >/tmp/before
        mptcpize enable --containers -n >/tmp/shown
        grep '^  [+~-] ' /tmp/shown
        written | diff /tmp/before -
        mptcpize enable --containers >/dev/null
        # What was shown is what is there.
        sed -n '/^\/etc\/cdi/,$s/^  //p' /tmp/shown | diff - <(sed '/^$/d' /etc/cdi/mptcpize.json)
        stat -c '%a %U %i' /etc/cdi /etc/cdi/mptcpize.json >/tmp/once
        grep -v ' root ' /tmp/once || sed 's/ .*//' /tmp/once
        mptcpize enable --containers | head -n 1
        stat -c '%a %U %i' /etc/cdi /etc/cdi/mptcpize.json | diff /tmp/once -
        mptcpize list | grep -o '^containers.*=run'
        nobody mptcpize list -j | grep -A 3 containers | tr -d ' \n'; echo
        mptcpize disable --containers -n | grep '^  [+~-] '
        mptcpize disable --containers >/dev/null
        written | diff /tmp/before -
        mptcpize disable --containers
        # A directory that was there stays.
        mkdir /etc/cdi
        mptcpize enable --containers >/dev/null
        mptcpize disable --containers >/dev/null
        ls -A /etc/cdi
        mptcpize list -j | grep containers
    "#;
    let done = copy(script).run().silent();
    let wanted = "  + /usr/lib/mptcpize/units/libmptcpize.so  the library, as units have it\n  \
        + /etc/cdi/mptcpize.json                  devices for containers\n\
        755\n644\n\
        already on for containers with such a device\n\
        containers get it by --device: mptcpize.org/shim=run\n\
        \"containers\":[\"mptcpize.org/shim=run\",\"mptcpize.org/shim=library\"],\n  \
        - /etc/cdi/mptcpize.json  devices for containers\n\
        nothing to do: there are no devices for containers\n  \
        \"containers\": [],\n";
    assert_eq!(done.stdout, wanted, "{done}");
}

#[test]
fn the_library_is_there_as_long_as_units_or_containers_name_it() {
    let script = r#"
        printf '[Service]\nExecStart=/usr/bin/sleep 1\n' >/etc/systemd/system/one.service
        written >/tmp/before
        library=/usr/lib/mptcpize/units/libmptcpize.so
        # The units of an image, for no systemd runs here.
        units() { mptcpize "$@" --root / one >/dev/null; }
        mptcpize enable --containers >/dev/null
        units enable
        units disable
        ls $library
        units enable
        mptcpize disable --containers >/dev/null
        ls $library
        units disable
        written | diff /tmp/before -
    "#;
    let library = "/usr/lib/mptcpize/units/libmptcpize.so\n";
    let done = copy(script).run().silent();
    assert_eq!(done.stdout, library.repeat(2), "{done}");
}

#[test]
fn an_image_gets_its_own_file_and_nothing_of_the_host_changes() {
    let script = r#"
        mkdir -p /tmp/image/etc /tmp/image/usr/lib
        find /tmp/image | sort >/tmp/tree
        written | grep -v ^./tmp >/tmp/before
        mptcpize enable --containers --root /tmp/image >/dev/null
        grep -c '"hostPath": "/usr/lib/mptcpize/units/libmptcpize.so"' /tmp/image/etc/cdi/mptcpize.json
        cmp /tmp/image/usr/lib/mptcpize/units/libmptcpize.so <(
            mptcpize enable --containers >/dev/null
            cat /usr/lib/mptcpize/units/libmptcpize.so
            mptcpize disable --containers >/dev/null
        )
        mptcpize list --root /tmp/image | grep -c shim=run
        mptcpize disable --containers --root /tmp/image >/dev/null
        find /tmp/image | sort | diff /tmp/tree -
        written | grep -v ^./tmp | diff /tmp/before -
    "#;
    assert_eq!(copy(script).run().silent().stdout, "2\n1\n");
}

/// The calls with which the tool changes anything; strace counts each kind by itself.
const CALLS: [&str; 7] = ["write", "fchmod", "fsync", "renameat", "unlinkat", "mkdirat", "unlink"];

#[test]
fn a_kill_at_any_step_leaves_the_old_file_or_the_new_and_disable_leaves_no_trace() {
    let mut steps = 0;
    for verb in ["enable", "disable"] {
        for call in CALLS {
            steps += killed_at_each(call, verb);
        }
    }
    assert!(steps >= 25, "{steps} kills are too few to have hit every step");
}

/// Kills the tool before each call of one kind; says how often that was.
fn killed_at_each(call: &str, verb: &str) -> usize {
    let script = format!(
        r#"
        written >/tmp/before
        mptcpize enable --containers >/dev/null
        cp /etc/cdi/mptcpize.json /tmp/whole
        mptcpize disable --containers >/dev/null
        status=137
        for ((when = 1; status == 137; when++)); do
            ((when < 100))
            [[ {verb} == enable ]] || mptcpize enable --containers >/dev/null
            status=0
            # Another shell says that it was killed, to where nobody looks.
            bash -c 'strace "$@"; exit $?' bash -qq -o /dev/null -e trace={call} \
                -e inject={call}:signal=KILL:when=$when \
                mptcpize {verb} --containers >/tmp/said 2>&1 || status=$?
            # The whole file or none, and what it names is there.
            if [[ -e /etc/cdi/mptcpize.json ]]; then
                cmp /etc/cdi/mptcpize.json /tmp/whole
                test -s /usr/lib/mptcpize/units/libmptcpize.so
            fi
            mptcpize disable --containers >/dev/null
            written | diff /tmp/before -
        done
        test $status = 0
        echo $((when - 2))
        "#
    );
    let done = copy(&script).run().silent();
    done.stdout.trim().parse().unwrap_or_else(|_| panic!("{done}"))
}
