//! `status`, `top`, `metrics` and `check` of a host whose connections go through relays, as its agents'
//! answers have it; and agents that mean them no good.
//!
//! Not here: real agents, which the room `relays` has.

use std::collections::BTreeMap;
use std::fs;

use mptcpize_model::relay::agent::Fallback;
use mptcpize_model::relay::status::{Agent, Amounts, Connection, Relay, Relays, VERSION, Via};
use serde_json::Value;

use crate::gateway::RELAY;
use crate::support::check::Checked;
use crate::support::mounts::private;
use crate::support::uplinks::{SERVER_V4, Uplinks};
use crate::support::{Cmd, Netns, Outcome, scratch};

/// Where the agent of root for the whole host answers.
const HOST: &str = "/run/mptcpize/relay/host";

fn relay(name: &str, fault: &str, mptcp: bool) -> Relay {
    Relay {
        name: name.parse().expect("a name"),
        address: format!("{name}.example:8686"),
        rtt_us: Some(18_000),
        fault: fault.into(),
        mptcp: Some(mptcp),
        amounts: Amounts {
            open: 3,
            carried: 40,
            mptcp: 40,
            up_bytes: 1_000_000,
            down_bytes: 2_000_000,
        },
    }
}

/// An agent with a relay that is used and one that is away; and a connection of each way.
fn agent() -> Agent {
    let connection = |port: u16, via: Via| Connection {
        from: ([127, 0, 0, 1], port).into(),
        to: format!("203.0.113.80:{port}"),
        via,
        open_ms: 120_000,
        up_bytes: 1_000,
        down_bytes: u64::from(port) * 1_000_000,
    };
    let home = "home".parse().expect("a name");
    let direct = Amounts { carried: 5, down_bytes: 7, ..Amounts::default() };
    Agent {
        version: VERSION,
        pid: 4711,
        netns: 0,
        running_ms: 7_200_000,
        relays: Relays {
            relays: vec![relay("home", "", true), relay("spare", "no answer in 2 s", true)],
            chosen: Some(home),
            fallback: Fallback::Direct,
            multipath: Amounts::default(),
            direct,
            connections: vec![
                connection(443, Via::Relay("home".parse().expect("a name"))),
                connection(80, Via::Multipath),
                connection(25, Via::Direct),
            ],
            refused: BTreeMap::from([("no_relay".to_owned(), 2)]),
        },
    }
}

/// A script on a host where each of these directories has an agent that answers so.
fn host(agents: &[(&str, &str, &Agent)], net: &Netns, script: &str) -> Outcome {
    let home = scratch("agents");
    let program = home.join("agent.py");
    fs::write(&program, RELAY).expect("a scratch file");
    let mut start =
        String::from("cover /run\nmkdir -m 755 /run/mptcpize /run/mptcpize/relay\npids=\n");
    for (place, (directory, answer, agent)) in agents.iter().enumerate() {
        let text = home.join(format!("{place}.json"));
        fs::write(&text, serde_json::to_string(agent).expect("plain data"))
            .expect("a scratch file");
        start.push_str(&format!(
            "mkdir -m 755 {directory}
             exec 3< <(exec python3 {} {directory}/state {answer} {})
             pids=\"$pids $!\"
             read -r <&3\n",
            program.display(),
            text.display()
        ));
    }
    private(&format!("{start}trap 'kill $pids || true' EXIT\n{script}")).within(net).run()
}

fn status(agents: &[(&str, &str, &Agent)]) -> Value {
    let said = host(agents, &Netns::new(), "/mnt/mptcpize status -j || test $? = 3").ok().stdout;
    serde_json::from_str(&said).unwrap_or_else(|why| panic!("{why}: {said}"))
}

