//! mptcpize.toml(5), from the definition of the settings: what they are, and how they are written.

use std::fmt::Write;

use mptcpize_model::config::Config;
use mptcpize_model::settings::{Section, Setting, Table, What, sections};

use super::roff::{bold, commands, escaped, paragraphs, text};
use super::{Page, Tool, begun};

/// What the file is.
const DESCRIPTION: &str = "\
The settings of `mptcpize`, in TOML (https://toml.io). All have defaults, and the file may be missing. The \
options of a command line count before it. A verb reads the file when it is started: `mptcpize setup`, \
`mptcpize run`, `mptcpize enable`, `mptcpize check` and `mptcpize status`. The daemon, the gateway and \
`mptcpize relay agent` read it again on SIGHUP, which `systemctl reload` sends.

A key that there is not is a mistake, and nothing is done: the message names its line, and the key that was \
meant. Try the file with `mptcpize setup --dry-run`, which changes nothing.

Keys without a section stand before the first line in brackets. In the names of sections and keys below, \
LINK stands for the name of a network interface, as `ip link` shows it, and NAME for a name that is chosen \
here.";

/// The sections that every page has.
const MORE: &str = "\
Exit status:
  2  of each verb that reads the file: it has a mistake, or cannot be read

Files:
  /etc/mptcpize.toml  the file; `--config FILE` names another for `setup`, `daemon` and `gateway`
  /etc/mptcpize-relays.toml
      the stored relays with their keys, which `mptcpize relay add` writes

See also:
  mptcpize(8), mptcpize-setup(8), mptcpize-daemon(8), mptcpize-gateway(8), mptcpize-enable(8), \
mptcpize-run(8), mptcpize-relay-agent(8)";

/// Whole files, each with what it is for.
pub const EXAMPLES: [(&str, &str); 3] = [
    (
        "A laptop with Wi-Fi and LTE, which costs: LTE carries data only while Wi-Fi cannot, and at most 20 \
         GB in a month:",
        "backup = [\"wwan0\"]\n[budget]\nwwan0 = \"20 GB/month\"",
    ),
    (
        "A server, whose databases go on over TCP:",
        "role = \"server\"\n[sockets]\nexcept_ports = [5432, 6379]",
    ),
    (
        "A router with a LAN behind it, an uplink that loses packets, and browsers that take TCP:",
        "[congestion]\nwwan0 = \"auto\"\n[gateway]\nlan = [\"br0\"]\nquic = \"block\"",
    ),
];

/// The page.
pub(super) fn page(tool: Tool<'_>) -> Page {
    let mut page = begun(tool, "mptcpize.toml", 5, "settings of mptcpize");
    let _ = writeln!(page, ".SH SYNOPSIS\n{}", bold("/etc/mptcpize.toml"));
    let _ = writeln!(page, ".SH DESCRIPTION\n{}", paragraphs(DESCRIPTION, ".PP"));
    page.push_str(".SH KEYS\n");
    for section in sections(Config::table()) {
        add(&mut page, &section);
    }
    let mut examples = String::new();
    for (index, (said, file)) in EXAMPLES.iter().enumerate() {
        let between = if index == 0 { "" } else { ".PP\n" };
        let lines: Vec<&str> = file.lines().collect();
        let _ = writeln!(examples, "{between}{}\n{}", text(said), commands(&lines));
    }
    super::sections::add(&mut page, MORE, None, Some(&examples));
    Page { file: "mptcpize.toml.5".to_owned(), text: page }
}

fn add(page: &mut String, section: &Section) {
    if !section.name.is_empty() {
        let _ = writeln!(page, ".SS [{}]", escaped(&section.name));
        let _ = writeln!(page, "{}", paragraphs(&section.about, ".PP"));
    }
    for Setting { key, about, what } in &section.keys {
        let What::Value { kind, default, examples } = what else { continue };
        let _ = writeln!(page, ".TP\n{} = \\fI{}\\fR", bold(key), escaped(kind));
        let _ = writeln!(page, "{}", paragraphs(about, ".IP"));
        let _ = writeln!(page, ".br\nDefault: {}.\n.IP\n.EX", text(default));
        for (key, value) in examples {
            let _ = writeln!(page, "    {}", bold(&format!("{key} = {value}")));
        }
        page.push_str(".EE\n");
    }
}
