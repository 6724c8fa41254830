//! Questions for the host's resolver.

use std::net::{SocketAddr, UdpSocket};
use std::thread;

use crate::agent::lab::{Agent, Bed, known};
use crate::support::wait;
use mptcpize_model::relay::key::Key;

const DNS: &str = "127.0.0.1:8753";

fn question(number: u8) -> Vec<u8> {
    [&[0, number][..], &[0; 10], b"name"].concat()
}

#[test]
fn questions_go_to_the_resolver_and_its_answers_alone_come_back() {
    let bed = Bed::new();
    let resolver = bed.web.enter(|| UdpSocket::bind("203.0.113.80:0").unwrap());
    let stranger = bed.web.enter(|| UdpSocket::bind("203.0.113.80:0").unwrap());
    resolver.set_read_timeout(Some(wait::deadline())).unwrap();
    let mut settings = bed.settings(&[&known(0, Key::new(vec![0; 16]))]);
    settings.resolver = Some(resolver.local_addr().unwrap());
    let _agent = Agent::start(bed.client(), &settings, "dns,127.0.0.1,8753");
    let asks = bed.client().enter(|| UdpSocket::bind("127.0.0.1:0").unwrap());
    asks.set_read_timeout(Some(wait::deadline())).unwrap();
    let to: SocketAddr = DNS.parse().unwrap();
    // Too short to be one.
    asks.send_to(b"short", to).unwrap();
    for number in 1..=3 {
        asks.send_to(&question(number), to).unwrap();
        let mut bytes = [0; 64];
        let (length, from) = resolver.recv_from(&mut bytes).unwrap();
        assert_eq!(bytes[..length], question(number));
        let mut answer = question(number);
        answer.extend(b" stranger");
        stranger.send_to(&answer, from).unwrap();
        // The number of another question.
        resolver.send_to(&question(number + 100), from).unwrap();
        let mut answer = question(number);
        answer.extend(b" resolver");
        resolver.send_to(&answer, from).unwrap();
        let (length, from) = asks.recv_from(&mut bytes).unwrap();
        assert_eq!((&bytes[..length], from), (answer.as_slice(), to));
    }
}

#[test]
fn a_resolver_that_says_nothing_holds_only_so_many_questions() {
    let bed = Bed::new();
    let resolver = bed.web.enter(|| UdpSocket::bind("203.0.113.80:0").unwrap());
    let mut settings = bed.settings(&[&known(0, Key::new(vec![0; 16]))]);
    settings.resolver = Some(resolver.local_addr().unwrap());
    let agent = Agent::start(bed.client(), &settings, "dns,127.0.0.1,8753");
    let asks = bed.client().enter(|| UdpSocket::bind("127.0.0.1:0").unwrap());
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..5_000u32 {
                asks.send_to(&question(number.to_le_bytes()[0]), DNS).unwrap();
            }
        });
    });
    let open = std::fs::read_dir(format!("/proc/{}/fd", agent.running.pid())).unwrap().count();
    assert!(open < 400, "{open} descriptors");
}