#[test]
fn each_connection_is_told_with_the_way_it_goes() {
    let one = agent();
    let agents = [(HOST, "state", &one), ("/run/mptcpize/relay/run-77", "state", &one)];
    let shown = status(&agents);
    let all = shown["relays"].as_array().unwrap_or_else(|| panic!("{shown}"));
    let names: Vec<_> = all.iter().map(|it| it["agent"].as_str().unwrap_or_default()).collect();
    assert_eq!(names, ["host", "run-77"]);
    assert_eq!((&all[0]["chosen"], &all[0]["fallback_in_force"]), (&"home".into(), &false.into()));
    assert_eq!(all[0]["connections"][0]["via"]["relay"], "home");
    let net = Netns::new();
    let screen = host(&agents, &net, "/mnt/mptcpize status || test $? = 3").ok().stdout;
    for part in [
        "\nhome ",
        "  used, MPTCP\n",
        "  no answer in 2 s\n",
        "\nno relay, TCP ",
        "\nrelay home  203.0.113.80:443 ",
        "\nMPTCP       203.0.113.80:80 ",
        "\nTCP         203.0.113.80:25 ",
        "\nrelays      host: new connections go through home (process 4711, for 2 h)\n",
        "\n            not carried: 2 (no_relay)\n",
    ] {
        assert!(screen.contains(part), "{part:?}: {screen}");
    }
    let frame = host(&agents, &net, "/mnt/mptcpize top --once || test $? = 3").ok().stdout;
    for part in ["\n home (host) ", "\n spare (run-77) ", "> 203.0.113.80:443"] {
        assert!(frame.contains(part), "{part:?}: {frame}");
    }
}

#[test]
fn metrics_take_all_programs_together() {
    let one = agent();
    let places = [HOST, "/run/mptcpize/relay/run-77", "/run/mptcpize/relay/run-78"];
    let agents = places.map(|place| (place, "state", &one));
    let net = Netns::new();
    let text = host(&agents, &net, "/mnt/mptcpize metrics --form prometheus").ok().stdout;
    Cmd::line("promtool check metrics").input(text.as_str()).run().silent();
    for sample in [
        "mptcpize_relay_usable{agent=\"host\",relay=\"home\"} 1",
        "mptcpize_relay_usable{agent=\"run\",relay=\"spare\"} 0",
        "mptcpize_relay_chosen{agent=\"run\",relay=\"home\"} 1",
        "mptcpize_relay_connections{agent=\"run\",relay=\"home\"} 6",
        "mptcpize_relay_down_bytes_total{agent=\"host\",relay=\"home\"} 2000000",
        "mptcpize_relay_handshake_seconds{agent=\"host\",relay=\"home\"} 0.018",
        "mptcpize_relay_fallback{agent=\"run\"} 0",
        "mptcpize_relay_direct_carried_connections_total{agent=\"host\",kind=\"tcp\"} 5",
        "mptcpize_relay_refused_connections_total{agent=\"run\",reason=\"no_relay\"} 4",
    ] {
        assert!(text.lines().any(|line| line == sample), "{sample}: {text}");
    }
    assert!(!text.contains("run-77"), "{text}");
}

#[test]
fn a_fallback_in_force_wants_attention_once_every_relay_is_known_to_be_away() {
    let mut away = agent();
    away.relays.chosen = None;
    away.relays.relays[0].fault = "connection refused".into();
    let shown = status(&[(HOST, "state", &away)]);
    assert_eq!(shown["relays"][0]["fallback_in_force"], true);
    assert_eq!(shown["attention"], true);
    let what = shown["findings"].to_string();
    assert!(what.contains("new connections go directly (this host)"), "{what}");
    assert!(what.contains("mptcpize relay test"), "{what}");
    away.relays.fallback = Fallback::Refuse;
    let what = status(&[(HOST, "state", &away)])["findings"].to_string();
    assert!(what.contains("new connections are refused (this host)"), "{what}");
}

#[test]
fn an_agent_that_does_not_answer_as_it_should_holds_up_nothing() {
    let one = agent();
    for (answer, why) in [
        ("silent", "it does not answer in a second"),
        ("endless", "too long"),
        ("odd", "its answer is not understood"),
    ] {
        let shown = status(&[(HOST, answer, &one), ("/run/mptcpize/relay/run-77", "state", &one)]);
        let said = shown["relays"][0]["why"].as_str().unwrap_or_default();
        assert!(said.contains(why), "{answer}: {shown}");
        assert!(!said.contains('\x1b'), "{said}");
        assert_eq!(shown["attention"], true, "{answer}");
    }
    let hidden = status(&[(HOST, "empty", &one)]);
    assert_eq!(hidden["relays"][0]["hidden"], true, "{hidden}");
    let dead = "kill $pids; wait $pids || true; /mnt/mptcpize status || test $? = 3";
    let screen = host(&[(HOST, "state", &one)], &Netns::new(), dead).ok().stdout;
    assert!(screen.contains("host: nobody listens at its socket"), "{screen}");
}

