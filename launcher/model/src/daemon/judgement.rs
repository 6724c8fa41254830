//! What the judge says of the host at each look ([`crate::checks`]): the findings that `status` and `check`
//! have, so that the daemon does not call a host set up of which these say that it is not.
//!
//! The daemon is woken by messages and judges when it looks for one. What no message tells of and a program
//! or files would have to be read for is left to those two ([`super::UNHEARD`]).

use super::Daemon;
use super::event::Observed;
use super::verdict::Judgement;
use crate::HostState;
use crate::asked::Asked;
use crate::checks::{Glance, Scope, judge};
use crate::config::Config;

impl Daemon {
    /// What is found by these settings; nothing where the kernel was not asked. Not judged again where that was
    /// done with the same settings and the same dead paths.
    pub(super) fn judgement_of(&self, seen: &Observed, config: &Config) -> Option<Judgement> {
        let glance = seen.glance.as_ref()?;
        // What is set aside for links that pass nothing is made by the daemon, and is no fault of the set-up.
        let config = Config { stalled: None, ..config.clone() };
        let stalled = self.stall.reasons();
        let known =
            seen.judged.as_deref().filter(|(by, dead, _)| *by == config && *dead == stalled);
        if let Some((.., judgement)) = known {
            return Some(judgement.clone());
        }
        let glance = Glance::clone(glance);
        let mut observed = glance.with(HostState::clone(&seen.state), config);
        observed.followed = true;
        observed.daemon = self.heal.is_on();
        observed.stalled = stalled;
        Some(Judgement::by(&judge(&observed, Scope::Glance)))
    }

    /// The settings that hold on a host whose set-up was asked this, with the links that are held back left out.
    pub fn settings(&self, asked: &Asked) -> Config {
        let asked = self.line.clone().then(asked.clone());
        self.without_held(asked.over(self.file.clone()))
    }

    /// Judges what was observed, and says whether that is something else than what was found at the last look. What
    /// is found in the midst of a change is true of neither side, so whoever looked makes sure first.
    pub fn judge(&self, seen: &mut Observed) -> bool {
        let config = Config { stalled: None, ..self.settings(&seen.asked) };
        let judgement = self.judgement_of(seen, &config);
        let is_news = judgement.is_some() && judgement != self.judgement;
        seen.judged =
            judgement.map(|judgement| Box::new((config, self.stall.reasons(), judgement)));
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::verdict::tests::fault;
    use crate::daemon::{Event, Millis};

    #[test]
    fn a_look_is_judged_once_while_the_settings_stay_and_again_where_they_are_others() {
        let asked = Asked::default();
        let daemon = Daemon::new(Millis(1), Config::default(), asked.clone());
        let glance = Some(Box::<Glance>::default());
        let mut seen = Observed { state: HostState::default(), asked, glance, judged: None };
        assert!(daemon.judge(&mut seen));
        let found = fault("a.b", "a: handed on");
        let handed_on = Judgement { findings: vec![found], usable_paths: vec![] };
        seen.judged.as_mut().expect("it was judged").2 = handed_on.clone();
        let by = |config: &Config| daemon.judgement_of(&seen, config);
        assert_eq!(by(&Config::default()), Some(handed_on.clone()));
        let others = Config { beside_vpn: true, ..Config::default() };
        assert_ne!(by(&others), Some(handed_on));
    }

    #[test]
    fn a_look_that_nobody_judged_leaves_what_was_found_before() {
        let asked = Asked::default();
        let mut daemon = Daemon::new(Millis(1), Config::default(), asked.clone());
        let state = HostState::default();
        let glance = Some(Box::<Glance>::default());
        let mut seen = Observed { state, asked, glance, judged: None };
        assert!(daemon.judge(&mut seen));
        let mut unjudged = Observed { glance: None, judged: None, ..seen.clone() };
        assert!(!daemon.judge(&mut unjudged));
        daemon.handle(Millis(2), Event::Observed(Box::new(seen.clone())));
        let found = daemon.status().judged.expect("it was judged");
        assert!(found.findings.iter().any(|fault| fault.code == "paths.none"), "{found:?}");
        assert!(!daemon.judge(&mut seen));
        daemon.handle(Millis(3), Event::Observed(Box::new(unjudged)));
        assert_eq!(daemon.status().judged, Some(found));
    }
}
