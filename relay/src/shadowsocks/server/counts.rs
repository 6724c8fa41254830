//! The file in which what users carried is kept from one start to the next.
//!
//! It is written anew and put in its place, at most once in [`PAUSE`] and at the end, so that a relay that
//! is killed loses some seconds of counts and never the file. One that cannot be read is moved aside: the
//! server serves all the same, and counts from zero.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mptcpize_model::relay::status::UserState;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::month::{Month, this_month};
use super::shared::Shared;
use crate::log;

/// Between two writings.
const PAUSE: Duration = Duration::from_secs(5);
/// The longest file that is believed, in bytes: a thousand users have a tenth of it.
const MOST_BYTES: u64 = 1 << 21;
/// The form that is written and read.
const VERSION: u64 = 1;

/// What users carried, by name, and the month that their `month_bytes` are of.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    month: Month,
    users: BTreeMap<String, UserState>,
}

/// Goes on from what the file of the settings says.
pub fn restore(shared: &Shared) {
    let Some(path) = shared.settings().counts.clone() else { return };
    let counts = match read(&path) {
        Ok(counts) => counts,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => {
            let aside = path.with_extension("damaged");
            let moved = match fs::rename(&path, &aside) {
                Ok(()) => format!("it is {} now", aside.display()),
                Err(why) => format!("and it cannot be moved aside: {why}"),
            };
            let path = path.display();
            log::line(format_args!("mptcpize: counts from zero: {path}: {error}; {moved}"));
            return;
        }
    };
    let same = counts.month == this_month();
    for account in shared.keys().accounts() {
        if let Some(before) = counts.users.get(&account.name) {
            let month_bytes = if same { before.month_bytes } else { 0 };
            account.restore(UserState { month_bytes, ..*before });
        }
    }
}

/// Keeps the counts, for ever, and begins each month. It sleeps while there is no connection.
pub async fn keep(shared: Arc<Shared>) {
    let mut kept = Vec::new();
    let mut failed = false;
    loop {
        let changed = shared.changed.notified();
        shared.turn_month();
        let text = text(&shared);
        if kept == text {
            if shared.all.open() == 0 {
                changed.await;
            }
        } else if let Some(path) = shared.settings().counts.clone() {
            let new = text.clone();
            let done = spawn_blocking(move || write(&path, &new).map_err(|why| (path, why))).await;
            if let Ok(Err((path, why))) = &done
                && !failed
            {
                log::line(format_args!(
                    "mptcpize: cannot keep counts in {}: {why}",
                    path.display()
                ));
            }
            failed = !matches!(done, Ok(Ok(())));
            kept = text;
        } else {
            kept = text;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Keeps the counts at the end.
pub fn finish(shared: &Shared) {
    if let Some(path) = &shared.settings().counts
        && let Err(why) = write(path, &text(shared))
    {
        log::line(format_args!("mptcpize: cannot keep counts in {}: {why}", path.display()));
    }
}

/// As it is written.
fn text(shared: &Shared) -> Vec<u8> {
    let (year, month) = shared.month();
    let users: BTreeMap<_, _> =
        shared.keys().accounts().map(|one| (one.name.clone(), one.state())).collect();
    let whole = json!({ "version": VERSION, "year": year, "month": month, "users": users });
    serde_json::to_vec(&whole).unwrap_or_default()
}

fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut options = OpenOptions::new();
    // Nobody else's file, and not through a link that somebody put there.
    let _ = fs::remove_file(&new);
    let mut file = options.write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(text)?;
    file.sync_data()?;
    fs::rename(&new, path)
}

fn read(path: &Path) -> io::Result<Counts> {
    let mut text = String::new();
    fs::File::open(path)?.take(MOST_BYTES).read_to_string(&mut text)?;
    parse(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is damaged"))
}

fn parse(text: &str) -> Option<Counts> {
    let mut whole: Value = serde_json::from_str(text).ok()?;
    if whole.get("version")?.as_u64()? != VERSION {
        return None;
    }
    let month = (whole.get("year")?.as_i64()?, u8::try_from(whole.get("month")?.as_u64()?).ok()?);
    let users = serde_json::from_value(whole.get_mut("users")?.take()).ok()?;
    Some(Counts { month, users })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_none_of_ours_is_not_believed() {
        let good = r#"{"version":1,"year":2026,"month":11,"users":{"a":{"open":1,"carried":2,"mptcp":1,
            "up_bytes":3,"down_bytes":4,"month_bytes":7}}}"#;
        let counts = parse(good).expect("as it is written");
        assert_eq!((counts.month, counts.users["a"].month_bytes), ((2026, 11), 7));
        let half = good.split_at(good.len() / 2).0;
        let later = good.replace("\"version\":1", "\"version\":2");
        let negative = good.replace("\"month_bytes\":7", "\"month_bytes\":-7");
        for bad in ["", "null", "[]", "{}", half, &later, &negative] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
