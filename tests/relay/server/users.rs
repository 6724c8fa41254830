//! Users of the relay: what each may, what is counted of each, and other settings while they are there.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::Instant;

use mptcpize_model::relay::key::Method;
use mptcpize_model::relay::server::{Settings, User, UserLimits};
use mptcpize_model::relay::status::Server as State;
use rustix::process::Signal;

use super::client::{Client, Tunnel};
use super::rented::{Rented, WEB_V4, key, once, refused, settings, state, user};
use crate::support::{scratch, wait};

fn with(users: Vec<User>) -> Settings {
    Settings { users, ..settings() }
}

fn limited(name: &str, number: u8, limits: UserLimits) -> User {
    User { limits, ..user(name, number) }
}

/// The client of the user whose key this number stands for.
fn client(rented: &Rented, number: u8) -> Client<'_> {
    rented.client_with(Method::Aes128, &[&key(Method::Aes128, 1), &key(Method::Aes128, number)])
}

fn works(near: &mut Tunnel, far: &mut TcpStream) {
    near.write_all(b"ping").unwrap();
    let mut four = [0; 4];
    far.read_exact(&mut four).unwrap();
    far.write_all(b"pong").unwrap();
    near.read_exact(&mut four).unwrap();
}

fn is_reset(near: &mut Tunnel) {
    assert_eq!(near.rest().expect_err("reset").kind(), ErrorKind::ConnectionReset);
}

fn carried(state: &State, name: &str) -> u64 {
    state.users[name].amounts.carried
}

#[test]
fn a_user_has_no_more_connections_than_it_may_and_others_have_theirs() {
    let rented = Rented::new(&["1000mbit"]);
    let limits = UserLimits { connections: Some(1), ..UserLimits::default() };
    let relay = rented.relay(&with(vec![limited("ann", 2, limits), user("bob", 3)]));
    let listener = rented.serve(WEB_V4);
    let (ann, bob) = (client(&rented, 2), client(&rented, 3));
    let (mut near, mut far) = rented.connect(&ann, &listener);
    let mut second = ann.open(listener.1);
    second.write_all(b"x").unwrap();
    is_reset(&mut second);
    let (mut others, mut others_far) = rented.connect(&bob, &listener);
    works(&mut others, &mut others_far);
    works(&mut near, &mut far);
    assert_eq!(refused(&state(&relay), "limit"), 1);
    drop((near, far));
    once(&relay, |state| state.users["ann"].amounts.open == 0);
    let (mut near, mut far) = rented.connect(&ann, &listener);
    works(&mut near, &mut far);
    let said = state(&relay);
    assert_eq!((carried(&said, "ann"), carried(&said, "bob")), (2, 1));
}

#[test]
fn connections_of_a_user_end_when_its_month_is_used_up() {
    let rented = Rented::new(&["1000mbit"]);
    let limits = UserLimits { month_bytes: Some(100_000), ..UserLimits::default() };
    let mut settings = with(vec![limited("ann", 2, limits), user("bob", 3)]);
    let mut relay = rented.relay(&settings);
    let listener = rented.serve(WEB_V4);
    let (ann, bob) = (client(&rented, 2), client(&rented, 3));
    let (mut idle, _idle_far) = rented.connect(&ann, &listener);
    let (mut near, mut far) = rented.connect(&ann, &listener);
    let (mut others, mut others_far) = rented.connect(&bob, &listener);
    near.write_all(&[7; 40_000]).unwrap();
    far.read_exact(&mut [0; 40_000]).unwrap();
    works(&mut near, &mut far);
    // More than is left: the connection ends on the way, perhaps before all is taken.
    let _ = far.write_all(&[7; 200_000]);
    is_reset(&mut near);
    is_reset(&mut idle);
    let mut new = ann.open(listener.1);
    new.write_all(b"x").unwrap();
    is_reset(&mut new);
    works(&mut others, &mut others_far);
    let said = once(&relay, |state| state.users["ann"].amounts.open == 0);
    let month = said.users["ann"].month_bytes;
    assert!((100_000..250_000).contains(&month), "{month}");
    assert!(refused(&said, "limit") >= 1);
    // The administrator gives more.
    settings.users[0].limits.month_bytes = Some(1_000_000);
    relay.reload_as(&serde_json::to_string(&settings).unwrap());
    let (mut near, mut far) = rented.connect(&ann, &listener);
    works(&mut near, &mut far);
}

/// No more than what the rate gives for the time that passed, with a burst and what both directions may have
/// moved when it was used up. A slower machine leaves more room, and never less.
#[test]
fn the_connections_of_a_user_share_its_rate_in_both_directions() {
    const EACH: usize = 1_250_000;
    const BYTES_A_SECOND: u128 = 1_000_000;
    const AHEAD: u128 = BYTES_A_SECOND / 10 + 2 * 65_536;
    let rented = Rented::new(&["1000mbit"]);
    let limits = UserLimits { rate_mbit: Some(8), ..UserLimits::default() };
    let relay = rented.relay(&with(vec![limited("ann", 2, limits)]));
    let listener = rented.serve(WEB_V4);
    let ann = client(&rented, 2);
    let (mut down, mut down_far) = rented.connect(&ann, &listener);
    let (mut up, mut up_far) = rented.connect(&ann, &listener);
    let bytes = vec![7; EACH];
    let begun = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| down_far.write_all(&bytes).unwrap());
        scope.spawn(|| down.read_exact(&mut vec![0; EACH]).unwrap());
        scope.spawn(|| up.write_all(&bytes).unwrap());
        scope.spawn(|| up_far.read_exact(&mut vec![0; EACH]).unwrap());
    });
    let most = begun.elapsed().as_micros() * BYTES_A_SECOND / 1_000_000 + AHEAD;
    assert!(2 * EACH as u128 <= most, "{} bytes where {most} were allowed", 2 * EACH);
    let said = once(&relay, |state| state.users["ann"].month_bytes > 2 * EACH as u64);
    let amounts = said.users["ann"].amounts;
    assert!(amounts.down_bytes >= EACH as u64 && amounts.up_bytes >= EACH as u64, "{amounts:?}");
}

