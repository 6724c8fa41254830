//! The path manager on the screen, as ip-mptcp(8) writes it: to the byte, so that what reads one
//! reads the other. Only `limits -j`, which ip leaves as text, is JSON here.

use std::fmt::Write;
use std::net::IpAddr;

use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};

use mptcpize_model::event::{Event, Kind, Told};
use mptcpize_model::mptcp::{Endpoint, Flags, Limits};

/// One endpoint, without the line feed.
pub fn endpoint(endpoint: &Endpoint) -> String {
    let mut text = format!("{} ", endpoint.address);
    if let Some(port) = endpoint.port {
        let _ = write!(text, "port {port} ");
    }
    let _ = write!(text, "id {} ", endpoint.id);
    for word in endpoint.flags.words() {
        let _ = write!(text, "{word} ");
    }
    if let Some(dev) = &endpoint.dev {
        let _ = write!(text, "dev {dev} ");
    }
    text
}

/// Endpoints as a JSON array.
pub fn endpoints_json(endpoints: &[Endpoint]) -> String {
    json(&Endpoints(endpoints))
}

/// The limits, without the line feed.
pub fn limits(limits: Limits) -> String {
    format!("add_addr_accepted {} subflows {} ", limits.add_addr_accepted, limits.subflows)
}

/// The limits as a JSON object, with the words of the text as keys.
pub fn limits_json(limits: Limits) -> String {
    format!(
        r#"{{"add_addr_accepted":{},"subflows":{}}}"#,
        limits.add_addr_accepted, limits.subflows
    )
}

/// One event, as `ip mptcp monitor` prints it.
pub fn event(event: &Event) -> String {
    let Some(name) = event.kind.name() else {
        return format!("[{}]", event.kind);
    };
    let mut text = format!("[{name:>16}]");
    fields(event, |key, value| {
        let _ = match (key, &value) {
            (Key::ServerSide, _) => Ok(()),
            (Key::ResetFlags, Value::Number(flags)) => write!(text, " reset_flags=0x{flags:x}"),
            (Key::Flags, Value::Number(flags)) => write!(text, " flags={flags:x}"),
            (Key::Local, Value::Address(local)) => write!(text, " saddr{}={local}", family(local)),
            (Key::Remote, Value::Address(peer)) => write!(text, " daddr{}={peer}", family(peer)),
            (_, Value::Number(number)) => write!(text, " {}={number}", key.text()),
            (_, Value::Address(address)) => write!(text, " {}={address}", key.text()),
            (_, Value::Token(token)) => write!(text, " {}={token:08x}", key.text()),
            (_, Value::Flag(flag)) => write!(text, " {}={}", key.text(), u8::from(*flag)),
        };
    });
    text
}

/// One event as a JSON object on one line. What is not known is left out.
pub fn event_json(told: &Told) -> String {
    json(&AsJson(told))
}

/// The line that stands for events which were lost.
pub const LOST_JSON: &str = r#"{"version":1,"event":"LOST"}"#;

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("keys are text and nothing fails")
}

fn family(address: &IpAddr) -> char {
    if address.is_ipv4() { '4' } else { '6' }
}

/// The parts of an event.
#[derive(Clone, Copy)]
enum Key {
    Token,
    RemoteId,
    LocalId,
    Local,
    Remote,
    LocalPort,
    RemotePort,
    Backup,
    Error,
    Flags,
    Timeout,
    Link,
    ResetReason,
    ResetFlags,
    ServerSide,
}

impl Key {
    /// The word of `ip mptcp monitor`.
    fn text(self) -> &'static str {
        match self {
            Key::Token => "token",
            Key::RemoteId => "remid",
            Key::LocalId => "locid",
            Key::Local => "saddr",
            Key::Remote => "daddr",
            Key::LocalPort => "sport",
            Key::RemotePort => "dport",
            Key::Backup => "backup",
            Key::Error => "error",
            Key::Flags => "flags",
            Key::Timeout => "timeout",
            Key::Link => "ifindex",
            Key::ResetReason => "reset_reason",
            Key::ResetFlags => "reset_flags",
            Key::ServerSide => "server_side",
        }
    }
}

enum Value {
    Number(u32),
    Token(u32),
    Flag(bool),
    Address(IpAddr),
}

/// Visits what the kernel said, in the order of `ip mptcp monitor`.
fn fields(event: &Event, mut visit: impl FnMut(Key, Value)) {
    let byte = |byte: Option<u8>| byte.map(|byte| Value::Number(byte.into()));
    let pair = |pair: Option<u16>| pair.map(|pair| Value::Number(pair.into()));
    let all = [
        (Key::Token, event.token.map(Value::Token)),
        (Key::RemoteId, byte(event.remote_id)),
        (Key::LocalId, byte(event.local_id)),
        (Key::Local, event.local.map(Value::Address)),
        (Key::Remote, event.remote.map(Value::Address)),
        (Key::LocalPort, pair(event.local_port)),
        (Key::RemotePort, pair(event.remote_port)),
        (Key::Backup, byte(event.backup)),
        (Key::Error, byte(event.error)),
        (Key::Flags, pair(event.flags)),
        (Key::Timeout, event.timeout.map(Value::Number)),
        (Key::Link, event.link.map(Value::Number)),
        (Key::ResetReason, event.reset_reason.map(Value::Number)),
        (Key::ResetFlags, event.reset_flags.map(Value::Number)),
        (Key::ServerSide, event.server_side.map(Value::Flag)),
    ];
    for (key, value) in all {
        if let Some(value) = value {
            visit(key, value);
        }
    }
}

