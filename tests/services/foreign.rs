//! The package of another processor than the machine's, which apt installs once somebody has typed
//! `dpkg --add-architecture`: it says so, and it can be removed.
//!
//! Not here: other packages of our name (replaced.rs).

use std::sync::MutexGuard;

use crate::journey::fresh;
use crate::replaced::repacked;
use crate::support::systemd::{Machine, machine_of};

/// Our package for arm64, with a program that no kernel executes: its e_machine (elf(5)) is nobody's, so that no
/// emulator is registered for it.
fn foreign() -> String {
    let repack = r"dpkg-deb -R $1 $2
        sed -i 's/^Architecture: .*/Architecture: arm64/; /^Depends: /d' $2/DEBIAN/control
        printf '\376\376' | dd of=$2/usr/bin/mptcpize bs=1 seek=18 conv=notrunc status=none
        rm $2/DEBIAN/md5sums
        dpkg-deb --root-owner-group -Znone -b $2 $3 >/dev/null";
    repacked("foreign", repack)
}

fn machine() -> MutexGuard<'static, Machine> {
    let machine = machine_of(Some(&fresh()));
    machine.install(foreign().as_ref(), "/opt/foreign.deb");
    machine.sh("dpkg --add-architecture arm64").ok();
    machine
}

fn dpkg(machine: &Machine, words: &str) -> (i32, String) {
    let done = machine.sh(&format!("dpkg --force-unsafe-io {words} 2>&1"));
    (done.code(), done.stdout)
}

#[test]
fn a_package_for_another_processor_says_so_and_is_removed_without_its_program() {
    let machine = machine();
    let (code, said) = dpkg(&machine, "--install /opt/foreign.deb");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("mptcpize: its programs are for another processor than "), "{said}");
    let (code, said) = dpkg(&machine, "--purge mptcpize-rs");
    assert_eq!(code, 0, "{said}");
    machine.sh("! command -v mptcpize && [ ! -e /etc/mptcpize.toml ]").ok();
    machine.sh("dpkg --remove-architecture arm64; rm /opt/foreign.deb").ok();
}

#[test]
fn it_stays_where_something_on_the_host_names_its_files() {
    let machine = machine();
    assert_eq!(dpkg(&machine, "--install /opt/foreign.deb").0, 0);
    let unit = "/etc/systemd/system/sleepy.service.d";
    machine.sh(&format!("mkdir {unit}; echo '# mptcpize' >{unit}/mptcpize.conf")).ok();
    let (code, said) = dpkg(&machine, "--purge mptcpize-rs");
    assert!(code != 0 && said.contains("mptcpize: the package stays"), "{said}");
    machine.sh(&format!("rm -r {unit}")).ok();
    assert_eq!(dpkg(&machine, "--purge mptcpize-rs").0, 0);
    machine.sh("dpkg --remove-architecture arm64; rm /opt/foreign.deb").ok();
}
