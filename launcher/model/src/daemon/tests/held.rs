//! What is kept of a link that is held back.

use super::*;

#[test]
fn a_link_that_is_held_back_keeps_what_was_set_up_where_one_link_is_left() {
    let mut lab = Lab::new(2);
    flap(&mut lab, 2, 6);
    assert_eq!(lab.daemon.status().held.len(), 1, "{:?}", lab.said);
    lab.unplug(2);
    lab.happens();
    // Longer than the address is waited for, and shorter than the link is held back.
    lab.pass(15_000);
    assert_eq!(lab.daemon.status().held.len(), 1, "{:?}", lab.said);
    assert_eq!(lab.endpoints(), ["10.1.0.1", "10.2.0.1"], "{:?}", lab.said);
    assert!(!lab.said.iter().any(|line| line.contains("left out")), "{:?}", lab.said);
}

#[test]
fn one_that_somebody_names_as_well_loses_it_at_once() {
    let mut lab = Lab::new(2);
    flap(&mut lab, 2, 6);
    lab.unplug(2);
    lab.happens();
    let exclude = vec![name("w2")];
    let settings = Config { exclude, ..Config::default() };
    lab.event(Event::Reload(Ok(Box::new(settings))));
    lab.pass(50);
    assert_eq!(lab.daemon.status().held.len(), 1, "{:?}", lab.said);
    assert_eq!(lab.endpoints(), ["10.1.0.1"], "{:?}", lab.said);
}
