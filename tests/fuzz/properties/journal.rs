//! The journal, which a crash may have cut and a disk damaged.

use mptcpize::host::readers;

/// A balance that was read is the same when it is written anew and read again, and each change in it
/// can be taken back.
pub(crate) fn journal(bytes: &[u8]) {
    let (boot, netns) = ("boot", 7);
    let record = match readers::journal(bytes, boot, netns) {
        Ok(record) => record,
        Err(broken) => {
            assert!(!broken.is_empty());
            return;
        }
    };
    let written = readers::journal_bytes(&record, boot, netns);
    let again = readers::journal(&written, boot, netns);
    let again = again.unwrap_or_else(|error| panic!("{}: {error}", written.escape_ascii()));
    assert_eq!(again, record, "{}", written.escape_ascii());
    for change in &record.entries {
        assert_eq!(change.inverse().inverse(), *change);
        assert!(!change.noun().is_empty());
    }
}
