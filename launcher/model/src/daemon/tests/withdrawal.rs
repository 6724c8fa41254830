//! A VPN that comes and goes: what the core withdraws from the host, and what it gives back.

use super::*;
use crate::record::Record;
use crate::route_lookup::{Hop, RouteLookup};

impl Lab {
    /// A tunnel takes all that programs leave unbound.
    fn capture(&mut self) {
        let link = r#"{"name":"tun0","kind":"tun"}"#;
        self.state.links.push(serde_json::from_str(link).expect("a link"));
        self.state.ways = vec![lookup(None, "tun0")];
    }

    fn release(&mut self) {
        self.state.links.retain(|link| link.name.as_str() != "tun0");
        self.state.ways = vec![lookup(None, "w1")];
    }

    fn own_rules(&self) -> usize {
        self.state.rules.iter().filter(|rule| crate::ours::is_ours(rule.protocol)).count()
    }
}

/// Where the kernel sends what goes to the Internet.
fn lookup(from: Option<&str>, dev: &str) -> RouteLookup {
    let from = from.map(|from| from.parse().expect("a literal address"));
    let to = "203.0.113.9".parse().expect("a literal address");
    RouteLookup { from, to, oif: None, hop: Some(Hop { dev: name(dev), via: None, table: MAIN }) }
}

#[test]
fn a_capture_withdraws_rules_and_endpoints_and_its_end_gives_them_back() {
    let mut lab = Lab::new(3);
    lab.happens();
    let (set_up, rules) = (lab.state.clone(), lab.own_rules());
    assert!(rules > 0);
    lab.capture();
    lab.happens();
    let said = lab.said.last().expect("it said so");
    let expected = format!(
        "traffic of this host leaves by tun0, which is no uplink: withdrew 2 endpoints and {rules} \
         rules"
    );
    assert_eq!((said, lab.own_rules()), (&expected, 0));
    // Connections began on the first link, and the kernel closes what an endpoint's end ends.
    assert_eq!(lab.endpoints(), ["10.1.0.1"]);
    lab.happens();
    assert_eq!(lab.said.last(), Some(&expected), "it is told once");
    assert_eq!(lab.daemon.deadline(), None);
    lab.release();
    lab.happens();
    assert!(lab.said.last().expect("it said so").starts_with("set up w1, w2 and w3 with "));
    let sorted = |state: &HostState| {
        let mut rules: Vec<String> = state.rules.iter().map(ToString::to_string).collect();
        rules.sort();
        rules
    };
    assert_eq!(sorted(&lab.state), sorted(&set_up));
    assert_eq!((lab.endpoints().len(), &lab.state.routes), (3, &set_up.routes));
}

#[test]
fn an_endpoint_that_leads_around_without_any_rule_of_ours_goes_too() {
    let mut lab = Lab::new(2);
    lab.capture();
    // As an IPsec policy or somebody else's source rule lets it.
    lab.state.ways.push(lookup(Some("10.1.0.1"), "w1"));
    lab.happens();
    lab.happens();
    assert_eq!((lab.endpoints(), lab.own_rules()), (vec![], 0), "{:?}", lab.said);
}

#[test]
fn a_host_without_a_set_up_has_nothing_to_withdraw_and_says_what_is_the_case() {
    let mut lab = Lab::new(1);
    lab.plug(2);
    lab.capture();
    lab.happens();
    let expected = "traffic of this host leaves by tun0, which is no uplink: nothing that was set \
                    up leads around it";
    assert_eq!(lab.said.last().map(String::as_str), Some(expected));
}

#[test]
fn who_asked_to_go_beside_a_vpn_keeps_the_set_up() {
    let mut lab = Lab::new(2);
    let beside = Config { beside_vpn: true, ..Config::default() };
    lab.event(Event::Reload(Ok(Box::new(beside))));
    lab.capture();
    lab.happens();
    assert_eq!(lab.endpoints().len(), 2, "{:?}", lab.said);
    assert!(lab.own_rules() > 0);
}

/// What stands in the journal after a withdrawal and after what follows is what is on the host, so
/// that `setup undo` takes back neither more nor less.
#[test]
fn the_record_is_balanced_at_every_step() {
    let mut lab = Lab::new(2);
    lab.happens();
    let wish = Wish::default();
    let mut record = Record::default();
    let mut before = lab.state.clone();
    before.rules.retain(|rule| !crate::ours::is_ours(rule.protocol));
    before.endpoints.clear();
    before.ours.clear();
    before.routes.retain(|route| !crate::ours::is_ours(route.protocol));
    let mut state = before.clone();
    for captured in [false, true, false, true] {
        state.ways = vec![lookup(None, if captured { "tun0" } else { "w1" })];
        state.links.retain(|link| link.name.as_str() != "tun0");
        if captured {
            let link = r#"{"name":"tun0","kind":"tun"}"#;
            state.links.push(serde_json::from_str(link).expect("a link"));
        }
        for step in wish.proposal(&state).plan.steps {
            step.change.apply_to(&mut state);
            record.absorb(&step.change);
            // Killed here, an undo begins.
            let mut undone = state.clone();
            for entry in record.entries.iter().rev() {
                if let Some(inverse) = entry.undone_in(&undone) {
                    inverse.apply_to(&mut undone);
                }
            }
            assert_eq!(undone.rules, before.rules, "{}", step.change);
            assert_eq!((undone.endpoints, undone.routes), (vec![], before.routes.clone()));
        }
    }
}
