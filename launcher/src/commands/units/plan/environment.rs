//! Whether the variables of a drop-in count for a unit: what its other files and its files of
//! variables say about the same ones, in systemd's order (systemd.exec(5), `Environment=`).
//!
//! Not here: what happens to them in the unit's processes (`seen_lost`).

use std::path::PathBuf;

use crate::commands::units::Site;
use crate::error::Error;
use crate::host::systemd::units::{Facts, sets};
use mptcpize_model::unit::dropin::FILE;
use mptcpize_model::unit::file::{UnitText, counts_behind, words};
use mptcpize_model::unit::matches;

/// Why variables in a drop-in would not arrive, as a clause.
///
/// # Errors
/// A file of variables cannot be read.
pub(super) fn is_lost(
    site: &Site,
    facts: &Facts,
    text: &UnitText,
) -> Result<Option<String>, Error> {
    for variable in ["LD_PRELOAD", "GODEBUG"] {
        for file in files(site, facts, text) {
            if sets(site.root(), &file, variable)? {
                return Ok(Some(format!(
                    "{} sets {variable}, over every Environment=",
                    file.display()
                )));
            }
        }
        for (setting, _) in text.list("Service", "UnsetEnvironment") {
            if words(setting).iter().any(|word| word.text.split('=').next() == Some(variable)) {
                return Ok(Some(format!("its UnsetEnvironment= takes {variable} away")));
            }
        }
        if let Some(set) = text.environment(variable)
            && counts_behind(set.file, FILE)
        {
            return Ok(Some(format!(
                "{} sets {variable}, and counts after this",
                set.file.display()
            )));
        }
    }
    let reset = text.reset_behind("Environment", FILE);
    Ok(reset.map(|file| format!("{} empties Environment=, and counts after this", file.display())))
}

fn files(site: &Site, facts: &Facts, text: &UnitText) -> Vec<PathBuf> {
    let mut files = facts.environment_files.clone();
    if files.is_empty() {
        let listed = text.list("Service", "EnvironmentFile").into_iter();
        files.extend(listed.map(|(file, _)| PathBuf::from(file.trim_start_matches('-'))));
    }
    let mut all = Vec::new();
    for file in files {
        let pattern = file.file_name().map(|name| name.to_string_lossy().into_owned());
        let pattern = pattern.filter(|name| name.contains(['*', '?', '[']));
        match (pattern, file.parent()) {
            (Some(pattern), Some(directory)) => {
                let names = site.root().names(directory).into_iter();
                let fitting = names.filter(|name| matches(&pattern, &name.to_string_lossy()));
                all.extend(fitting.map(|name| directory.join(name)));
            }
            _ => all.push(file),
        }
    }
    all
}
