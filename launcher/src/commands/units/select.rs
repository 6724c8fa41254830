//! Which units the words of a command line mean: names, patterns as of systemctl(1), paths of unit
//! files.

use std::fs;
use std::path::Path;

use crate::commands::units::Site;
use crate::error::{Error, Exit};
use crate::host::systemd::units::Facts;
use mptcpize_model::shell;
use mptcpize_model::unit::UnitName;

/// A unit that is asked about.
pub struct Selected {
    /// What is known of it.
    pub facts: Facts,
    /// By its name, and not by a pattern alone.
    pub named: bool,
}

impl Selected {
    /// Its name; empty where systemd knows none.
    pub fn name(&self) -> String {
        self.facts.name.as_ref().map_or_else(String::new, UnitName::to_string)
    }
}

impl Site {
    /// What systemd knows of the units that are named: names, patterns, paths of unit files.
    ///
    /// # Errors
    /// 2 for what is no name, 5 for a pattern or path that means no unit.
    pub fn find(&self, asked: &[String]) -> Result<Vec<Facts>, Error> {
        Ok(self.select(asked)?.into_iter().map(|selected| selected.facts).collect())
    }

    /// The units that are meant, each with whether it was named or only matched by a pattern.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn select(&self, asked: &[String]) -> Result<Vec<Selected>, Error> {
        let mut named = Vec::new();
        let mut names = Vec::new();
        let mut locations = Vec::new();
        for text in asked {
            if text.contains('/') {
                let name = self.name_of(text)?;
                locations.push((text.as_str(), name.clone()));
                named.push(name);
            } else if is_pattern(text) {
                names.extend(self.fitting(text)?);
            } else {
                named.push(name(text)?);
            }
        }
        names.extend(named.iter().cloned());
        names.sort();
        names.dedup();
        let facts = self.source.facts(&names)?;
        for (text, name) in locations {
            let known = names.iter().position(|other| *other == name);
            let facts = known.and_then(|index| facts.get(index));
            self.is_its_file(text, &name, facts)?;
        }
        let mut unique: Vec<Selected> = Vec::new();
        for (name, facts) in names.iter().zip(facts) {
            let named = named.contains(name);
            match unique.iter_mut().find(|other| other.facts.name == facts.name) {
                Some(other) => other.named |= named,
                None => unique.push(Selected { facts, named }),
            }
        }
        // An alias may have brought one here.
        unique.sort_by(|one, other| one.facts.name.cmp(&other.facts.name));
        Ok(unique)
    }

    fn name_of(&self, text: &str) -> Result<UnitName, Error> {
        let file = Path::new(text).file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !file.contains('.') {
            return Err(Error::new(Exit::Usage, format!("{text} is no unit file"))
                .why("its name has no kind, such as .service")
                .fix("name the unit: mptcpize enable NAME"));
        }
        name(file)
    }

    /// Checks that systemd reads the file that was named.
    fn is_its_file(&self, text: &str, name: &UnitName, facts: Option<&Facts>) -> Result<(), Error> {
        let real = match self.running() {
            Some(_) => fs::canonicalize(text).ok(),
            None => self.root().real(Path::new(text)).ok(),
        };
        let Some(real) = real else {
            return Err(Error::new(Exit::Missing, format!("there is no file {text}"))
                .fix("systemctl cat NAME    # shows where units are"));
        };
        let own = facts.and_then(|facts| facts.files.first());
        let own = own.and_then(|file| self.root().real(file).ok());
        if own.as_ref() == Some(&real) {
            return Ok(());
        }
        let other = own.map_or("none".to_owned(), |own| own.display().to_string());
        Err(Error::new(Exit::Usage, format!("systemd does not read {text}"))
            .why(format!("its file for {name} is {other}"))
            .fix("put it where systemd looks, then: systemctl daemon-reload"))
    }

    /// The services and sockets that fit a pattern, also such as cannot be enabled.
    fn fitting(&self, pattern: &str) -> Result<Vec<UnitName>, Error> {
        let mut names = self.source.matching(pattern)?;
        names.retain(|name| ["service", "socket"].contains(&name.kind()) && !name.is_template());
        // What others only speak of is not there.
        let facts = self.source.facts(&names)?;
        let there = names.into_iter().zip(&facts).filter(|(_, facts)| facts.load != "not-found");
        let there: Vec<UnitName> = there.map(|(name, _)| name).collect();
        if there.is_empty() {
            return Err(Error::new(Exit::Missing, format!("no service fits {pattern}")).fix(
                format!(
                    "systemctl list-unit-files {}    # shows what there is",
                    shell::operand(pattern)
                ),
            ));
        }
        Ok(there)
    }
}

/// Does a word stand for all units that fit?
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[']) && !text.contains('/')
}

/// The name that was typed.
///
/// # Errors
/// 2: it is none.
pub fn name(text: &str) -> Result<UnitName, Error> {
    UnitName::new(text).map_err(|why| {
        Error::new(Exit::Usage, format!("{text:?} is no unit"))
            .why(why)
            .fix("systemctl list-units    # shows them")
    })
}
