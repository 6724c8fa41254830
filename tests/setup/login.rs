//! `mptcpize run` by a user who came over the network: the host is not changed unasked, by whatever sign
//! that is seen; and by the setting that says what holds always.

use std::path::PathBuf;

use crate::support::uplinks::{Uplinks, assert_same};
use crate::support::{Cmd, Outcome, scratch, tool};

const LATER: &str = "mptcpize: w1 and w2 are not set up, for this is a log-in over the network: sudo \
                     mptcpize setup --confirm 60    # or run --setup\n";

/// A shell by the name of a server of log-ins, which runs COMMAND as a child.
fn server(name: &str) -> PathBuf {
    scratch::copy("/bin/sh".as_ref(), &scratch::scratch("server").join(name), 0o755)
}

/// `mptcpize run ARGUMENTS true` of a host, below a server of log-ins.
fn below(lab: &Uplinks, name: &str, arguments: &str) -> Cmd {
    let script = format!("{} run {arguments} true; exit $?", tool::binary().display());
    lab.client.command(server(name)).args(["-c", &script])
}

/// What a user sees who answers at a terminal. It does not echo, for what is typed could be shown within
/// any line.
fn answers(lab: &Uplinks, answer: &str) -> Outcome {
    let run = format!("stty -echo; {} run echo done", tool::binary().display());
    let at = lab.client.command("script").args(["-qec", &run, "/dev/null"]);
    at.env("SSH_CONNECTION", "192.0.2.1 40000 192.0.2.2 22").input(answer).run().ok()
}

#[test]
fn without_a_terminal_the_host_is_left_alone_and_one_line_says_so_once() {
    let lab = Uplinks::two_subnets("15mbit");
    let before = lab.client.state();
    for said in [LATER, ""] {
        let run = lab.client.tool("run true").env("SSH_CONNECTION", "192.0.2.1 40000 192.0.2.2 22");
        run.run().says(0, said);
    }
    assert_same(&before, &lab.client.state(), "run over ssh");
    assert_eq!(lab.client.journal(), None);
    // What it noted, an undo takes back: then it says so again.
    lab.client.setup("undo");
    let run = lab.client.tool("run true").env("SSH_CONNECTION", "192.0.2.1 40000 192.0.2.2 22");
    run.run().says(0, LATER);
    let asked = lab.client.tool("run --setup true").env("SSH_TTY", "/dev/pts/0").run().ok();
    assert!(asked.stderr.starts_with("mptcpize: set up w1 and w2 with "), "{asked}");
    assert_eq!(asked.stderr.lines().count(), 1, "who asked knows how not to: {asked}");
}

#[test]
fn what_is_noted_of_it_is_trusted_whatever_the_umask() {
    let lab = Uplinks::two_subnets("15mbit");
    let script = format!("umask 0; {} run true", tool::binary().display());
    let run = lab.client.command("sh").args(["-c", &script]).env("SSH_CONNECTION", "a 1 b 22");
    run.run().says(0, LATER);
    assert!(lab.client.setup("").contains("set up w1 and w2 with "));
}

#[test]
fn a_relay_that_is_not_there_changes_nothing() {
    let lab = Uplinks::two_subnets("15mbit");
    let before = lab.client.state();
    let run = lab.client.tool("run --setup --relay nosuch true").run();
    assert_eq!(run.code(), 5, "{run}");
    assert_same(&before, &lab.client.state(), "run --relay nosuch");
}

#[test]
fn a_server_of_log_ins_above_counts_where_the_variables_are_lost() {
    for name in ["sshd", "sshd-session", "dropbear"] {
        let lab = Uplinks::two_subnets("15mbit");
        let before = lab.client.state();
        // As sudo(8) leaves it.
        let run = below(&lab, name, "").env("SUDO_USER", "anna").env("LOGNAME", "root");
        run.run().says(0, LATER);
        assert_same(&before, &lab.client.state(), name);
    }
    let lab = Uplinks::two_subnets("15mbit");
    for (name, user) in [("sshd-agent", Some("root")), ("sshd", None)] {
        // Another program; and what no user has started, as a service.
        let run = below(&lab, name, "");
        let run = if let Some(user) = user { run.env("LOGNAME", user) } else { run };
        let said = run.run().ok().stderr;
        assert!(said.starts_with("mptcpize: set up w1 and w2 with "), "{name}: {said}");
        lab.client.setup("undo");
    }
}

#[test]
fn at_a_terminal_a_user_is_asked_and_only_a_yes_changes_the_host() {
    let question = "mptcpize: you are logged in over the network. Set up w1 and w2 with ";
    for answer in ["n\n", "\n", "what?\n", ""] {
        let lab = Uplinks::two_subnets("15mbit");
        let before = lab.client.state();
        let said = answers(&lab, answer);
        assert!(said.stdout.contains(question), "{answer:?}: {said}");
        assert!(
            said.stdout
                .contains("mptcpize: not set up; in a way that undoes itself: sudo mptcpize")
        );
        // The program runs all the same.
        assert!(said.stdout.contains("done\r\n"), "{answer:?}: {said}");
        assert_same(&before, &lab.client.state(), "the answer was no");
        // Who has said no is not asked again.
        let again = answers(&lab, "y\n").stdout;
        assert!(!again.contains(question) && again.contains("done\r\n"), "{again}");
        assert_same(&before, &lab.client.state(), "nobody was asked");
    }
    let lab = Uplinks::two_subnets("15mbit");
    let said = answers(&lab, "y\n");
    assert!(said.stdout.contains("? [y/N] "), "{said}");
    assert!(said.stdout.contains("mptcpize: set up w1 and w2 with "), "{said}");
    assert!(said.stdout.contains("done\r\n"), "{said}");
    assert!(lab.client.journal().is_some());
}

#[test]
fn the_answer_takes_nothing_of_what_the_program_reads() {
    let lab = Uplinks::two_subnets("15mbit");
    let run = format!("stty -echo; {} run cat", tool::binary().display());
    let at = lab.client.command("script").args(["-qec", &run, "/dev/null"]);
    let at = at.env("SSH_TTY", "/dev/pts/0").input("y\nfor cat\nand more\n\u{4}");
    let said = at.run().ok();
    assert!(said.stdout.contains("? [y/N] "), "{said}");
    assert!(said.stdout.contains("mptcpize: set up w1 and w2"), "{said}");
    assert!(said.stdout.ends_with("for cat\r\nand more\r\n"), "{said}");
}

#[test]
fn a_setting_says_never_or_always() {
    for (setting, remote, set_up) in
        [("false", false, false), ("false", true, false), ("true", true, true)]
    {
        let mut lab = Uplinks::two_subnets("15mbit");
        lab.client.mounting(&format!(
            "mkdir -p /run/etc; cp -a /etc/. /run/etc; mount --bind /run/etc /etc; \
             echo 'run_setup = {setting}' >/etc/mptcpize.toml"
        ));
        let before = lab.client.state();
        let run = lab.client.tool("run true");
        let run = if remote { run.env("SSH_CONNECTION", "a 1 b 2") } else { run };
        let said = run.run().ok().stderr;
        assert_eq!(said.lines().count(), usize::from(set_up), "{setting}: {said}");
        if !set_up {
            assert_same(&before, &lab.client.state(), setting);
        }
        assert_eq!(lab.client.journal().is_some(), set_up, "{setting}: {said}");
    }
}
