//! systemd's units, as far as they matter here: names ([`UnitName`]), what their files say
//! ([`mod@file`]), and the one drop-in that we put beside them ([`dropin`]). Pure: files come in as
//! text, and text comes out.

pub mod address;
pub mod back_to_tcp;
pub mod dropin;
pub mod dropin_change;
pub mod file;
pub mod judge;
pub mod order;
pub mod process;
pub mod socket;

use std::fmt;

/// The kinds of units (systemd.unit(5)).
const KINDS: [&str; 11] = [
    "service",
    "socket",
    "device",
    "mount",
    "automount",
    "swap",
    "target",
    "path",
    "timer",
    "slice",
    "scope",
];
/// `UNIT_NAME_MAX` of systemd (basic/unit-name.h), its final NUL left out.
const LONGEST: usize = 255;

/// The name of a unit: checked, and with its kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitName(String);

impl UnitName {
    /// Reads a name; one without a kind is a service, as systemctl takes it.
    ///
    /// # Errors
    /// A clause that says what is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        let known = text.rsplit_once('.').is_some_and(|(_, kind)| KINDS.contains(&kind));
        let name = if known { text.to_owned() } else { format!("{text}.service") };
        let stem = name.rsplit_once('.').map_or("", |(stem, _)| stem);
        if stem.is_empty() || stem.starts_with('@') {
            return Err("there is no name before its kind".into());
        }
        if name.len() > LONGEST {
            return Err(format!("it is longer than {LONGEST} bytes"));
        }
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || ":-_.\\@".contains(letter);
        match name.chars().find(|letter| !allowed(*letter)) {
            Some(wrong) => Err(format!("{wrong:?} cannot be in the name of a unit")),
            None => Ok(UnitName(name)),
        }
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `service`, `socket`, …
    pub fn kind(&self) -> &str {
        self.0.rsplit_once('.').map_or("", |(_, kind)| kind)
    }

    /// The name without its kind.
    pub fn stem(&self) -> &str {
        self.0.rsplit_once('.').map_or("", |(stem, _)| stem)
    }

    /// `name@.service`: no unit by itself, but all its instances read its files.
    pub fn is_template(&self) -> bool {
        self.stem().ends_with('@')
    }

    /// The template of an instance.
    pub fn template(&self) -> Option<UnitName> {
        let (prefix, instance) = self.stem().split_once('@')?;
        (!instance.is_empty()).then(|| UnitName(format!("{prefix}@.{}", self.kind())))
    }

    /// An instance of a template, by which systemd can be asked about it.
    #[must_use]
    pub fn instance(&self, name: &str) -> UnitName {
        UnitName(format!("{}{name}.{}", self.stem(), self.kind()))
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Does a name fit a pattern of `*`, `?` and `[…]` (glob(7))?
///
/// Only the last `*` is ever tried again, so the time is the product of both lengths at most.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (mut wanted, mut left) = (pattern, name);
    // What follows the last `*`, and where in the name that began.
    let mut star = None;
    loop {
        if let Some(rest) = wanted.strip_prefix('*') {
            (star, wanted) = (Some((rest, left)), rest);
        } else if let Some(rests) = one_letter(wanted, left) {
            (wanted, left) = rests;
        } else if wanted.is_empty() && left.is_empty() {
            return true;
        } else {
            let Some((rest, from)) = star else { return false };
            let mut letters = from.chars();
            if letters.next().is_none() {
                return false;
            }
            (wanted, left) = (rest, letters.as_str());
            star = Some((rest, left));
        }
    }
}

/// What is left of pattern and name when the first letter of the name fits.
fn one_letter<'a>(pattern: &'a str, name: &'a str) -> Option<(&'a str, &'a str)> {
    let (mut wanted, mut letters) = (pattern.chars(), name.chars());
    let letter = letters.next()?;
    let (fits, rest) = match wanted.next()? {
        '?' => (true, wanted.as_str()),
        '[' => wanted.as_str().split_once(']').map(|(set, rest)| (in_set(set, letter), rest))?,
        other => (other == letter, wanted.as_str()),
    };
    fits.then_some((rest, letters.as_str()))
}

fn in_set(set: &str, letter: char) -> bool {
    let (negated, set) = match set.strip_prefix(['!', '^']) {
        Some(set) => (true, set),
        None => (false, set),
    };
    let letters: Vec<char> = set.chars().collect();
    let mut found = false;
    let mut at = 0;
    while let Some(first) = letters.get(at) {
        match (letters.get(at + 1), letters.get(at + 2)) {
            (Some('-'), Some(last)) => {
                found |= (*first..=*last).contains(&letter);
                at += 3;
            }
            _ => {
                found |= *first == letter;
                at += 1;
            }
        }
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_systemctl() {
        let table = [
            ("nginx", Ok("nginx.service")),
            ("nginx.service", Ok("nginx.service")),
            ("ssh.socket", Ok("ssh.socket")),
            ("a.b", Ok("a.b.service")),
            ("foo@bar", Ok("foo@bar.service")),
            ("foo@", Ok("foo@.service")),
            (r"dev-disk-by\x2dlabel", Ok(r"dev-disk-by\x2dlabel.service")),
            ("", Err("no name")),
            (".service", Err("no name")),
            ("@x.service", Err("no name")),
            ("a b", Err("' ' cannot be")),
            ("$(id)", Err("'$' cannot be")),
            ("a;b", Err("';' cannot be")),
            ("a\nb", Err("'\\n' cannot be")),
            ("ä", Err("'ä' cannot be")),
        ];
        for (text, expected) in table {
            match (UnitName::new(text), expected) {
                (Ok(name), Ok(expected)) => assert_eq!(name.as_str(), expected),
                (Err(error), Err(part)) => assert!(error.contains(part), "{text}: {error}"),
                (other, _) => panic!("{text}: {other:?}"),
            }
        }
        assert!(UnitName::new(&"x".repeat(300)).is_err());
    }

    #[test]
    fn an_instance_knows_its_template() {
        let name = |text| UnitName::new(text).expect(text);
        assert_eq!(name("a@b.service").template(), Some(name("a@.service")));
        assert_eq!(name("a@.service").template(), None);
        assert_eq!(name("a.service").template(), None);
        assert!(name("a@.service").is_template() && !name("a@b.service").is_template());
        assert_eq!(name("a@.socket").instance("x").as_str(), "a@x.socket");
    }

    #[test]
    fn patterns_match_as_in_glob_7() {
        for (pattern, name, expected) in [
            ("ngi*", "nginx.service", true),
            ("*.service", "nginx.service", true),
            ("?ginx.*", "nginx.service", true),
            ("[a-m]*", "nginx.service", false),
            ("[!a-m]*", "nginx.service", true),
            ("[xn]ginx.service", "nginx.service", true),
            ("nginx", "nginx.service", false),
            ("[n", "n", false),
            ("**", "", true),
            ("*", "", true),
            ("", "n", false),
            ("*.service", "a.service.service", true),
            ("a*b*c", "a-b-b-c-b-c", true),
            ("a*b*c", "a-b-b-c-b", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
        // With a trial for each way to share the letters out this would not end.
        assert!(!matches(&format!("{}b", "*a".repeat(60)), &"a".repeat(250)));
    }
}
