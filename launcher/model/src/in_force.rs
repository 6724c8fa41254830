//! The part of the settings that a host goes by. What `mptcpize setup` refuses as a slip changes nothing under any
//! other verb: a daemon that went by it would take down what works, and nobody would have asked for that.

use std::borrow::Cow;

use crate::HostState;
use crate::asked_gateway;
use crate::config::Config;
use crate::named_links;
use crate::net::IfName;

/// The settings without their slips: where `only` names a link that this host has neither now nor in what is set
/// up, the links that are set up stay among those asked for; a gateway outside the networks of its link is passed
/// over. The findings of [`crate::checks`] tell both.
pub fn in_force<'a>(state: &HostState, config: &'a Config) -> Cow<'a, Config> {
    let kept: Vec<&IfName> = match slip(state, config) {
        true => set_up(state).filter(|dev| !config.only.contains(dev)).collect(),
        false => Vec::new(),
    };
    let outside = asked_gateway::outside(state, config);
    if kept.is_empty() && outside.is_empty() {
        return Cow::Borrowed(config);
    }
    let mut settings = config.clone();
    for dev in kept {
        if !settings.only.contains(dev) {
            settings.only.push(dev.clone());
        }
    }
    for one in outside {
        settings.gateway.remove(one.link);
    }
    Cow::Owned(settings)
}

/// Does `only` name a link that was never here? One that was set up is away, as a modem that is unplugged.
fn slip(state: &HostState, config: &Config) -> bool {
    let known = |dev: &IfName| state.link(dev).is_some() || named_links::was_set_up(state, dev);
    config.only.iter().any(|dev| !known(dev))
}

fn set_up(state: &HostState) -> impl Iterator<Item = &IfName> {
    state.recorded.iter().map(|recorded| &recorded.dev)
}
