//! Packages that take each other's place, because the program of each is /usr/bin/mptcpize: Debian's with the
//! C tool, ours, and ours of releases that were called `mptcpize` with an epoch. On a fresh Debian 13, by apt.
//!
//! Debian's package is its own, from the image.

use crate::journey::fresh;
use crate::package::packages;
use crate::support::Cmd;
use crate::support::overlay::shown;
use crate::support::scratch;
use crate::support::systemd::{Machine, machine_of};

/// What apt and dpkg say while they install these.
fn apt(machine: &Machine, what: &str) -> String {
    machine
        .sh(&format!(
            "DEBIAN_FRONTEND=noninteractive apt-get --yes --no-install-recommends -o Dpkg::Options::=--force-unsafe-io \
             {what} 2>&1"
        ))
        .ok()
        .stdout
}

/// A service, every program of the host, the daemon and the host itself: on.
fn all_on(machine: &Machine) {
    machine
        .write("/etc/systemd/system/sleepy.service", "[Service]\nExecStart=/usr/bin/sleep inf\n");
    machine
        .sh("systemctl daemon-reload; systemctl start sleepy
             ip link add w1 type veth peer name p1; ip link set p1 up; ip link set w1 addrgenmode none up
             ip address add 10.1.0.1/24 dev w1; ip route add default via 10.1.0.254 dev w1
             mptcpize enable sleepy; mptcpize enable --system; systemctl enable --now mptcpized")
        .ok();
}

/// What names our files or was made by us, of all that can be on.
fn in_effect(machine: &Machine) -> String {
    machine
        .sh("cat /etc/ld.so.preload 2>/dev/null || :
             find /etc/systemd /run/systemd/system /usr/local/lib /usr/lib -name '*mptcpize*' -not -path '*/usr/lib/*/mptcpize*'
             find /usr/lib -path '*/mptcpize/*' -not -name 'libmptcpwrap*'
             systemctl list-units --all --no-legend --plain 'mptcpize*'
             ip mptcp endpoint")
        .ok()
        .stdout
}

fn forget(machine: &Machine) {
    machine
        .sh("dpkg --purge mptcpize-rs mptcpize libmptcpwrap0 >/dev/null 2>&1; systemctl stop sleepy 2>/dev/null || :
             rm -rf /opt/*.deb /etc/systemd/system/sleepy.service* /run/mptcpize /var/lib/mptcpize
             ip link delete w1 2>/dev/null || :; systemctl daemon-reload")
        .ok();
}

#[test]
fn debians_tool_takes_our_place_and_nothing_of_ours_is_in_effect() {
    let machine = machine_of(Some(&fresh()));
    machine.install(packages().0.as_ref(), "/opt/ours.deb");
    apt(&machine, "install /opt/ours.deb");
    assert_eq!(in_effect(&machine).lines().filter(|line| line.starts_with("/etc")).count(), 0);
    all_on(&machine);
    let on = in_effect(&machine);
    for name in ["libmptcpize-system", "sleepy.service.d", "mptcpized.service"] {
        assert!(on.contains(name), "{name}: {on}");
    }
    let said = apt(&machine, "install mptcpize");
    assert!(said.contains("The following packages will be REMOVED:\n  mptcpize-rs\n"), "{said}");
    assert_eq!(in_effect(&machine), "", "{said}");
    assert_eq!(machine.property("sleepy", "ActiveState"), "active");
    // It is Debian's that is there, and works.
    let owner =
        machine.sh("dpkg -S /usr/bin/mptcpize; ldd /usr/bin/mptcpize | grep -c libc.so").ok();
    assert_eq!(owner.stdout, "mptcpize: /usr/bin/mptcpize\n1\n");
    forget(&machine);
}

#[test]
fn our_package_takes_the_place_of_debians() {
    let machine = machine_of(Some(&fresh()));
    machine.install(packages().0.as_ref(), "/opt/ours.deb");
    apt(&machine, "install mptcpize");
    let said = apt(&machine, "install /opt/ours.deb");
    assert!(said.contains("The following packages will be REMOVED:\n  mptcpize\n"), "{said}");
    // Debian's switched nothing on that ends with it.
    assert!(!said.contains("takes the place"), "{said}");
    let owner =
        machine.sh("dpkg -S /usr/bin/mptcpize; mptcpize --version | cut -d ' ' -f 1 | head -n 1");
    assert_eq!(owner.ok().stdout, "mptcpize-rs: /usr/bin/mptcpize\nmptcpize\n");
    // Who wants the package mptcpize has it.
    assert_eq!(machine.sh("apt-get check -qq 2>&1").ok().stdout, "");
    forget(&machine);
}

/// Our package as releases before had it: the name, the epoch, no relations, and hooks that keep silent.
fn earlier() -> String {
    let repack = r"dpkg-deb -R $1 $2; cd $2/DEBIAN
        sed -i 's/^Package: .*/Package: mptcpize/; s/^Version: /&1:/; /^\(Provides\|Conflicts\|Replaces\)/d' control
        { echo '#!/bin/sh'; echo '[ $1 = remove ] || exit 0'; sed 1d ../usr/libexec/mptcpize/before-removal; } >prerm
        printf '#!/bin/sh\n[ $1 != purge ] || rm -rf /var/lib/mptcpize\n' >postrm
        rm postinst ../usr/libexec/mptcpize/before-removal ../usr/libexec/mptcpize/after-install md5sums
        rm -r ../usr/share/doc
        dpkg-deb --root-owner-group -Znone -b $2 $3 >/dev/null";
    repacked("earlier", repack)
}

/// Our package as this script of bash makes it anew, from $1, in a tree $2, as $3.
pub(crate) fn repacked(name: &str, script: &str) -> String {
    let directory = scratch(name);
    let package = directory.join(format!("{name}.deb"));
    Cmd::new("bash")
        .args(["-euc", script, "bash", &packages().0])
        .args([&directory.join("tree"), &package])
        .run()
        .silent();
    shown(&package)
}

#[test]
fn an_earlier_package_of_ours_is_replaced_its_settings_stay_and_what_is_off_is_said() {
    let machine = machine_of(Some(&fresh()));
    machine.install(earlier().as_ref(), "/opt/earlier.deb");
    machine.install(packages().0.as_ref(), "/opt/ours.deb");
    apt(&machine, "install /opt/earlier.deb");
    machine.sh("echo '# of the administrator' >>/etc/mptcpize.toml; mkdir -p /var/lib/mptcpize; echo key >/var/lib/mptcpize/key").ok();
    all_on(&machine);
    let said = apt(&machine, "install /opt/ours.deb");
    assert!(said.contains("mptcpize: this package takes the place of mptcpize 1:0.1.0"), "{said}");
    for way in
        ["mptcpize enable UNIT…", "mptcpize enable --system", "systemctl enable --now mptcpized"]
    {
        assert!(said.contains(way), "{way}: {said}");
    }
    let kept = machine.sh("tail -n 1 /etc/mptcpize.toml; cat /var/lib/mptcpize/key; mptcpize list | grep -c sleepy || :");
    assert_eq!(kept.ok().stdout, "# of the administrator\nkey\n0\n", "{said}");
    assert!(!in_effect(&machine).contains("/etc/systemd"), "{said}");
    // The way that is said works, and a repair does not say it again.
    machine.sh("mptcpize enable sleepy; mptcpize list | grep sleepy").ok();
    let again = apt(&machine, "install --reinstall /opt/ours.deb");
    assert!(!again.contains("takes the place"), "{again}");
    assert!(in_effect(&machine).contains("sleepy.service.d"), "{again}");
    machine.sh("mptcpize disable sleepy").ok();
    forget(&machine);
}
