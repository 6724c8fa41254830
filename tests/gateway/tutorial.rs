//! mptcpize-tutorial(7): each of its commands, taken from the text of the page and typed in a network
//! such as it speaks of, with sudo as root and without it as an ordinary user. Where it says that a
//! program uses several links the bytes on them say so too.
//!
//! What wants a booted host (services, units) only has to be a command line that there is; what such lines
//! do is the room `services`.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use mptcpize::cli;
use mptcpize::output::man::tutorial::situations;

use super::lan::{Gateway, Lan, used_all, used_only};
use crate::support::tunnel::{self, Style};
use crate::support::uplinks::{SERVER_V4, Station, Uplinks, assert_same};
use crate::support::{Cmd, Launch, Outcome, Running, scratch, serve, tool};

/// What the page calls things, and what they are here.
const NAMES: [(&str, &str); 2] = [("wlan0", "w1"), ("wwan0", "w2")];

/// What is downloaded: more than two seconds over one link, so that the others are there in time.
const BYTES: usize = 6_000_000;

/// The commands of one situation, in their order.
struct Page(VecDeque<String>);

impl Page {
    #[track_caller]
    fn of(heading: &str) -> Self {
        let found = situations().into_iter().find(|one| one.heading == heading);
        let found = found.unwrap_or_else(|| panic!("the tutorial has no situation {heading:?}"));
        let here = |line: &str| {
            NAMES.iter().fold(line.to_owned(), |line, (name, own)| line.replace(name, own))
        };
        Page(found.commands().map(here).collect())
    }

    /// The next one, which has these words.
    #[track_caller]
    fn next(&mut self, words: &str) -> String {
        let line = self.0.pop_front().unwrap_or_else(|| panic!("{words:?} is not on the page"));
        assert!(line.contains(words), "the page has {line:?}, where the test has {words:?}");
        line
    }

    /// The next one is for a booted host: there is such a command line.
    #[track_caller]
    fn is_there(&mut self, words: &str) {
        let line = self.next(words);
        let line = line.strip_prefix("sudo ").unwrap_or(&line);
        if line.starts_with("systemctl ") {
            assert!(line.ends_with(" mptcpized"), "{line}: the package has no such unit");
            return;
        }
        let words = line.split_whitespace().map(Into::into).collect();
        cli::parse(words).unwrap_or_else(|error| panic!("{line}: {error}"));
    }

    /// Nothing is left.
    #[track_caller]
    fn ends(self) {
        assert!(self.0.is_empty(), "the test passes over {:?}", self.0);
    }
}

/// A place to type at: a host, and a directory of its user.
struct Shell<'a> {
    host: &'a Station,
    home: PathBuf,
}

impl<'a> Shell<'a> {
    fn at(host: &'a Station) -> Self {
        Shell { host, home: scratch::of_nobody(scratch("home")) }
    }

    fn command(&self, line: &str) -> Cmd {
        let root = line.strip_prefix("sudo ");
        let user: &[&str] = match root {
            Some(_) => &[],
            None => &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"],
        };
        let script = "cd \"$HOME\"; export PATH=\"$1:$PATH\"; line=$2; shift 2; exec \"$@\" sh -euc \"$line\"";
        // Beside root's own lies the relay, which a gateway wants.
        let binary = if root.is_some() { tool::binary() } else { tool::public_binary() };
        let programs = binary.parent().expect("it lies in a directory");
        let shell = self.host.command("sh").args(["-euc", script, "sh"]).arg(programs);
        shell.arg(root.unwrap_or(line)).args(user).env("HOME", &self.home)
    }

    fn types(&self, line: &str) -> Outcome {
        self.command(line).run()
    }

    /// Types a line that downloads; the bytes that each link carried meanwhile.
    #[track_caller]
    fn downloads(&self, line: &str, served: &Web, lab: &Uplinks) -> (Vec<u64>, Outcome) {
        let before = lab.counters();
        let done = self.types(line).ok();
        served.came_to(&self.home.join("file"), &done);
        let carried = lab.counters().into_iter().zip(before).map(|(now, before)| now - before);
        (carried.collect(), done)
    }
}

/// The server of the page.
struct Web {
    content: Vec<u8>,
    _running: Running,
}

impl Web {
    /// nginx that speaks MPTCP, at the port of HTTP.
    fn at(lab: &Uplinks) -> Self {
        let (directory, content) = serve::content(BYTES);
        Web { content, _running: serve::nginx(&lab.server.net, Launch::Tool, &directory, 80) }
    }

