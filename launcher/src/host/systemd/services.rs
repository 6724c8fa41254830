//! Services that are switched on: those whose unit has a drop-in file of ours.

use std::fs;
use std::path::PathBuf;

pub use mptcpize_model::unit::dropin::FILE as DROP_IN;

/// The units below these directories (see [`crate::locations::Locations::units`]) that have our drop-in,
/// by name. What cannot be read is as if it were not there: systemd's directories are open to all.
pub fn services_on(directories: &[PathBuf]) -> Vec<String> {
    let mut units: Vec<String> = directories
        .iter()
        .filter_map(|directory| fs::read_dir(directory).ok())
        .flat_map(|entries| entries.flatten())
        .filter_map(|entry| {
            let name = entry.file_name();
            let unit = name.to_str()?.strip_suffix(".d")?;
            entry.path().join(DROP_IN).exists().then(|| unit.to_owned())
        })
        .collect();
    units.sort();
    units.dedup();
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_with_our_drop_in_are_on() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let [etc, run] = ["etc", "run"].map(|name| root.path().join(name));
        for file in ["etc/nginx.service.d", "run/nginx.service.d", "run/a.service.d"] {
            fs::create_dir_all(root.path().join(file)).expect("it is ours");
            fs::write(root.path().join(file).join(DROP_IN), "").expect("it is ours");
        }
        fs::create_dir_all(etc.join("ssh.service.d")).expect("it is ours");
        fs::write(etc.join("ssh.service.d/50-other.conf"), "").expect("it is ours");
        let missing = root.path().join("nothing");
        assert_eq!(services_on(&[etc, run, missing]), ["a.service", "nginx.service"]);
    }
}
