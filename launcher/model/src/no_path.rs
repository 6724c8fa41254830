//! Why a host has no path at all: it has none, or the settings leave out those that it has.

use crate::HostState;
use crate::config::Config;
use crate::net::IfName;
use crate::phrase::list;
use crate::uplinks;

/// The links that would be paths if the settings left none out, by the key that does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Those of `exclude`.
    excluded: Vec<IfName>,
    /// Those that `only` does not name.
    unnamed: Vec<IfName>,
}

impl LeftOut {
    /// Looks for them, on a host without a path by these settings.
    pub fn of(state: &HostState, config: &Config) -> Self {
        let all = Config { only: Vec::new(), exclude: Vec::new(), ..config.clone() };
        let (paths, _) = uplinks::find(state, &all);
        let is_excluded = |dev: &IfName| config.exclude.contains(dev);
        let (excluded, unnamed) = uplinks::links(&paths).into_iter().partition(is_excluded);
        LeftOut { excluded, unnamed }
    }

    /// What is the case, as a clause.
    pub fn what(&self) -> String {
        let excluded = (!self.excluded.is_empty())
            .then(|| format!("{} {} excluded", list(&self.excluded), is(self.excluded.len())));
        let unnamed = (!self.unnamed.is_empty())
            .then(|| format!("only does not name {}", list(&self.unnamed)));
        let both: Vec<String> = excluded.into_iter().chain(unnamed).collect();
        match both.as_slice() {
            [] => "no link has a usable address and a gateway".to_owned(),
            both => format!("no path is left: {}", both.join(", ")),
        }
    }

    /// The same where it stands alone.
    pub fn sentence(&self) -> String {
        let what = self.what();
        if *self == LeftOut::default() { format!("no path at all: {what}") } else { what }
    }

    /// What a person can do.
    pub fn advice(&self) -> String {
        let of_file = |what: &str| {
            format!(
                "{what} in /etc/mptcpize.toml    (if it was an option: mptcpize setup --forget)"
            )
        };
        match (self.excluded.first(), self.unnamed.first()) {
            (Some(link), _) => of_file(&format!("take {link} out of exclude")),
            (None, Some(link)) => of_file(&format!("add {link} to only")),
            (None, None) => "connect one: ip address, ip route    (show what there is)".to_owned(),
        }
    }
}

fn is(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}
