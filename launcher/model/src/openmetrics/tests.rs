//! Both forms of the text, from a host that is data.

use super::*;
use crate::daemon::{Code, Millis, Status};
use crate::status::report;

fn written(form: Form) -> String {
    let seen = Seen::default();
    let report = report(&seen, 0);
    let link = IfName::new("w1").expect("a name");
    let subflows = BTreeMap::from([(link, Bytes { received: 7, sent: 1 << 40 })]);
    let counters = Counters(vec![("MPJoinSynTx".into(), 3), ("MPCurrEstab".into(), 2)]);
    let decisions = BTreeMap::from([(Code::Healed, 4)]);
    let daemon = Status { since: Millis(1_000), healed: Some(9), decisions, ..Status::default() };
    let measured = Measured {
        version: "1.0 \"\\\n",
        kernel: "6.18\u{1b}[2J",
        report: &report,
        subflows: &subflows,
        links: &BTreeMap::new(),
        counters: &counters,
        daemon: Some(&daemon),
        now: Millis(61_000),
        unix_s: 1_800_000_000.4,
    };
    text(&measured, form)
}

#[test]
fn both_forms_have_the_same_samples_and_differ_in_the_names_of_families() {
    let samples = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    };
    let (open, older) = (written(Form::OpenMetrics), written(Form::Prometheus));
    assert_eq!(samples(&open), samples(&older));
    for (name, text) in
        [("mptcpize_kernel_events", &open), ("mptcpize_kernel_events_total", &older)]
    {
        assert!(text.contains(&format!("# TYPE {name} counter\n")), "{text}");
        assert!(text.ends_with("\n# EOF\n"), "{text}");
    }
    assert!(open.contains("# TYPE mptcpize_build info\n"), "{open}");
    assert!(older.contains("# TYPE mptcpize_build_info gauge\n"), "{older}");
    let unit = "# UNIT mptcpize_open_subflows_sent_bytes bytes\n";
    assert!(open.contains(unit) && !older.contains("UNIT"), "{open}");
}

#[test]
fn samples_say_what_was_measured() {
    let text = written(Form::OpenMetrics);
    for line in [
        "mptcpize_kernel_events_total{event=\"MPJoinSynTx\"} 3",
        "mptcpize_open_subflows_sent_bytes{link=\"w1\"} 1099511627776",
        "mptcpize_daemon_decisions_total{kind=\"healed\"} 4",
        "mptcpize_daemon_decisions_total{kind=\"held\"} 0",
        "mptcpize_daemon_healed_subflows_total 9",
        "mptcpize_daemon_start_time_seconds 1799999940",
    ] {
        assert!(text.lines().any(|other| other == line), "{line}: {text}");
    }
    assert!(!text.contains("MPCurrEstab"), "a gauge among counters: {text}");
}

/// Serde names all kinds where it is given none of them.
#[test]
fn every_kind_of_decision_is_among_those_that_are_counted_from_zero() {
    let error = serde_json::from_str::<Code>("\"?\"").expect_err("that is no kind").to_string();
    let words: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
    let all: Vec<&str> = Code::ALL.iter().map(|code| code.word()).collect();
    assert_eq!(words, all, "{error}");
}

#[test]
fn no_value_of_a_label_ends_it_or_is_obeyed_by_a_terminal() {
    let text = written(Form::OpenMetrics);
    let line =
        "mptcpize_build_info{version=\"1.0 \\\"\\\\\\\\u000a\",kernel=\"6.18\\\\u001b[2J\"} 1";
    assert!(text.lines().any(|other| other == line), "{line}\n{text}");
}
