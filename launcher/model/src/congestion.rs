//! The congestion control that subflows of a link are to have (`congctl` of ip-route(8)).
//!
//! It stands on the default route of the link's own table, so it counts for what leaves from the
//! link's address: subflows that join, and in IPv4 also connections that begin there unbound, because
//! the kernel looks the route up once more when it has chosen the address (`ip_route_connect`,
//! include/net/route.h). In IPv6 an unbound connection keeps main's route, and with it main's
//! algorithm (measured on Linux 6.18). It is not locked: a program that chooses an algorithm itself (`TCP_CONGESTION`,
//! tcp(7)) has that one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::metrics::{CONGESTION_CONTROL, Metric, Metrics};

/// The longest name of an algorithm, in bytes (`TCP_CA_NAME_MAX`, include/net/tcp.h, less its end).
const LONGEST: usize = 15;

/// In place of a name: the daemon chooses.
const AUTO: &str = "auto";

/// The algorithm that a link is to have, by the kernel's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Congestion(String);

crate::kind! {
    Congestion: "the name of a congestion control, or \"auto\"",
}

impl Congestion {
    /// The kernel's name of it.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Does the daemon choose it, by what the link loses?
    pub fn is_auto(&self) -> bool {
        self.0 == AUTO
    }

    /// The one that does not take each loss for a queue that overflowed.
    pub fn bbr() -> Self {
        Congestion("bbr".to_owned())
    }

    /// The name of the algorithm that the kernel must have for it.
    pub fn algorithm(&self) -> &str {
        if self.is_auto() { "bbr" } else { &self.0 }
    }

    /// The metrics of a route with this algorithm: those that it has, but for this one.
    #[must_use]
    pub fn over(&self, mut metrics: Metrics) -> Metrics {
        metrics.0.insert(CONGESTION_CONTROL, Metric::Text(self.0.clone()));
        metrics
    }
}

impl FromStr for Congestion {
    type Err = String;

    /// Reads a name.
    ///
    /// # Errors
    /// A clause: no algorithm of any kernel has such a name.
    fn from_str(text: &str) -> Result<Self, String> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        match !text.is_empty() && text.len() <= LONGEST && text.bytes().all(good) {
            true => Ok(Congestion(text.to_owned())),
            false => {
                Err(format!("{text:?} is no name of a congestion control, such as bbr or cubic"))
            }
        }
    }
}

impl TryFrom<String> for Congestion {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Congestion> for String {
    fn from(congestion: Congestion) -> String {
        congestion.to_string()
    }
}

impl fmt::Display for Congestion {
    /// As it is written in the settings.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the kernel says of the algorithms that it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offered {
    /// Those that it has now (`net.ipv4.tcp_available_congestion_control`), as it lists them.
    pub available: String,
    /// It loads others from modules when they are asked for.
    pub loads: bool,
    /// There is a module of it; none where nobody can say, as in a container without those files.
    pub module: Option<bool>,
}

impl Offered {
    /// Why no route can have this algorithm, as a clause; none where it can, or where only trying
    /// tells.
    ///
    /// `net.ipv4.tcp_allowed_congestion_control` says what programs without privilege may choose. A
    /// route may have any (measured on Linux 6.18: cubic in a namespace that is allowed reno alone).
    pub fn refuses(&self, name: &str) -> Option<String> {
        if self.available.split_whitespace().any(|there| there == name) {
            return None;
        }
        let there = self.available.trim().replace(' ', ", ");
        match (self.loads, self.module) {
            (true, Some(true) | None) => None,
            (true, Some(false)) => Some(format!("it has {there}, and no module tcp_{name}")),
            (false, _) => Some(format!("it has {there}, and loads no modules")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn names_are_the_kernels() {
        for good in ["bbr", "cubic", "dctcp-reno", "bpf_cubic", "abcdefghijklmno"] {
            let read: Congestion = good.parse().expect(good);
            assert_eq!(read.name(), good);
            assert_eq!(read.to_string(), good);
        }
        for bad in ["", "b b", "bbr\n", "../x", "abcdefghijklmnop", "é"] {
            assert!(bad.parse::<Congestion>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_metrics_of_the_link_stay_beside_it() {
        let mtu = Metrics(BTreeMap::from([(2, Metric::Number(1400))]));
        let bbr = Congestion("bbr".into());
        assert_eq!(bbr.over(mtu).to_string(), " mtu 1400 congctl bbr");
    }

    #[test]
    fn what_the_kernel_lacks_is_told_with_what_it_has() {
        let offered = |loads, module| Offered { available: "reno cubic\n".into(), loads, module };
        let table = [
            ("cubic", false, Some(false), None),
            ("bbr", true, Some(true), None),
            ("bbr", true, None, None),
            ("bbr", true, Some(false), Some("it has reno, cubic, and no module tcp_bbr")),
            ("bbr", false, None, Some("it has reno, cubic, and loads no modules")),
        ];
        for (name, loads, module, expected) in table {
            assert_eq!(offered(loads, module).refuses(name).as_deref(), expected);
        }
    }
}
