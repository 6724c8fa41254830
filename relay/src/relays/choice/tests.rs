//! What a host goes through that has several relays.

use super::*;

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn names(texts: &[&str]) -> Vec<Name> {
    texts.iter().map(|text| name(text)).collect()
}

fn choice(texts: &[&str]) -> Choice {
    Choice::new(names(texts))
}

#[test]
fn the_first_is_taken_until_others_are_measured() {
    let mut choice = choice(&["a", "b", "c"]);
    assert_eq!(choice.order(), names(&["a", "b", "c"]));
    assert_eq!(choice.to_ask(at(0)), names(&["a", "b", "c"]));
    assert!(choice.to_ask(at(1)).is_empty(), "they are being asked");
    choice.answered(&name("b"), ms(10), true);
    assert_eq!(choice.chosen(), Some(&name("b")));
    choice.answered(&name("a"), ms(40), true);
    choice.answered(&name("c"), ms(20), true);
    assert_eq!(choice.order(), names(&["b", "c", "a"]));
}

#[test]
fn a_relay_is_kept_until_another_is_clearly_faster() {
    let mut choice = choice(&["a", "b"]);
    choice.answered(&name("a"), ms(40), true);
    choice.answered(&name("b"), ms(31), true);
    assert_eq!(choice.chosen(), Some(&name("a")), "a little faster is not enough");
    for _ in 0..50 {
        choice.answered(&name("b"), ms(29), true);
    }
    assert_eq!(choice.chosen(), Some(&name("b")));
    // Neither is a few milliseconds, however large a part they are.
    let mut choice = self::choice(&["a", "b"]);
    choice.answered(&name("a"), ms(4), true);
    choice.answered(&name("b"), ms(1), true);
    assert_eq!(choice.chosen(), Some(&name("a")));
}

#[test]
fn one_slow_handshake_does_not_change_the_choice() {
    let mut choice = choice(&["a", "b"]);
    choice.answered(&name("a"), ms(20), true);
    choice.answered(&name("b"), ms(25), true);
    choice.connected(&name("a"), ms(60), true);
    assert_eq!(choice.chosen(), Some(&name("a")));
}

#[test]
fn one_that_fails_is_left_alone_for_2_to_30_seconds_and_asked_before_it_is_used() {
    let mut choice = choice(&["a", "b"]);
    choice.to_ask(at(0));
    choice.answered(&name("a"), ms(10), true);
    choice.answered(&name("b"), ms(50), true);
    let mut now = at(100);
    for pause in [2, 4, 8, 16, 30, 30] {
        choice.failed(now, &name("a"), "it is gone".to_owned());
        assert_eq!(choice.chosen(), Some(&name("b")));
        assert_eq!((choice.order(), choice.rest()), (names(&["b"]), names(&["a"])));
        assert!(choice.to_ask(now + at(pause) - ms(1)).is_empty(), "{pause}");
        now += at(pause);
        assert_eq!(choice.to_ask(now), names(&["a"]), "{pause}");
        assert_eq!(choice.order(), names(&["b"]), "it has not answered yet");
    }
    choice.answered(&name("a"), ms(10), true);
    assert_eq!(choice.order(), names(&["a", "b"]));
    choice.failed(now, &name("a"), "again".to_owned());
    assert_eq!(choice.to_ask(now + at(2)), names(&["a"]), "it counts from the beginning");
}

#[test]
fn where_all_fail_none_is_chosen_and_all_are_left_to_try() {
    let mut choice = choice(&["a", "b"]);
    for text in ["a", "b"] {
        choice.failed(at(0), &name(text), "it is gone".to_owned());
    }
    assert_eq!((choice.chosen(), choice.order().len(), choice.rest().len()), (None, 0, 2));
    choice.answered(&name("b"), ms(10), false);
    assert_eq!(choice.chosen(), Some(&name("b")));
}

#[test]
fn what_is_odd_is_asked_at_once_and_not_again_and_again() {
    let mut choice = choice(&["a"]);
    choice.to_ask(at(0));
    choice.answered(&name("a"), ms(10), true);
    choice.suspect(at(1), &name("a"));
    assert!(choice.to_ask(at(1)).is_empty(), "it has just been asked");
    choice.suspect(at(10), &name("a"));
    assert_eq!(choice.to_ask(at(10)), names(&["a"]));
    choice.answered(&name("a"), ms(10), true);
    assert!(choice.to_ask(at(11)).is_empty());
    assert_eq!(choice.to_ask(at(310)), names(&["a"]), "all are measured now and then");
}

#[test]
fn other_settings_keep_what_is_known_of_a_relay_that_stays() {
    let mut choice = choice(&["a", "b"]);
    choice.answered(&name("b"), ms(10), true);
    choice.failed(at(0), &name("a"), "it is gone".to_owned());
    choice.reload(names(&["c", "b", "a"]), |name| name.as_str() != "a");
    assert_eq!(choice.chosen(), Some(&name("b")));
    assert!(choice.rest().is_empty(), "the relay of that name is another one");
    choice.reload(names(&["c"]), |_| true);
    assert_eq!(choice.chosen(), Some(&name("c")));
    choice.reload([], |_| true);
    assert_eq!(choice.chosen(), None);
    // Of one that is gone nothing is remembered.
    choice.failed(at(0), &name("b"), "it is gone".to_owned());
    choice.answered(&name("b"), ms(1), true);
    assert!(choice.standings().is_empty());
}