    /// Every byte is in the file, which is taken away for the next.
    #[track_caller]
    fn came_to(&self, file: &Path, done: &Outcome) {
        assert!(fs::read(file).expect("it was made") == self.content, "other bytes came: {done}");
        fs::remove_file(file).expect("it was there");
    }
}

/// Lets a host know the server by the name that the page has.
fn knows(host: &mut Station) {
    let hosts = format!("127.0.0.1 localhost\n{SERVER_V4} www.example.org\n");
    let file = scratch::file(&scratch("hosts").join("hosts"), hosts, 0o644);
    host.mounting(&format!(
        "mount --bind {} /etc/hosts; mount -t tmpfs -o mode=755 tmpfs /var/lib",
        file.display()
    ));
}

fn laptop() -> (Uplinks, Web) {
    let mut lab = Uplinks::two_subnets("20mbit");
    knows(&mut lab.client);
    let web = Web::at(&lab);
    (lab, web)
}

#[test]
fn the_laptop_of_the_tutorial_uses_both_links_and_then_one_as_a_backup() {
    let (lab, web) = laptop();
    let shell = Shell::at(&lab.client);
    let mut page = Page::of("A laptop with Wi-Fi and LTE");
    assert_eq!(shell.types(&page.next("check")).code(), 3, "it is not set up yet");
    let would = shell.types(&page.next("setup --dry-run")).ok();
    assert!(would.stdout.contains("nothing was changed"), "{would}");
    shell.types(&page.next("sudo mptcpize setup")).ok();
    let checked = shell.types(&page.next("check www.example.org:80"));
    assert_eq!(checked.code(), 0, "{checked}");
    assert!(checked.stdout.contains("speaks MPTCP"), "{checked}");
    let (carried, _) = shell.downloads(&page.next("run curl"), &web, &lab);
    used_all(&carried);
    let shown = shell.types(&page.next("status")).ok();
    assert!(shown.stdout.contains("2 paths"), "{shown}");
    shell.types(&page.next("--backup w2")).ok();
    let (carried, _) = shell.downloads(&page.next("run curl"), &web, &lab);
    used_only(&carried, 1);
    page.is_there("systemctl enable --now");
    page.ends();
}

#[test]
fn the_router_of_the_tutorial_uses_all_dongles_for_itself_and_for_its_lan() {
    let mut lan = Lan::three_dongles();
    knows(&mut lan.lab.client);
    let web = Web::at(&lan.lab);
    let shell = Shell::at(lan.router());
    let mut page = Page::of("A router with three dongles in one subnet");
    shell.types(&page.next("sudo mptcpize setup")).ok();
    let shown = shell.types(&page.next("status"));
    assert!(shown.stdout.contains("3 paths"), "{shown}");
    let (carried, _) = shell.downloads(&page.next("run curl"), &web, &lan.lab);
    used_all(&carried);
    let would = shell.types(&page.next("--lan br0 --dry-run")).ok();
    assert!(would.stdout.contains("nothing was changed"), "{would}");
    let line = page.next("sudo mptcpize gateway --lan br0");
    let options = line.strip_prefix("sudo mptcpize gateway ").expect("it was looked at");
    let gateway = Gateway::start(lan.router(), options);
    gateway.says("TCP of br0 goes over ");
    // A device has nothing of all this, not even the tool.
    let hosts = scratch::file(
        &scratch("hosts").join("hosts"),
        format!("{SERVER_V4} www.example.org\n"),
        0o644,
    );
    let home = scratch("device");
    let script = "mount --bind \"$1\" /etc/hosts; cd \"$2\"; exec sh -euc \"$3\"";
    let device = Cmd::line("unshare --mount --propagation private sh -euc").args([script, "sh"]);
    let device = device.arg(hosts).arg(&home).arg(page.next("curl")).within(&lan.phone);
    let before = lan.lab.counters();
    let done = device.run().ok();
    web.came_to(&home.join("file"), &done);
    let carried = lan.lab.counters().into_iter().zip(before).map(|(now, before)| now - before);
    used_all(&carried.collect::<Vec<u64>>());
    gateway.end();
    page.is_there("--enable");
    page.is_there("--disable");
    page.ends();
}

