//! What we changed in this network namespace since the boot, so that it can be taken back.
//!
//! One file a namespace under the run directory, which dies with the boot as the kernel's state
//! does. JSON lines: a header, what was asked, then one [`Change`] a line. What makes something
//! ours is written and synced *before* it is made, a removal after it. After a crash the file may
//! name something that is not there, never the reverse; an undo looks before it acts. The lines are
//! read as a balance ([`mptcpize_model::record`]).
//!
//! Endpoints, limits and sysctls carry no owner in the kernel, so this is also the record of
//! which of them are ours.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Exit};
use crate::host::apply::lock::{self, Lock, unusable};
use mptcpize_model::asked::Asked;
use mptcpize_model::change::Change;
use mptcpize_model::record::Record;

/// The first line of the file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    /// Version of the format.
    journal: u32,
    /// Which boot (`/proc/sys/kernel/random/boot_id`).
    boot: String,
    /// Which namespace (`SO_NETNS_COOKIE`, or the inode of the namespace).
    netns: u64,
}

/// The form that is written.
const VERSION: u32 = 2;

/// The forms that are read. Version 1 had no line for what was asked; the rest reads the same.
const KNOWN: [u32; 2] = [1, VERSION];

/// A line that is no change.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// What the set-up was asked; the last one counts.
    Asked(Asked),
}

/// The way out of a journal that cannot be understood.
const SALVAGE: &str =
    "sudo mptcpize setup undo --salvage    # undoes what is readable or marked as ours";

/// The journal of one network namespace, locked for this process.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    header: Header,
    record: Record,
    was_held: bool,
    /// Held until the process ends or the journal is dropped, and removed then.
    _lock: Lock,
}

/// A journal as it was read.
#[derive(Debug, Default)]
struct Parsed {
    record: Record,
    /// Lines that changed something already there: the file is longer than what it says.
    superseded: bool,
    /// The last line was cut off by a crash: its change was never made.
    torn: bool,
}

impl Journal {
    /// Opens and locks the journal of namespace `netns`, making it when it is missing.
    ///
    /// `waiting` is called once, with the holder's PID, when somebody else holds it.
    ///
    /// # Errors
    /// Somebody else keeps it for longer than 10 seconds; it is corrupt; the run directory
    /// cannot be written.
    pub fn open(directory: &Path, netns: u64, waiting: impl FnOnce(&str)) -> Result<Self, Error> {
        Journal::open_within(directory, netns, lock::PATIENCE, waiting)
    }

    /// Opens it as [`Journal::open`] does, and waits no longer than `patience` for another run.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_within(
        directory: &Path,
        netns: u64,
        patience: Duration,
        waiting: impl FnOnce(&str),
    ) -> Result<Self, Error> {
        let mut was_held = false;
        let lock = lock::take(directory, &format!("netns-{netns}"), patience, |holder| {
            was_held = true;
            waiting(holder);
        })?;
        let path = directory.join(format!("netns-{netns}.journal"));
        let header = Header { journal: VERSION, boot: boot_id(), netns };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .open(&path)
            .map_err(|error| unreadable(&path, &error))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|error| unreadable(&path, &error))?;
        let read = parse(&bytes, &header).map_err(|broken| broken.explain(&path))?;
        let mut journal =
            Journal { file, path, header, record: read.record, was_held, _lock: lock };
        if read.torn {
            let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            journal.file.set_len(whole as u64).map_err(|error| unusable(&journal.path, &error))?;
        }
        if journal.record == Record::default() {
            journal.rewrite()?;
        } else if read.superseded {
            // It is longer than what it says and no less right, where a full disk keeps it so.
            if journal.rewrite().is_err() {
                let _ = fs::remove_file(journal.path.with_extension("new"));
            }
        }
        Ok(journal)
    }

    /// What stands, oldest first.
    pub fn entries(&self) -> &[Change] {
        &self.record.entries
    }

    /// Did somebody else hold it when it was asked for? Then the host may have changed since.
    pub fn was_held(&self) -> bool {
        self.was_held
    }

    /// What the set-up was asked.
    pub fn asked(&self) -> &Asked {
        &self.record.asked
    }

    /// Records a change: one that is about to be made, or a removal that was made. Returns when it
    /// is on the medium.
    ///
    /// # Errors
    /// It cannot be written; then the change must not be made.
    pub fn append(&mut self, change: &Change) -> Result<(), Error> {
        self.write(&serde_json::to_string(change))?;
        self.record.absorb(change);
        Ok(())
    }

    /// Records what the set-up is asked.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn ask(&mut self, asked: &Asked) -> Result<(), Error> {
        if self.record.asked != *asked {
            self.write(&serde_json::to_string(&Line::Asked(asked.clone())))?;
            self.record.asked = asked.clone();
        }
        Ok(())
    }

    fn write(&mut self, line: &serde_json::Result<String>) -> Result<(), Error> {
        let line = line
            .as_ref()
            .map_err(|error| Error::new(Exit::Failed, "cannot record a change").why(error))?;
        let end = self.file.seek(SeekFrom::End(0)).map_err(|error| unusable(&self.path, &error))?;
        let written = self
            .file
            .write_all(format!("{line}\n").as_bytes())
            .and_then(|()| self.file.sync_data());
        written.map_err(|error| {
            // A full disk takes part of a line, and the next one must not stand behind that.
            let _ = self.file.set_len(end);
            unusable(&self.path, &error)
        })
    }

    /// Removes an empty journal, so that nothing of us is left in the run directory.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(self) -> Result<(), Error> {
        fs::remove_file(&self.path).map_err(|error| unusable(&self.path, &error))
    }

    /// Writes the whole journal anew: a temporary file, synced, renamed into place.
    fn rewrite(&mut self) -> Result<(), Error> {
        let failed = |error: io::Error| unusable(&self.path, &error);
        // A name of its own and not a random one: we hold the lock, and what a crash leaves
        // behind the next write takes along.
        let temporary = self.path.with_extension("new");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o644)
            .open(&temporary)
            .map_err(failed)?;
        // `status` of ordinary users reads it, whatever the umask takes away.
        file.set_permissions(Permissions::from_mode(0o644)).map_err(failed)?;
        let text = render(&self.header, &self.record);
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.sync_data().map_err(failed)?;
        fs::rename(&temporary, &self.path).map_err(failed)?;
        self.file = file;
        Ok(())
    }
}

