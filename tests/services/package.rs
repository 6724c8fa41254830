//! The Debian package in a copy of this machine: installed, upgraded, removed and purged, it does
//! its work meanwhile and leaves nothing behind.

use std::path::Path;
use std::sync::OnceLock;

use crate::support::cc::{self, Build};
use crate::support::overlay::{copy, shown};
use crate::support::{Cmd, scratch, tool};
use mptcpize::inject::library::system_copy;

/// The package made of the program under test, and one of a later version with the same content.
pub(super) fn packages() -> &'static (String, String) {
    static PACKAGES: OnceLock<(String, String)> = OnceLock::new();
    PACKAGES.get_or_init(make_packages)
}

fn make_packages() -> (String, String) {
    let directory = scratch("package");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/package");
    let done = Cmd::new(script)
        .arg("--binary")
        .args([tool::binary(), &directory])
        .env("SOURCE_DATE_EPOCH", "1700000000")
        // A debug build is large, and its package is not kept.
        .env("DPKG_DEB_COMPRESSOR_TYPE", "none")
        .run()
        .silent();
    let first = done.stdout.trim().to_owned();
    let later = directory.join("later.deb");
    let repack = "dpkg-deb -R $1 $2; sed -i 's/^Version: /&99./' $2/DEBIAN/control
                  echo '# of the new version' >>$2/etc/mptcpize.toml
                  dpkg-deb --root-owner-group -Znone -b $2 $3 >/dev/null";
    Cmd::new("bash")
        .args(["-euc", repack, "bash", &first])
        .args([&directory.join("tree"), &later])
        .run()
        .silent();
    (first, shown(&later))
}

/// What every script begins with: dpkg as in an image that is being made, and without the packages
/// that ours replaces. `traces` lists what was written, removed or made.
const BEGIN: &str = r#"
    export DEBIAN_FRONTEND=noninteractive SYSTEMD_OFFLINE=1
    unset XDG_CACHE_HOME
    # The index of manual pages takes longer than all the rest.
    rm -rf /var/cache/mptcpize /var/lib/man-db/auto-update
    # Into the overlay, so that only what is not there before is listed.
    touch /etc/environment
    dpkg --purge mptcpize-rs mptcpize libmptcpwrap0 >/dev/null 2>&1 || true
    # Apart from what dpkg and its friends keep for themselves.
    traces() { written | grep -vE '^./var/(lib/dpkg|cache|log)/' || true; }
    # quietly COMMAND…: what it says only when it fails.
    quietly() { "$@" >/tmp/said 2>&1 || { status=$?; cat /tmp/said; return $status; }; }
"#;

