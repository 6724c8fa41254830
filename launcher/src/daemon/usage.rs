//! Where it is kept what links with a budget have carried: a file that outlives the boot.
//!
//! It is written whole and renamed, so that a power failure leaves the old one or the new one.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use mptcpize_model::daemon::Usage;

/// The form that is written and read.
const VERSION: u32 = 1;

/// The content of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    /// Of which boot the counters are that it names (random(4)).
    boot: String,
    links: Usage,
}

/// What was kept, if anything was; counters of another boot are set back.
///
/// A file that cannot be read, or that says something unknown, counts as none: a host with a wrong one
/// is better off with a count that begins anew than without its links.
pub fn load(file: &Path) -> Option<Usage> {
    let content: Content = serde_json::from_str(&fs::read_to_string(file).ok()?).ok()?;
    let Content { version: VERSION, boot, links: mut usage } = content else { return None };
    if boot != this_boot() {
        usage.booted();
    }
    Some(usage)
}

/// Writes it down; it is on the disk when this returns.
///
/// # Errors
/// As of write(2) and rename(2): a full disk, a read-only file system.
pub fn save(file: &Path, usage: &Usage) -> io::Result<()> {
    let directory = file.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(directory)?;
    let content = Content { version: VERSION, boot: this_boot(), links: usage.clone() };
    let text = serde_json::to_string(&content).map_err(io::Error::other)?;
    let mut new = NamedTempFile::new_in(directory)?;
    new.write_all(format!("{text}\n").as_bytes())?;
    // Everybody may see what `mptcpize status` shows.
    rustix::fs::fchmod(new.as_file(), rustix::fs::Mode::from_raw_mode(0o644))?;
    new.as_file().sync_all()?;
    new.persist(file).map_err(|error| error.error)?;
    Ok(())
}

fn this_boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again_and_another_boot_sets_its_counters_back() {
        let directory = tempfile::tempdir().expect("a directory of this test");
        let file = directory.path().join("state/usage.json");
        assert_eq!(load(&file), None);
        let text =
            r#"{"wwan0":{"since":20784,"bytes":7,"before":null,"seen":{"received":5,"sent":1}}}"#;
        let usage: Usage = serde_json::from_str(text).expect("a usage");
        save(&file, &usage).expect("it can be written");
        assert_eq!(load(&file), Some(usage.clone()));
        let kept = fs::read_to_string(&file).expect("it was written");
        fs::write(&file, kept.replace(&this_boot(), "another")).expect("it can be written");
        let mut booted = usage;
        booted.booted();
        assert_eq!(load(&file), Some(booted));
        for damaged in ["", "{}", &kept.replace("\"version\":1", "\"version\":2")] {
            fs::write(&file, damaged).expect("it can be written");
            assert_eq!(load(&file), None, "{damaged}");
        }
    }
}