struct AsJson<'a>(&'a Told);

impl Serialize for AsJson<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("version", &1)?;
        match self.0.event.kind {
            Kind::Other(number) => {
                map.serialize_entry("event", "UNKNOWN")?;
                map.serialize_entry("number", &number)?;
            }
            kind => map.serialize_entry("event", &kind.to_string())?,
        }
        let mut outcome = Ok(());
        fields(&self.0.event, |key, value| {
            let entry = match value {
                Value::Number(number) => map.serialize_entry(key.text(), &number),
                Value::Token(token) => map.serialize_entry(key.text(), &format!("{token:08x}")),
                Value::Flag(flag) => map.serialize_entry(key.text(), &flag),
                Value::Address(address) => map.serialize_entry(key.text(), &address),
            };
            if outcome.is_ok() {
                outcome = entry;
            }
        });
        outcome?;
        map.serialize_entry("time_ms", &self.0.time_ms)?;
        if let Some(dev) = &self.0.dev {
            map.serialize_entry("dev", dev.as_str())?;
        }
        if let Some(program) = &self.0.program {
            map.serialize_entry("program", program)?;
        }
        map.end()
    }
}

struct Endpoints<'a>(&'a [Endpoint]);

impl Serialize for Endpoints<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut list = to.serialize_seq(Some(self.0.len()))?;
        for endpoint in self.0 {
            list.serialize_element(&One(endpoint))?;
        }
        list.end()
    }
}

struct One<'a>(&'a Endpoint);

impl Serialize for One<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("address", &self.0.address)?;
        if let Some(port) = self.0.port {
            map.serialize_entry("port", &port)?;
        }
        map.serialize_entry("id", &self.0.id)?;
        let mut rest = self.0.flags;
        for (name, flag) in Flags::NAMES {
            if rest.has(flag) {
                map.serialize_entry(name, &true)?;
                rest = rest.without(flag);
            }
        }
        if rest != Flags::default() {
            map.serialize_entry("rawflags", &format!("{:02x}", rest.0))?;
        }
        if let Some(dev) = &self.0.dev {
            map.serialize_entry("dev", dev.as_str())?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(event: Event) -> Told {
        Told { event, time_ms: 7, dev: None, program: None }
    }

    #[test]
    fn an_event_reads_as_ip_mptcp_monitor_prints_it() {
        let mut closed = Event::new(Kind::SubflowClosed);
        closed.token = Some(0x0f3a_01c2);
        closed.remote_id = Some(1);
        closed.local_id = Some(2);
        closed.local = "10.0.0.1".parse().ok();
        closed.remote = "2001:db8::1".parse().ok();
        closed.remote_port = Some(443);
        closed.error = Some(104);
        closed.reset_flags = Some(0x12);
        closed.server_side = Some(true);
        assert_eq!(
            event(&closed),
            "[       SF_CLOSED] token=0f3a01c2 remid=1 locid=2 saddr4=10.0.0.1 daddr6=2001:db8::1 \
             dport=443 error=104 reset_flags=0x12"
        );
        assert_eq!(
            event_json(&told(closed)),
            r#"{"version":1,"event":"SF_CLOSED","token":"0f3a01c2","remid":1,"locid":2,"saddr":"10.0.0.1","daddr":"2001:db8::1","dport":443,"error":104,"reset_flags":18,"server_side":true,"time_ms":7}"#
        );
        let unknown = Event::new(Kind::Other(99));
        assert_eq!(event(&unknown), "[UNKNOWN 99]");
        assert_eq!(
            event_json(&told(unknown)),
            r#"{"version":1,"event":"UNKNOWN","number":99,"time_ms":7}"#
        );
    }

    #[test]
    fn flags_without_a_word_are_shown_as_ip_shows_them() {
        let odd = Endpoint {
            id: 7,
            address: "192.0.2.1".parse().expect("a literal address"),
            port: Some(8080),
            dev: mptcpize_model::net::IfName::new("wwan0").ok(),
            flags: Flags(0x81),
        };
        assert_eq!(endpoint(&odd), "192.0.2.1 port 8080 id 7 signal rawflags 80 dev wwan0 ");
        assert_eq!(
            endpoints_json(std::slice::from_ref(&odd)),
            r#"[{"address":"192.0.2.1","port":8080,"id":7,"signal":true,"rawflags":"80","dev":"wwan0"}]"#
        );
        assert_eq!(endpoints_json(&[]), "[]");
    }
}