/// An attacker makes a directory, or answers in the name of another namespace.
#[test]
fn agents_of_other_namespaces_and_those_that_others_made_are_not_shown() {
    let elsewhere = Agent { netns: 1, ..agent() };
    assert_eq!(status(&[(HOST, "state", &elsewhere)])["relays"], Value::Null);
    let one = agent();
    let agents = [(HOST, "state", &one)];
    for damage in [
        format!("chown 65534 {HOST}"),
        format!("chmod 777 {HOST}"),
        "chown 65534 /run/mptcpize/relay".to_owned(),
        format!("mv {HOST} /run/other; ln -s /run/other {HOST}"),
    ] {
        let script = format!("{damage}\n/mnt/mptcpize metrics");
        let text = host(&agents, &Netns::new(), &script).ok().stdout;
        assert!(!text.contains("mptcpize_relay_"), "{damage}: {text}");
    }
}

#[test]
fn a_user_sees_its_own_agents_and_that_those_of_root_are_not_for_it() {
    let one = agent();
    let script = "
        mkdir -m 700 /run/user-her
        mkdir -m 755 -p /run/user-her/mptcpize/relay
        mv /run/mptcpize/relay/run-77 /run/user-her/mptcpize/relay/
        chown -R 65534 /run/user-her
        nobody env XDG_RUNTIME_DIR=/run/user-her /mnt/mptcpize status || test $? = 3";
    let agents = [(HOST, "state", &one), ("/run/mptcpize/relay/run-77", "state", &one)];
    let screen = host(&agents, &Netns::new(), script).ok().stdout;
    assert!(screen.contains("\nrelays      host: only root may ask\n"), "{screen}");
    assert!(screen.contains("run-77: new connections go through home"), "{screen}");
}

#[test]
fn check_names_the_relays_faults_and_which_way_a_host_is_gone_to() {
    let lab = Uplinks::two_subnets("15mbit");
    let _server = lab.serve();
    let mut one = agent();
    one.relays.relays[0].mptcp = Some(false);
    let check = |script: &str, agent: &Agent| -> Checked {
        let agents = [(HOST, "state", agent)];
        let script =
            format!("{script}\n/mnt/mptcpize check --json {SERVER_V4}:8080 || test $? = 3");
        let said = host(&agents, &lab.client.net, &script).ok().stdout;
        Checked(serde_json::from_str(&said).unwrap_or_else(|why| panic!("{why}: {said}")))
    };
    let way = |checked: &Checked| {
        let all = checked.0["findings"].as_array().expect("a list");
        let found = all.iter().find(|it| it["code"] == "peer.way");
        found.and_then(|it| it["title"].as_str()).unwrap_or_default().to_owned()
    };
    let checked = check("", &one);
    let codes = checked.codes();
    assert!(codes.contains("relays.fault") && codes.contains("relays.no_mptcp"), "{codes:?}");
    assert_eq!(way(&checked), format!("connections to {SERVER_V4} go through the relay home"));
    let settings = |text: &str| {
        format!(
            "cp -r /etc /mnt/etc; mount --bind /mnt/etc /etc; printf '[relay]\\n{text}\\n' > /etc/mptcpize.toml"
        )
    };
    let never = check(&settings("never = [\"10.99.0.0/16\"]"), &one);
    assert!(way(&never).contains("go directly: 10.99.0.0/16 is among"), "{}", way(&never));
    let policy = check(&settings("policy = \"without-mptcp\""), &one);
    assert!(way(&policy).contains("go directly, over MPTCP"), "{}", way(&policy));
    one.relays.chosen = None;
    one.relays.relays[0].fault = "connection refused".into();
    one.relays.fallback = Fallback::Refuse;
    let away = check("", &one);
    assert!(away.codes().contains("relays.fallback"), "{:?}", away.codes());
    assert!(way(&away).contains("are refused: no relay answers"), "{}", way(&away));
}
