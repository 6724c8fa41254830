//! Do the settings fit this host: links that they name and that it does not have, and links that they want and
//! do not want at once. `mptcpize setup` refuses such settings; every other verb goes by what is left of them.

use super::{Context, Finding};
use crate::named_links::{self, Named};

pub(super) fn settings(context: &Context) -> Vec<Finding> {
    let (host, asked) = (&context.seen.host, &context.seen.asked);
    let mut found: Vec<Finding> = named_links::both(asked)
        .map(|link| {
            Finding::warning("settings.both", format!("{link} is named by only and by exclude"))
                .why("it is left out")
                .advice("name it in one of them (/etc/mptcpize.toml, or an earlier mptcpize setup: --forget)")
        })
        .collect();
    for Named { key, link } in named_links::unknown(host, asked) {
        // One that was set up is away, and one that is left out is as it was asked.
        let was_here = host.recorded.iter().any(|recorded| recorded.dev == *link);
        let title = format!("there is no link {link}, which {key} names");
        let why = format!("this host has {}", named_links::there(host));
        found.push(if was_here || key == "exclude" {
            Finding::note("settings.away", title).why(why)
        } else {
            let meant = named_links::meant(host, link);
            let mend = meant.map_or_else(
                || format!("plug {link} in, or take it out of /etc/mptcpize.toml"),
                |meant| format!("in /etc/mptcpize.toml, {meant} instead of {link}"),
            );
            Finding::warning("settings.no_link", title)
                .why(why)
                .advice(format!("{mend}    (if it was an option: mptcpize setup --forget)"))
        });
    }
    found
}
