//! The daemon's decisions among the lines of `monitor`: as `ip mptcp monitor` would write them, as
//! sentences, and as JSON.

use serde::Serialize;

use mptcpize_model::daemon::{Code, Told};

/// A decision or what is said of some, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A decision.
    Decided(&'a Told),
    /// So many that were not seen.
    Missed(u64),
    /// There is no daemon any more.
    Ended,
}

/// The object of `monitor -j`.
#[derive(Serialize)]
struct Object<'a> {
    version: u32,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<Code>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missed: Option<u64>,
    text: &'a str,
    time_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dev: Option<&'a str>,
}

impl Line<'_> {
    /// In the form of `ip mptcp monitor`, which has no word for it.
    pub fn plain(self) -> String {
        let kind = match self {
            Line::Decided(told) => format!(" kind={}", told.code.word()),
            Line::Missed(_) | Line::Ended => String::new(),
        };
        format!("[{:>16}]{kind} {}", "DAEMON", self.text())
    }

    /// As a sentence, in the columns of events: `12:04:29  wwan0     daemon                …`.
    pub fn sentence(self, clock: &str) -> String {
        let dev = self.dev().unwrap_or("–");
        format!("{clock}  {dev:<8}  {:<20}  {}", "daemon", self.text())
    }

    /// As an object on one line.
    pub fn json(self, time_ms: u64) -> String {
        let (kind, number, missed) = match self {
            Line::Decided(told) => (Some(told.code), Some(told.number), None),
            Line::Missed(count) => (None, None, Some(count)),
            Line::Ended => (None, None, None),
        };
        let (text, dev) = (&self.text(), self.dev());
        let object =
            Object { version: 1, event: "DAEMON", kind, number, missed, text, time_ms, dev };
        serde_json::to_string(&object).expect("keys are text and nothing fails")
    }

    fn text(&self) -> String {
        match self {
            Line::Decided(told) => told.text.clone(),
            Line::Missed(1) => "1 more decision, which was not seen in time".to_owned(),
            Line::Missed(count) => {
                format!("{count} more decisions, which were not seen in time")
            }
            Line::Ended => "the daemon has ended".to_owned(),
        }
    }

    fn dev(&self) -> Option<&str> {
        match self {
            Line::Decided(told) => told.link.as_ref().map(|link| link.as_str()),
            Line::Missed(_) | Line::Ended => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mptcpize_model::daemon::Millis;
    use mptcpize_model::net::IfName;

    #[test]
    fn a_decision_stands_among_events_in_each_of_the_three_forms() {
        let told = Told {
            number: 7,
            at: Millis(0),
            code: Code::LinkGone,
            link: IfName::new("w2").ok(),
            text: "w2 is no path any more: it is down".into(),
        };
        let line = Line::Decided(&told);
        assert_eq!(
            line.plain(),
            "[          DAEMON] kind=link_gone w2 is no path any more: it is down"
        );
        assert_eq!(
            line.sentence("12:04:29"),
            "12:04:29  w2        daemon                w2 is no path any more: it is down"
        );
        assert_eq!(
            line.json(9),
            r#"{"version":1,"event":"DAEMON","kind":"link_gone","number":7,"text":"w2 is no path any more: it is down","time_ms":9,"dev":"w2"}"#
        );
        assert_eq!(
            Line::Missed(2).json(9),
            r#"{"version":1,"event":"DAEMON","missed":2,"text":"2 more decisions, which were not seen in time","time_ms":9}"#
        );
        assert_eq!(Line::Ended.plain(), "[          DAEMON] the daemon has ended");
    }
}