/// The text of a journal that says this and no more.
fn render(header: &Header, record: &Record) -> String {
    let mut lines = vec![serde_json::to_string(header)];
    if !record.asked.is_empty() {
        lines.push(serde_json::to_string(&Line::Asked(record.asked.clone())));
    }
    lines.extend(record.entries.iter().map(serde_json::to_string));
    let lines: Vec<String> = lines.into_iter().map(Result::unwrap_or_default).collect();
    lines.join("\n") + "\n"
}

/// What a journal of this boot and namespace says, from its bytes: for tests of the reader.
///
/// # Errors
/// Which line is broken, and why.
pub(in crate::host) fn read_as(bytes: &[u8], boot: &str, netns: u64) -> Result<Record, String> {
    let header = Header { journal: VERSION, boot: boot.into(), netns };
    let read = parse(bytes, &header).map_err(|broken| format!("{broken:?}"))?;
    Ok(read.record)
}

/// The bytes of such a journal.
pub(in crate::host) fn written_as(record: &Record, boot: &str, netns: u64) -> Vec<u8> {
    render(&Header { journal: VERSION, boot: boot.into(), netns }, record).into_bytes()
}

/// Reads the journal of a namespace without locking it: for those who only want to know.
///
/// # Errors
/// It is there and cannot be read, or is corrupt.
pub fn look(directory: &Path, netns: u64) -> Result<Record, Error> {
    lock::check(directory)?;
    let path = directory.join(format!("netns-{netns}.journal"));
    match fs::read(&path) {
        Ok(bytes) => {
            let header = Header { journal: VERSION, boot: boot_id(), netns };
            parse(&bytes, &header).map(|read| read.record).map_err(|broken| broken.explain(&path))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Record::default()),
        Err(error) => Err(unreadable(&path, &error)),
    }
}

/// Is there a journal of this namespace, whatever it says?
pub fn exists(directory: &Path, netns: u64) -> bool {
    directory.join(format!("netns-{netns}.journal")).exists()
}

/// How long ago the journal of a namespace was last written; none where there is none.
pub fn age(directory: &Path, netns: u64) -> Option<Duration> {
    let path = directory.join(format!("netns-{netns}.journal"));
    fs::metadata(path).ok()?.modified().ok()?.elapsed().ok()
}

/// Which line is broken, and how much stands before it.
#[derive(Debug)]
struct Broken {
    line: usize,
    readable: usize,
    why: String,
}

impl Broken {
    fn explain(&self, path: &Path) -> Error {
        Error::new(Exit::Failed, format!("the journal {} is corrupt", path.display()))
            .why(format!(
                "line {}: {}; {} changes before it are readable",
                self.line, self.why, self.readable
            ))
            .fix(SALVAGE)
    }
}

/// Reads the text of a journal. One of an earlier boot is empty: its changes went with the boot.
fn parse(bytes: &[u8], expected: &Header) -> Result<Parsed, Broken> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
        let why = "it is not text".to_owned();
        Broken { line: before + 1, readable: before.max(1) - 1, why }
    })?;
    let mut read = Parsed { torn: !text.is_empty() && !text.ends_with('\n'), ..Parsed::default() };
    let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    for (index, line) in lines.enumerate() {
        let broken = |why: String| Broken { line: index + 1, readable: index.max(1) - 1, why };
        if index == 0 {
            let header: Header =
                serde_json::from_str(line).map_err(|error| broken(error.to_string()))?;
            if !KNOWN.contains(&header.journal) {
                return Err(broken(format!("version {} is not known", header.journal)));
            }
            if (&header.boot, header.netns) != (&expected.boot, expected.netns) {
                return Ok(Parsed::default());
            }
            continue;
        }
        if let Ok(Line::Asked(asked)) = serde_json::from_str(line) {
            read.superseded |= !read.record.asked.is_empty();
            read.record.asked = asked;
            continue;
        }
        let change: Change =
            serde_json::from_str(line).map_err(|error| broken(error.to_string()))?;
        let before = read.record.entries.len();
        read.record.absorb(&change);
        read.superseded |= read.record.entries.len() != before + 1;
    }
    Ok(read)
}

