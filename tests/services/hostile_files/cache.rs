//! The boundary between the places of the library and everybody else: root loads no library that
//! another user can have chosen, now or later.
//!
//! Each row has an attacker's half, what an ordinary user prepares before, and an innocent half:
//! root runs a program with whatever environment it has.

use crate::support::Outcome;
use crate::support::cc::{self, Build};
use crate::support::mounts::private_with;

/// The library that `$innocent` gets, in a private view of the host. `$good` is a directory that
/// root alone can change, `/mnt/sticky` one in which everybody can make names, `$1` userns.c, `$2`
/// the right library.
fn attacked(attack: &str, innocent: &str) -> Outcome {
    let script = format!(
        r#"
        good=/mnt/good
        mkdir -p $good/mptcpize; mkdir -m 1777 /mnt/sticky
        cover /var/cache; cover /run
        install -m 755 "$1" /mnt/userns; cp "$2" /mnt/library
        for place in /tmp /var/tmp /dev/shm; do cover $place mode=1777; done
        {attack}
        {innocent}
        find /mnt/sticky /mnt/good -name '*.so*'
        "#
    );
    let helper = cc::c("userns", Build::Plain);
    private_with(&script, &[&helper, crate::support::tool::shim()]).run()
}

const PRINT: &str = "/mnt/mptcpize run printenv LD_PRELOAD";

#[test]
fn no_variable_leads_root_to_a_library() {
    let attack = "nobody ln -s $good /mnt/sticky/x; nobody mkdir -p /mnt/sticky/y/.cache/mptcpize";
    for name in ["XDG_CACHE_HOME", "HOME", "XDG_RUNTIME_DIR"] {
        for place in ["/mnt/sticky/x", "/mnt/sticky/y", "/mnt/good"] {
            let done = attacked(attack, &format!("bare {name}={place} {PRINT}")).silent();
            assert!(done.stdout.starts_with("/var/cache/mptcpize/"), "{name}={place}: {done}");
            assert_eq!(done.stdout.lines().count(), 1, "nothing is written there: {done}");
        }
    }
}

#[test]
fn what_is_named_is_behind_all_links() {
    // A user's own cache behind somebody's link: it may be used, but not by the link's name.
    let attack = "
        chown -R nobody $good
        setpriv --reuid=1 --regid=1 --clear-groups -- ln -s $good /mnt/sticky/x";
    let innocent = format!("bare XDG_CACHE_HOME=/mnt/sticky/x nobody {PRINT}");
    let done = attacked(attack, &innocent.replace("bare XDG", "XDG"));
    assert!(done.stdout.starts_with("/mnt/good/mptcpize/libmptcpize-"), "{done}");
    // Root's own places, behind a link that root made.
    let attack = "mkdir /mnt/cache; umount /var/cache; cover /var; ln -s /mnt/cache /var/cache";
    let done = attacked(attack, &format!("bare {PRINT}")).silent();
    assert!(done.stdout.starts_with("/mnt/cache/mptcpize/libmptcpize-"), "{done}");
}

#[test]
fn a_library_that_units_are_given_is_in_no_place_of_others() {
    let attack = "nobody ln -s $good /mnt/sticky/x; mkdir -p /run/user/0";
    let image = "
        mkdir -p /mnt/units/systemd/user
        printf '[Service]\\nExecStart=/bin/sleep 1\\n' >/mnt/units/systemd/user/a.service";
    // There is no service manager: it ends before a unit is written, whatever it is told.
    let innocent = "bare XDG_DATA_HOME=/mnt/sticky/x XDG_CONFIG_HOME=/mnt/units \
                    /mnt/mptcpize enable --user a.service || :";
    let done = attacked(&format!("{attack}; {image}"), innocent);
    assert!(!done.stdout.contains(".so"), "{done}");
}

#[test]
fn in_a_user_namespace_what_somebody_else_made_is_not_taken_for_roots() {
    // There root, daemon and everybody else have one number; nobody is root.
    for (what, attack, expected) in [
        (
            "a directory of another above one's own",
            "install -d -o daemon /var/cache; install -d -o nobody /var/cache/mptcpize",
            "/var/tmp/mptcpize-0/",
        ),
        (
            "a directory of one's own in root's",
            "install -d -o nobody /var/tmp/mptcpize-0",
            "/var/tmp/mptcpize-0/",
        ),
        ("nothing of the kind", "", "/var/tmp/mptcpize-0/"),
    ] {
        let done = attacked(attack, &format!("bare /mnt/userns 65534 {PRINT}"));
        assert_eq!(done.code(), 0, "{what}: {done}");
        assert!(done.stdout.starts_with(expected), "{what}: {done}");
    }
}
