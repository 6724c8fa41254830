//! What a set-up was asked on the command line: it is recorded with the set-up, so that a later
//! `run`, `check` or `status` goes by it and not by the defaults.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::config::{Config, Role};
use crate::congestion::Congestion;
use crate::net::IfName;

/// The options of `setup` that were given. What was not given is left to the settings file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Asked {
    /// `--role`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// `--only`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<IfName>,
    /// `--exclude`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<IfName>,
    /// `--backup`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub backup: Vec<IfName>,
    /// `--gateway`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub gateway: BTreeMap<IfName, IpAddr>,
    /// `--congestion`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub congestion: BTreeMap<IfName, Congestion>,
    /// `--fullmesh`.
    #[serde(skip_serializing_if = "super::net::is_false")]
    pub fullmesh: bool,
    /// `--max-subflows`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_subflows: Option<u32>,
    /// `--beside-vpn`.
    #[serde(skip_serializing_if = "super::net::is_false")]
    pub beside_vpn: bool,
}

impl Asked {
    /// Nothing was asked?
    pub fn is_empty(&self) -> bool {
        *self == Asked::default()
    }

    /// What holds when `newer` is asked after this: each option of it, and the others as before.
    /// A link that is named now is no longer left out, and the other way round.
    #[must_use]
    pub fn then(self, newer: Asked) -> Asked {
        fn either<T>(old: Vec<T>, new: Vec<T>) -> Vec<T> {
            if new.is_empty() { old } else { new }
        }
        let mut gateway = self.gateway;
        gateway.extend(newer.gateway);
        let mut congestion = self.congestion;
        congestion.extend(newer.congestion);
        let mut exclude = self.exclude;
        exclude.retain(|link| !newer.only.contains(link));
        let mut only = self.only;
        only.retain(|link| !newer.exclude.contains(link));
        Asked {
            role: newer.role.or(self.role),
            only: either(only, newer.only),
            exclude: either(exclude, newer.exclude),
            backup: either(self.backup, newer.backup),
            gateway,
            congestion,
            fullmesh: self.fullmesh || newer.fullmesh,
            max_subflows: newer.max_subflows.or(self.max_subflows),
            beside_vpn: self.beside_vpn || newer.beside_vpn,
        }
    }

    /// What of this still holds when `newer` is asked.
    #[must_use]
    pub fn without(self, newer: &Asked) -> Asked {
        fn unless<T>(old: Vec<T>, new: &[T]) -> Vec<T> {
            if new.is_empty() { old } else { vec![] }
        }
        let mut gateway = self.gateway.clone();
        gateway.retain(|link, _| !newer.gateway.contains_key(link));
        let mut congestion = self.congestion.clone();
        congestion.retain(|link, _| !newer.congestion.contains_key(link));
        let then = self.clone().then(newer.clone());
        Asked {
            role: self.role.filter(|_| newer.role.is_none()),
            only: unless(then.only, &newer.only),
            exclude: unless(then.exclude, &newer.exclude),
            backup: unless(self.backup, &newer.backup),
            gateway,
            congestion,
            fullmesh: self.fullmesh && !newer.fullmesh,
            max_subflows: self.max_subflows.filter(|_| newer.max_subflows.is_none()),
            beside_vpn: self.beside_vpn && !newer.beside_vpn,
        }
    }

    /// The settings of the file, with what was asked over them.
    #[must_use]
    pub fn over(&self, file: Config) -> Config {
        let from_file = Asked {
            role: Some(file.role),
            only: file.only,
            exclude: file.exclude,
            backup: file.backup,
            gateway: file.gateway,
            congestion: file.congestion,
            fullmesh: file.fullmesh,
            max_subflows: file.max_subflows,
            beside_vpn: file.beside_vpn,
        };
        let all = from_file.then(self.clone());
        Config {
            role: all.role.unwrap_or_default(),
            only: all.only,
            exclude: all.exclude,
            backup: all.backup,
            gateway: all.gateway,
            congestion: all.congestion,
            fullmesh: all.fullmesh,
            max_subflows: all.max_subflows,
            beside_vpn: all.beside_vpn,
            run_setup: file.run_setup,
            heal: file.heal,
            probe: file.probe,
            stalled: file.stalled,
            held: file.held,
            budget: file.budget,
            metered: file.metered,
            metered_after_bytes: file.metered_after_bytes,
            metered_after_seconds: file.metered_after_seconds,
            subflows_per_path: file.subflows_per_path,
            system: file.system,
            relay: file.relay,
            containers: file.containers,
            sockets: file.sockets,
        }
    }
}

impl fmt::Display for Asked {
    /// The options, as they are typed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |option: &str, links: &[IfName]| {
            let names: Vec<&str> = links.iter().map(IfName::as_str).collect();
            (!names.is_empty()).then(|| format!("--{option} {}", names.join(",")))
        };
        let role = self.role.map(|role| match role {
            Role::Client => "--role client",
            Role::Server => "--role server",
            Role::Both => "--role both",
        });
        let mut words: Vec<String> = role.map(str::to_owned).into_iter().collect();
        words.extend(list("only", &self.only));
        words.extend(list("exclude", &self.exclude));
        words.extend(list("backup", &self.backup));
        words.extend(self.gateway.iter().map(|(link, via)| format!("--gateway {link}={via}")));
        let named = self.congestion.iter();
        words.extend(named.map(|(link, algorithm)| format!("--congestion {link}={algorithm}")));
        words.extend(self.fullmesh.then(|| "--fullmesh".to_owned()));
        words.extend(self.max_subflows.map(|most| format!("--max-subflows {most}")));
        words.extend(self.beside_vpn.then(|| "--beside-vpn".to_owned()));
        f.write_str(&words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(names: &[&str]) -> Vec<IfName> {
        names.iter().map(|name| IfName::new(name).expect("a literal name")).collect()
    }

    fn congestion(links: &[(&str, &str)]) -> BTreeMap<IfName, Congestion> {
        let read = |(link, name): &(&str, &str)| {
            (IfName::new(link).expect("a literal name"), name.parse().expect("a literal name"))
        };
        links.iter().map(read).collect()
    }

    #[test]
    fn what_is_asked_later_wins_option_by_option() {
        let first = Asked {
            role: Some(Role::Server),
            backup: links(&["w2"]),
            congestion: congestion(&[("w1", "bbr"), ("w2", "reno")]),
            exclude: links(&["w3", "w4"]),
            max_subflows: Some(2),
            ..Asked::default()
        };
        let second = Asked {
            role: Some(Role::Client),
            only: links(&["w1", "w3"]),
            congestion: congestion(&[("w2", "cubic")]),
            fullmesh: true,
            ..Asked::default()
        };
        let expected = "--role client --only w1,w3 --exclude w4 --backup w2 \
                        --congestion w1=bbr --congestion w2=cubic --fullmesh --max-subflows 2";
        assert_eq!(first.then(second).to_string(), expected);
    }

    #[test]
    fn the_file_counts_where_nothing_was_asked() {
        let file =
            toml::from_str::<Config>("role = \"server\"\nonly = [\"a\"]\nmax_subflows = 2\n");
        let file = file.expect("a good file");
        assert_eq!(Asked::default().over(file.clone()), file);
        let asked = Asked { role: Some(Role::Client), max_subflows: Some(4), ..Asked::default() };
        let both = asked.over(file);
        assert_eq!((both.role, both.max_subflows, both.only.len()), (Role::Client, Some(4), 1));
    }
}
