//! Events of the path manager for a person: when, on which link, what, and whose connection it is.
//! `monitor -t` prints them, and `top` shows the last of them.

use std::net::{IpAddr, SocketAddr};

use mptcpize_model::event::{Event, Kind, Told};

/// Room for what happened.
const WHAT: usize = 20;

/// One event as a line: `12:04:29  wwan0  subflow up  10.64.9.2:4 → 203.0.113.9:443  token 9f3a01c2`.
pub fn line(told: &Told, clock: &str) -> String {
    let event = &told.event;
    let dev = told.dev.as_ref().map_or("–", |dev| dev.as_str());
    let mut text = format!("{clock}  {dev:<8}  {:<WHAT$}", what(event));
    match (end(event.local, event.local_port), end(event.remote, event.remote_port)) {
        (Some(local), Some(remote)) => text.push_str(&format!("  {local} → {remote}")),
        (Some(one), None) | (None, Some(one)) => text.push_str(&format!("  {one}")),
        (None, None) => {}
    }
    if let Some(token) = event.token {
        text.push_str(&format!("  token {token:08x}"));
    }
    if let Some(program) = &told.program {
        let name: String = program.name.chars().filter(|letter| !letter.is_control()).collect();
        text.push_str(&format!("  {name}[{}]", program.pid));
    }
    text.trim_end().to_owned()
}

/// An address with its port, as far as they are known.
fn end(address: Option<IpAddr>, port: Option<u16>) -> Option<String> {
    match (address, port) {
        (Some(address), Some(port)) => Some(SocketAddr::new(address, port).to_string()),
        (address, _) => address.map(|address| address.to_string()),
    }
}

/// What happened, in a few words.
fn what(event: &Event) -> String {
    let text = match event.kind {
        Kind::Created => "connection begins",
        Kind::Established => "connection up",
        Kind::Closed => "connection closed",
        Kind::Announced => "peer announces",
        Kind::Removed => "peer withdraws",
        Kind::SubflowEstablished => "subflow up",
        Kind::SubflowClosed => return closed(event.error),
        Kind::SubflowPriority if event.backup == Some(1) => "subflow is backup",
        Kind::SubflowPriority => "subflow is active",
        Kind::ListenerCreated => "listener up",
        Kind::ListenerClosed => "listener closed",
        Kind::Present => "subflow is up",
        Kind::Other(number) => return format!("event {number}"),
    };
    text.to_owned()
}

/// The end of a subflow, and its error (errno(3)).
fn closed(error: Option<u8>) -> String {
    match error.filter(|error| *error != 0) {
        None => "subflow down".to_owned(),
        Some(104) => "subflow reset".to_owned(),
        Some(110) => "subflow timed out".to_owned(),
        Some(error) => format!("subflow down ({error})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mptcpize_model::net::IfName;
    use mptcpize_model::status::Program;

    #[test]
    fn an_event_says_when_where_what_and_whose() {
        let mut event = Event::new(Kind::SubflowClosed);
        event.token = Some(0x9f3a_01c2);
        event.local = "10.64.9.2".parse().ok();
        event.local_port = Some(4242);
        event.remote = "2001:db8::1".parse().ok();
        event.remote_port = Some(443);
        event.error = Some(110);
        let mut told = Told { event, time_ms: 0, dev: None, program: None };
        assert_eq!(
            line(&told, "12:04:29"),
            "12:04:29  –         subflow timed out     10.64.9.2:4242 → [2001:db8::1]:443  token 9f3a01c2"
        );
        told.dev = IfName::new("wwan0").ok();
        told.program = Some(Program { pid: 4711, name: "cu\x1brl".into(), container: None });
        told.event = Event::new(Kind::Announced);
        told.event.remote = "10.1.2.3".parse().ok();
        assert_eq!(
            line(&told, "12:04:29"),
            "12:04:29  wwan0     peer announces        10.1.2.3  curl[4711]"
        );
    }
}