#[test]
fn it_installs_works_upgrades_removes_and_purges_without_a_trace() {
    let (first, later) = packages();
    let plain = shown(&cc::c("protocol", Build::Plain));
    let script = format!(
        r#"{BEGIN}
        rm -f /usr/bin/mptcpize
        traces >/tmp/before
        quietly dpkg -i {first}

        # Whatever it brings is of use.
        mptcpize run {plain}
        ls /var/cache/mptcpize 2>/dev/null || echo the library of the package is taken
        mptcpize setup --dry-run >/dev/null
        man -w mptcpize mptcpize-enable mptcpize-setup-undo
        bash -c '. /usr/share/bash-completion/completions/mptcpize; complete -p mptcpize'
        quietly systemd-analyze verify /usr/lib/systemd/system/mptcpized.service
        quietly systemd-analyze verify /usr/lib/systemd/system/mptcpize-gateway.service
        quietly systemd-analyze verify /usr/lib/systemd/system/mptcpize-relay.service
        quietly systemd-analyze verify /usr/lib/systemd/system/mptcpize-relay-agent.service
        /usr/libexec/mptcpize/mptcpize-relay --help | head -n 1 | cut -d ' ' -f 1
        dpkg -V mptcpize-rs
        systemctl --root=/ is-enabled mptcpized || true

        echo '# of the administrator' >>/etc/mptcpize.toml
        mptcpize enable --system >/dev/null
        mptcpize enable --containers >/dev/null
        grep -c '"hostPath": "/usr/lib/[^/]*/mptcpize/libmptcpize.so"' /etc/cdi/mptcpize.json
        # As an earlier release was enabled, whose unit had another name.
        wants=/etc/systemd/system/multi-user.target.wants
        mkdir -p $wants
        ln -s /usr/lib/systemd/system/mptcpize-setup.service $wants
        quietly dpkg -i --force-confdef --force-confold {later}
        (cd $wants && ls -l *mptcpize* | sed 's/.* mptcpize/mptcpize/')
        {plain}
        tail -n 1 /etc/mptcpize.toml

        quietly dpkg -r mptcpize-rs
        {plain}
        ls /etc/ld.so.preload 2>/dev/null || echo no line
        find /etc -name '*mptcpize*' | sort
        find /usr /var/cache -path '*/mptcpize/*'

        quietly dpkg -i --force-confnew {first}
        quietly mptcpize enable --system --via environment
        quietly dpkg -P mptcpize-rs
        traces | diff /tmp/before -
        "#
    );
    let done = copy(&script).run().ok();
    let wanted = "262\n\
         the library of the package is taken\n\
         /usr/share/man/man8/mptcpize.8.gz\n\
         /usr/share/man/man8/mptcpize-enable.8.gz\n\
         /usr/share/man/man8/mptcpize-setup-undo.8.gz\n\
         complete -F _mptcpize mptcpize\n\
         Usage:\n\
         disabled\n\
         2\n\
         mptcpized.service -> /lib/systemd/system/mptcpized.service\n\
         262\n\
         # of the administrator\n\
         6\n\
         no line\n\
         /etc/mptcpize.toml\n\
         /etc/mptcpize.toml.dpkg-dist\n";
    assert_eq!(done.stdout, wanted, "{done}");
}

#[test]
fn an_upgrade_gives_every_program_the_new_library() {
    let (first, later) = packages();
    let plain = shown(&cc::c("protocol", Build::Plain));
    let whole = shown(&scratch::file(&scratch("whole").join("a.so"), system_copy::BYTES, 0o644));
    let script = format!(
        r#"{BEGIN}
        quietly dpkg -i {first}
        # As if another release had put its own there.
        cp {whole} /tmp/other.so
        echo more >>/tmp/other.so
        mptcpize enable --system --library /tmp/other.so >/dev/null
        cp /etc/ld.so.preload /tmp/line
        quietly dpkg -i {later}
        ! cmp -s /etc/ld.so.preload /tmp/line
        ls /usr/lib/x86_64-linux-gnu/mptcpize | wc -l
        {plain}
        # A loader for 32-bit programs that comes later gets its library.
        rm -r /usr/lib32/mptcpize
        dpkg-trigger --by-package=libc6-i386 /lib/ld-linux.so.2
        quietly dpkg --triggers-only mptcpize-rs
        ls /usr/lib32/mptcpize | wc -l
        # Where the line cannot be taken out, the package stays.
        mount --bind /etc/ld.so.preload /etc/ld.so.preload
        ! dpkg -r mptcpize-rs >/tmp/said 2>&1
        grep -c 'error: cannot write /etc/ld.so.preload' /tmp/said
        grep -c '^mptcpize: the package stays' /tmp/said
        umount /etc/ld.so.preload
        {plain}
        "#
    );
    let done = copy(&script).run().ok();
    // The package's library, and the one for every program.
    assert_eq!(done.stdout, "2\n262\n1\n1\n1\n262\n", "{done}");
}

/// Of programs without their symbols, as a release has them. What is overridden has its reason beside it,
/// in scripts/debian/lintian-overrides.
#[test]
fn lintian_finds_neither_an_error_nor_a_warning_in_it() {
    let directory = scratch("lintian");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/package");
    let check = "for program in mptcpize mptcpize-relay; do
            strip -o $1/$program $2/$program
        done
        package=$(env DPKG_DEB_COMPRESSOR_LEVEL=0 $3 --binary $1/mptcpize $1)
        lintian --allow-root --fail-on error,warning $package";
    let binary = tool::binary();
    Cmd::new("bash")
        .args(["-euc", check, "bash"])
        .args([&directory, binary.parent().expect("it lies in a directory"), &script])
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .run()
        .silent();
}