#[test]
fn other_users_are_let_in_and_put_out_without_disturbing_those_who_stay() {
    let rented = Rented::new(&["1000mbit"]);
    let mut relay = rented.relay(&with(vec![user("ann", 2), user("bob", 3), user("cid", 4)]));
    let listener = rented.serve(WEB_V4);
    let [(mut ann, mut ann_far), (mut bob, _bob_far), (mut cid, _cid_far)] =
        [2, 3, 4].map(|number| rented.connect(&client(&rented, number), &listener));
    // Ann stays, Bob goes, Cid has another key, and Dan comes.
    let settings = with(vec![user("ann", 2), user("cid", 5), user("dan", 6)]);
    relay.reload_as(&serde_json::to_string(&settings).unwrap());
    works(&mut ann, &mut ann_far);
    is_reset(&mut bob);
    is_reset(&mut cid);
    for number in [2, 5, 6] {
        let (mut near, mut far) = rented.connect(&client(&rented, number), &listener);
        works(&mut near, &mut far);
    }
    for number in [3, 4] {
        let mut near = client(&rented, number).open(listener.1);
        near.write_all(b"x").unwrap();
        drop(near);
    }
    let said = once(&relay, |state| refused(state, "key") == 2);
    assert_eq!(said.users.keys().collect::<Vec<_>>(), ["ann", "cid", "dan"]);
    assert_eq!((carried(&said, "ann"), carried(&said, "cid"), carried(&said, "dan")), (2, 2, 1));
    // What cannot be used changes nothing.
    relay.reload_as("{");
    works(&mut ann, &mut ann_far);
    let log = relay.stop();
    assert!(log.contains("error: cannot use the settings in "), "{log}");
}

#[test]
fn counts_survive_the_death_of_the_relay() {
    let rented = Rented::new(&["1000mbit"]);
    let file = scratch("counts").join("counts");
    let settings = Settings { counts: Some(file.clone()), ..with(vec![user("ann", 2)]) };
    let relay = rented.relay(&settings);
    let listener = rented.serve(WEB_V4);
    let ann = client(&rented, 2);
    let (mut near, mut far) = rented.connect(&ann, &listener);
    works(&mut near, &mut far);
    let before = once(&relay, |state| state.users["ann"].month_bytes == 9);
    wait::until("the counts to be kept", || {
        fs::read_to_string(&file).is_ok_and(|text| text.contains("\"month_bytes\":9"))
    });
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    drop((near, far));
    relay.stop();
    let relay = rented.relay(&settings);
    let after = state(&relay);
    assert_eq!(after.users["ann"].amounts.up_bytes, before.users["ann"].amounts.up_bytes);
    assert_eq!((carried(&after, "ann"), after.users["ann"].amounts.open), (1, 0));
    assert_eq!(after.users["ann"].month_bytes, 9);
    assert_eq!(after.all.up_bytes, 0, "since the start");
    // Told to end, it keeps them at once.
    let (mut near, mut far) = rented.connect(&ann, &listener);
    works(&mut near, &mut far);
    drop((near, far));
    relay.signal(Signal::TERM);
    relay.running.finish().ok();
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("\"month_bytes\":18"), "{text}");
    // Those of another month count for all time and not for this one.
    fs::write(&file, text.replace("\"year\":2", "\"year\":1")).unwrap();
    let relay = rented.relay(&settings);
    let said = state(&relay);
    assert_eq!((said.users["ann"].month_bytes, carried(&said, "ann")), (0, 2));
    relay.stop();
}

#[test]
fn damaged_counts_are_moved_aside_and_said() {
    let rented = Rented::new(&["1000mbit"]);
    let file = scratch("counts").join("counts");
    let settings = Settings { counts: Some(file.clone()), ..with(vec![user("ann", 2)]) };
    for text in [&b"{\"version\":1,"[..], b"", &[0xFF; 40]] {
        fs::write(&file, text).unwrap();
        let relay = rented.relay(&settings);
        let listener = rented.serve(WEB_V4);
        let (mut near, mut far) = rented.connect(&client(&rented, 2), &listener);
        works(&mut near, &mut far);
        assert_eq!(carried(&state(&relay), "ann"), 1);
        assert_eq!(fs::read(file.with_extension("damaged")).unwrap(), text);
        let log = relay.stop();
        assert!(log.contains("mptcpize: counts from zero: "), "{log}");
        let _ = fs::remove_file(&file);
    }
}