#[test]
fn the_server_of_the_tutorial_is_joined_over_each_path_of_its_client() {
    let mut lab = Uplinks::two_subnets("20mbit");
    knows(&mut lab.client);
    lab.client.setup("");
    let mut page = Page::of("A server");
    let there = Shell::at(&lab.server);
    there.types(&page.next("sudo mptcpize setup --role server")).ok();
    let (directory, content) = serve::content(BYTES);
    fs::copy(directory.join("file"), there.home.join("file")).expect("both are ours");
    let server = there.command(&page.next("python3 -m http.server 8000"));
    let running = serve::listening(&lab.server.net, server.quiet(), 8000);
    let web = Web { content, _running: running };
    let shell = Shell::at(&lab.client);
    let checked = shell.types(&page.next("check www.example.org:8000"));
    assert_eq!(checked.code(), 0, "{checked}");
    let (carried, _) = shell.downloads(&page.next("run curl"), &web, &lab);
    used_all(&carried);
    for line in ["enable --now nginx", "list", "disable --now nginx"] {
        page.is_there(line);
    }
    page.ends();
}

#[test]
fn the_vpn_of_the_tutorial_is_named_and_left_alone_unless_it_is_said_otherwise() {
    let lab = tunnel::host();
    let _vpn = tunnel::connect(&lab, Style::WgQuick);
    let shell = Shell::at(&lab.client);
    let mut page = Page::of("A VPN");
    let before = lab.client.state();
    let checked = shell.types(&page.next("check"));
    assert!(checked.stdout.contains("tun0"), "{checked}");
    let looked = shell.types(&page.next("setup --dry-run")).ok();
    assert!(
        looked.stdout.contains("Nothing to change") && looked.stdout.contains("tun0"),
        "{looked}"
    );
    assert_same(&before, &lab.client.state(), "a look");
    let done = shell.types(&page.next("setup --beside-vpn")).ok();
    assert!(done.stdout.contains("beside tun0"), "{done}");
    let shown = shell.types(&page.next("status")).ok();
    let uses =
        |link| shown.stdout.lines().any(|line| line.starts_with(link) && line.contains(" subflow"));
    assert!(uses("w1 ") && uses("w2 "), "{shown}");
    page.ends();
}

#[test]
fn why_only_one_link_is_answered_and_mended_as_the_tutorial_says() {
    let (lab, web) = laptop();
    let shell = Shell::at(&lab.client);
    let mut page = Page::of("Why only one link?");
    let checked = shell.types(&page.next("check"));
    assert!(checked.stdout.contains("fix  sudo mptcpize setup\n"), "{checked}");
    let checked = shell.types(&page.next("check www.example.org:80"));
    assert!(checked.stdout.contains("speaks MPTCP"), "{checked}");
    let (carried, done) = shell.downloads(&page.next("run -d curl"), &web, &lab);
    used_only(&carried, 1);
    assert!(done.stderr.contains("MPTCP"), "{done}");
    let counted = shell.types(&page.next("counters --explain")).ok();
    assert!(counted.stdout.contains("MPCapableSYNTX"), "{counted}");
    shell.types(&page.next("sudo mptcpize setup")).ok();
    let (carried, _) = shell.downloads(&page.next("run curl"), &web, &lab);
    used_all(&carried);
    page.ends();
}

#[test]
fn what_the_tutorial_set_up_its_last_situation_takes_back() {
    let (lab, web) = laptop();
    let shell = Shell::at(&lab.client);
    let before = lab.client.state();
    lab.client.setup("");
    let mut page = Page::of("Undo");
    shell.types(&page.next("sudo mptcpize setup undo")).ok();
    assert_same(&before, &lab.client.state(), "setup undo");
    for line in ["disable --all", "disable --system", "disable --containers", "systemctl disable"] {
        page.is_there(line);
    }
    let (carried, _) = shell.downloads(&page.next("MPTCPIZE=off curl"), &web, &lab);
    used_only(&carried, 1);
    page.ends();
}

#[test]
fn a_server_that_has_a_route_of_its_own_over_one_link_is_joined_over_the_other() {
    let (lab, web) = laptop();
    lab.client.setup("");
    lab.client.net.ip(&format!("route add {SERVER_V4} via 10.2.0.254 dev w2"));
    let shell = Shell::at(&lab.client);
    let line = "mptcpize run curl -O http://www.example.org/file";
    let (carried, _) = shell.downloads(line, &web, &lab);
    used_all(&carried);
    let checked = shell.types("mptcpize check www.example.org:80");
    assert_eq!(checked.code(), 0, "{checked}");
}
