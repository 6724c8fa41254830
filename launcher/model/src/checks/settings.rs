//! Do the settings fit this host: links that they name and that it does not have, and links that they want and
//! do not want at once. `mptcpize setup` refuses such settings; every other verb goes by what is left of them.

use super::{Context, Finding};
use crate::asked_gateway;
use crate::named_links;

pub(super) fn settings(context: &Context) -> Vec<Finding> {
    let (host, asked) = (&context.seen.host, &context.seen.asked);
    let mut found: Vec<Finding> = named_links::both(asked)
        .map(|link| {
            Finding::warning("settings.both", format!("{link} is named by only and by exclude"))
                .why("it is left out")
                .advice("name it in one of them (/etc/mptcpize.toml, or an earlier mptcpize setup: --forget)")
        })
        .collect();
    for named in named_links::unknown(host, asked) {
        let (title, why) = (named.what(), named_links::why(host));
        // One that was set up is away, and one that is left out is as it was asked.
        found.push(if named_links::was_set_up(host, named.link) || named.key == "exclude" {
            Finding::note("settings.away", title).why(why)
        } else {
            let mend = named.advice(host, "/etc/mptcpize.toml");
            Finding::warning("settings.no_link", title)
                .why(why)
                .advice(format!("{mend}    (if it was an option: mptcpize setup --forget)"))
        });
    }
    for outside in asked_gateway::outside(host, asked) {
        let why = format!("{}: the setting is passed over", outside.why());
        found.push(
            Finding::warning("settings.gateway", outside.what())
                .why(why)
                .advice(format!(
                    "in /etc/mptcpize.toml under [gateway], the address of {0}'s router, or take {0} out    \
                     (if it was an option: mptcpize setup --forget)",
                    outside.link
                )),
        );
    }
    found
}
