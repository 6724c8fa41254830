//! Whether a unit may be told to wait for the unit that sets the host up at boot. Pure.
//!
//! That one comes behind network-online.target. A unit that the network itself waits for, such as
//! D-Bus or udev, would then wait for what waits for it; systemd breaks such a cycle by leaving a
//! unit of it out of the boot, any one. And where no network comes up, that target comes minutes
//! late. So only those wait that wait for that target anyway. The others lose little: the kernel
//! adds subflows to connections that are open already.

use crate::unit::UnitName;
use crate::unit::dropin::SETUP;
use crate::unit::file::{UnitText, words};

/// Does a unit wait until the network is up?
pub fn waits_for_network(text: &UnitText, name: &UnitName) -> bool {
    let mut all = text.all("Unit", "After").flat_map(words);
    // A socket comes before basic.target, and that before all that waits for the network.
    name.kind() == "service"
        && name.as_str() != SETUP
        && all.any(|word| word.text == "network-online.target")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn only_what_waits_for_the_network_to_be_up_waits_for_the_set_up() {
        let table = [
            ("nginx.service", "After=network-online.target nss-lookup.target", true),
            (
                "redis.service",
                "Before=multi-user.target\nAfter=local-fs.target network.target",
                false,
            ),
            ("dbus.service", "Requires=dbus.socket", false),
            (
                "systemd-udevd.service",
                "After=systemd-sysusers.service\nBefore=sysinit.target",
                false,
            ),
            ("NetworkManager.service", "After=dbus.service\nBefore=network.target", false),
            ("mptcpize-setup.service", "After=network-online.target", false),
            ("web.socket", "After=network-online.target", false),
            ("late.service", "After=network-online.target\nAfter=\nAfter=network.target", true),
            ("wants.service", "Wants=network-online.target", false),
        ];
        for (name, lines, expected) in table {
            let text = UnitText::read(&[(PathBuf::from("/u"), format!("[Unit]\n{lines}\n"))]);
            let name = UnitName::new(name).expect("a good name");
            assert_eq!(waits_for_network(&text, &name), expected, "{name} {lines}");
        }
    }
}
