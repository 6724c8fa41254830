//! What the kernel does with a packet: `ip route get` for many destinations from every address of a
//! host, asked in one go, because a process for each question would take most of the test's time.

use crate::support::Netns;

/// Destinations beyond every network of a laboratory, special ones and the server's among them.
const WORLD_V4: &[&str] = &[
    "203.0.113.9",
    "198.51.100.77",
    "192.0.2.200",
    "10.99.0.1",
    "10.64.9.9",
    "172.31.9.9",
    "100.64.3.4",
    "9.9.9.9",
    "169.254.9.9",
    "240.0.0.1",
    "255.255.255.255",
    "224.0.0.251",
];
const WORLD_V6: &[&str] = &["2001:db8:99::1", "2001:db8:ffff::9", "2600::1", "4000::1", "fd00::9"];

/// One question and its answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Look {
    /// `203.0.113.9 from 10.1.0.1`.
    pub(crate) question: String,
    /// The address that it is asked from, and its link.
    pub(crate) source: Option<String>,
    pub(crate) source_dev: Option<String>,
    /// `local`, `broadcast`, …, nothing for a usual route; or the kernel's error.
    pub(crate) kind: String,
    pub(crate) dev: Option<String>,
    pub(crate) via: Option<String>,
    /// The route that matched is a default route of the main table.
    pub(crate) by_mains_default: bool,
}

/// The word after another one.
pub(crate) fn word_after(line: &str, word: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    words.find(|found| *found == word)?;
    words.next().map(str::to_owned)
}

/// Asks for each destination, those of `more` too, unbound and from each address of the host.
pub(crate) fn ways(net: &Netns, more: &[&str]) -> Vec<Look> {
    let addresses = net.ip("-o address show scope global");
    // `2: w1    inet 10.1.0.1/24 …`; a peer's form is `inet 10.64.1.1 peer 10.64.1.254/32`.
    let addresses: Vec<(String, String)> = addresses
        .lines()
        .filter_map(|line| {
            let dev = line.split_whitespace().nth(1)?;
            let address = word_after(line, "inet").or(word_after(line, "inet6"))?;
            Some((dev.to_owned(), address))
        })
        .collect();
    let mut looks = Vec::new();
    for v6 in [false, true] {
        let world = if v6 { WORLD_V6 } else { WORLD_V4 };
        let mut to: Vec<String> = world.iter().map(|text| (*text).to_owned()).collect();
        to.extend(more.iter().filter(|text| text.contains(':') == v6).map(|text| text.to_string()));
        let mut sources = vec![None];
        for (dev, address) in addresses.iter().filter(|(_, text)| text.contains(':') == v6) {
            let own = address.split('/').next().unwrap_or_default();
            let end = own.rfind(if v6 { ':' } else { '.' }).map_or(0, |at| at + 1);
            to.push(own.to_owned());
            // A neighbour that nobody is.
            to.push(format!("{}77", &own[..end]));
            sources.push(Some((dev, own)));
        }
        for to in &to {
            for source in &sources {
                let from = source.map(|(_, own)| format!(" from {own}")).unwrap_or_default();
                looks.push(Look {
                    question: format!("{to}{from}"),
                    source: source.map(|(_, own)| own.to_owned()),
                    source_dev: source.map(|(dev, _)| dev.clone()),
                    ..Look::default()
                });
            }
        }
    }
    let answers = ask(net, "", &looks);
    let matches = ask(net, "fibmatch ", &looks);
    for ((look, answer), matched) in looks.iter_mut().zip(answers).zip(matches) {
        match answer {
            Ok(line) => {
                let first = line.split_whitespace().next().unwrap_or_default();
                let usual = first.contains(['.', ':']);
                look.kind = if usual { String::new() } else { first.to_owned() };
                look.dev = word_after(&line, "dev");
                let other_family = word_after(&line, "inet6");
                look.via = other_family.or(word_after(&line, "via"));
            }
            Err(error) => look.kind = error,
        }
        look.by_mains_default =
            matched.is_ok_and(|line| line.starts_with("default ") && !line.contains(" table "));
    }
    looks
}

/// One answer for each: the line, or the error.
fn ask(net: &Netns, option: &str, looks: &[Look]) -> Vec<Result<String, String>> {
    let questions: String =
        looks.iter().map(|look| format!("route get {option}{}\n", look.question)).collect();
    let ip = net.command("ip").args(["-oneline", "-force", "-batch", "-"]).input(questions);
    let asked = ip.run();
    // A question that fails has no line there, but its number here.
    let mut lines = asked.stdout.lines();
    let mut errors = std::collections::BTreeMap::new();
    let mut last = "";
    for line in asked.stderr.lines() {
        match line.strip_prefix("Command failed -:") {
            Some(number) => drop(errors.insert(number.parse::<usize>().expect("a number"), last)),
            None => last = line,
        }
    }
    let answers: Vec<Result<String, String>> = (1..=looks.len())
        .map(|number| match errors.get(&number) {
            Some(error) => Err((*error).to_owned()),
            None => Ok(lines.next().unwrap_or_else(|| panic!("{asked}")).to_owned()),
        })
        .collect();
    assert_eq!(lines.next(), None, "one line for each question: {asked}");
    answers
}