/// The readable changes of a corrupt journal, for `undo --salvage`.
///
/// # Errors
/// It cannot be read at all.
pub fn salvage(directory: &Path, netns: u64) -> Result<Vec<Change>, Error> {
    lock::check(directory)?;
    let path = directory.join(format!("netns-{netns}.journal"));
    let bytes = fs::read(&path).map_err(|error| unusable(&path, &error))?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// Puts a corrupt journal aside, and says where; nothing when there is none.
///
/// # Errors
/// It cannot be renamed.
pub fn put_aside(directory: &Path, netns: u64) -> Result<Option<PathBuf>, Error> {
    let path = directory.join(format!("netns-{netns}.journal"));
    let aside = path.with_extension("corrupt");
    match fs::rename(&path, &aside) {
        Ok(()) => Ok(Some(aside)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unusable(&path, &error)),
    }
}

/// A journal that is there and cannot be read: what it knows is out of reach.
fn unreadable(path: &Path, error: &io::Error) -> Error {
    let known = unusable(path, error);
    if known.exit() == Exit::NotPermitted { known } else { known.fix(SALVAGE) }
}

pub(in crate::host) fn boot_id() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(number: u32) -> Change {
        let (from, to) = ("0".to_owned(), "1".to_owned());
        Change::Sysctl { key: format!("net.limits.{number}"), from, to }
    }

    fn open(directory: &Path) -> Result<Journal, Error> {
        // A program that another test starts holds a lock that we had until it executes.
        Journal::open(directory, 7, |_| {})
    }

    /// A journal of two changes: where it is, and what it says.
    fn two_changes(directory: &Path) -> (PathBuf, String) {
        let mut journal = open(directory).expect("a new journal");
        journal.append(&change(1)).expect("room");
        journal.append(&change(2)).expect("room");
        let path = directory.join("netns-7.journal");
        let text = fs::read_to_string(&path).expect("it is there");
        (path, text)
    }

    #[test]
    fn what_is_appended_is_read_again_and_a_torn_last_line_is_not() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let (path, whole) = two_changes(place.path());
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).expect("room");
            let record = look(place.path(), 7).unwrap_or_else(|error| panic!("{cut}: {error}"));
            let complete = whole[..cut].matches('\n').count().saturating_sub(1);
            assert_eq!(record.entries.len(), complete, "cut at {cut}");
        }
    }

    #[test]
    fn a_broken_line_is_an_error_that_says_where_and_how_on() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let (path, text) = two_changes(place.path());
        let broken = text.replacen("sysctl", "sistel", 2).replacen("sistel", "sysctl", 1);
        fs::write(&path, broken).expect("room");
        let error = open(place.path()).expect_err("a broken journal").to_string();
        assert!(error.contains("line 3") && error.contains("1 changes"), "{error}");
        assert!(error.contains("--salvage"), "{error}");
        assert_eq!(salvage(place.path(), 7).expect("readable"), [change(1)]);
    }

    #[test]
    fn a_journal_of_another_boot_or_namespace_is_empty() {
        let header = |boot: &str, netns| Header { journal: VERSION, boot: boot.into(), netns };
        let text = format!(
            "{}\n{}\n",
            serde_json::to_string(&header("now", 1)).expect("plain data"),
            serde_json::to_string(&change(1)).expect("plain data")
        );
        for (boot, netns, count) in [("now", 1, 1), ("later", 1, 0), ("now", 2, 0)] {
            let read = parse(text.as_bytes(), &header(boot, netns)).expect("a good journal");
            assert_eq!(read.record.entries.len(), count, "{boot} {netns}");
        }
    }

    #[test]
    fn what_was_asked_is_read_again_also_after_the_journal_was_written_anew() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let asked = Asked { max_subflows: Some(3), ..Asked::default() };
        let mut journal = open(place.path()).expect("a new journal");
        journal.ask(&Asked { fullmesh: true, ..Asked::default() }).expect("room");
        journal.append(&change(1)).expect("room");
        journal.ask(&asked).expect("room");
        drop(journal);
        assert_eq!(look(place.path(), 7).expect("readable").asked, asked);
        let journal = open(place.path()).expect("an old journal");
        assert_eq!((journal.asked(), journal.entries()), (&asked, &[change(1)][..]));
        let text = fs::read_to_string(place.path().join("netns-7.journal")).expect("it is there");
        assert_eq!(text.lines().count(), 3, "{text}");
    }
}
