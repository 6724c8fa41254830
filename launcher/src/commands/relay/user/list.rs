//! `relay user list`: users, their limits, and what they carried.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::json;

use crate::cli::relay::user::List;
use crate::commands::relay::serve::supervise;
use crate::commands::relay::user::change::limits_of;
use crate::commands::relay::user::none;
use crate::error::{Exit, reason};
use crate::host::private_file::user;
use crate::host::served::counts;
use crate::host::served::kept::Kept;
use crate::locations::Locations;
use crate::output;
use crate::output::table::{Column, cell, column, numbers, table};
use crate::output::term::{Colour, Term};
use mptcpize_model::budget::shown;
use mptcpize_model::calendar::Day;
use mptcpize_model::relay::server::UserLimits;
use mptcpize_model::relay::status::UserState;
use mptcpize_model::status::served::Heard;

const COLUMNS: [Column; 5] = [
    column("USER"),
    column("LIMITS").spare(1),
    numbers("OPEN"),
    numbers("THIS MONTH"),
    numbers("IN ALL"),
];

/// What stands for whoever has the server's key, where there are no users.
const ANYBODY: &str = "(the server's key)";

/// What users carried, as far as it is known.
struct Carried {
    users: BTreeMap<String, UserState>,
    /// The relay runs.
    running: bool,
}

/// Prints them.
///
/// # Errors
/// As [`super::user`].
pub fn list(arguments: &List, locations: &Locations) -> anyhow::Result<Exit> {
    let kept = Kept::of(locations)?;
    let served = kept.load()?.ok_or_else(|| none(&kept))?;
    let Carried { users: carried, running } = carried(locations)?;
    let of = |name: &str| carried.get(name).copied();
    let users = &served.settings.users;
    if arguments.json {
        let one = |name: &str, limits: &UserLimits| {
            let state = of(name);
            json!({
                "name": name,
                "limits": limits,
                "open": state.filter(|_| running).map(|state| state.amounts.open),
                "month_bytes": state.map(|state| state.month_bytes),
                "up_bytes": state.map(|state| state.amounts.up_bytes),
                "down_bytes": state.map(|state| state.amounts.down_bytes),
                "connections": state.map(|state| state.amounts.carried),
            })
        };
        let all: Vec<_> = users.iter().map(|user| one(user.name.as_str(), &user.limits)).collect();
        let anybody = users.is_empty().then(|| one("", &UserLimits::default()));
        let text = json!({
            "version": 1, "running": running, "users": all, "server_key": anybody,
        });
        output::line(&text.to_string())?;
        return Ok(Exit::Done);
    }
    let row = |name: &str, shown_as: &str, limits: &UserLimits| {
        let state = of(name);
        let bytes = |bytes: Option<u64>| cell(bytes.map_or("–".to_owned(), shown));
        let open = state.filter(|_| running).map(|state| state.amounts.open.to_string());
        let all =
            |state: UserState| state.amounts.up_bytes.saturating_add(state.amounts.down_bytes);
        vec![
            cell(shown_as),
            cell(limits_of(limits)),
            cell(open.unwrap_or_else(|| "–".to_owned())),
            bytes(state.map(|state| state.month_bytes)),
            bytes(state.map(all)),
        ]
    };
    let mut rows: Vec<_> = users
        .iter()
        .map(|user| row(user.name.as_str(), user.name.as_str(), &user.limits))
        .collect();
    if users.is_empty() {
        rows.push(row("", ANYBODY, &UserLimits::default()));
    }
    output::text(&table(&Term::of_stdout(Colour::Auto), &COLUMNS, &rows))?;
    if !running {
        output::note("no relay runs here now");
    }
    Ok(Exit::Done)
}

/// Asks the relay that runs, else reads where one before it counted.
fn carried(locations: &Locations) -> anyhow::Result<Carried> {
    match counts::ask(&supervise::directory(locations)?) {
        Heard::State(state) => return Ok(Carried { users: state.users, running: true }),
        Heard::Silent(why) => output::note(&format!("the relay does not answer: {why}")),
        Heard::Hidden | Heard::Nothing => {}
    }
    let nothing = Carried { users: BTreeMap::new(), running: false };
    let Some(directory) = locations.served_counts(user()) else { return Ok(nothing) };
    /// As much of the file as is wanted here.
    #[derive(Deserialize)]
    struct Counts {
        year: i64,
        month: u8,
        users: BTreeMap<String, UserState>,
    }
    let read = match counts::text(&directory) {
        Ok(None) => return Ok(nothing),
        Ok(Some(text)) => {
            serde_json::from_slice::<Counts>(&text).map_err(|error| error.to_string())
        }
        Err(error) => Err(reason(&error)),
    };
    match read {
        Ok(mut counts) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
            let (year, month, _) = Day::at(now).date();
            if (counts.year, counts.month) != (year, month) {
                counts.users.values_mut().for_each(|user| user.month_bytes = 0);
            }
            Ok(Carried { users: counts.users, ..nothing })
        }
        Err(why) => {
            output::note(&format!("what was counted cannot be read: {why}"));
            Ok(nothing)
        }
    }
}
