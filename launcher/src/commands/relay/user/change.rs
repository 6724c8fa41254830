//! `relay user add` and `relay user remove`.

use std::io::{self, IsTerminal, Write};

use serde_json::json;

use crate::cli::relay::user::{Add, Remove};
use crate::commands::relay::serve::line;
use crate::commands::relay::user::{none, running};
use crate::error::{Error, Exit};
use crate::host::served::kept::Kept;
use crate::host::served::key;
use crate::locations::Locations;
use crate::output;
use mptcpize_model::phrase;
use mptcpize_model::relay::key::Method;
use mptcpize_model::relay::name::Name;
use mptcpize_model::relay::served::Served;
use mptcpize_model::relay::server::{MOST_USERS, User, UserLimits};

/// Adds a user, or changes the limits of one that is there, and prints its line.
///
/// # Errors
/// As [`super::user`].
pub fn add(arguments: &Add, locations: &Locations) -> anyhow::Result<Exit> {
    let kept = Kept::of(locations)?;
    let before = kept.load()?.ok_or_else(|| none(&kept))?;
    check_method(&before, &kept)?;
    if before.settings.users.is_empty() {
        let name = &arguments.name;
        confirm(
            arguments.yes,
            &format!(
                "{name} is the first user: from now on the server's own key opens nothing alone, and \
                 whoever has used it wants a user's line"
            ),
            &format!("mptcpize relay user add {name} --yes"),
        )?;
    }
    let limits = UserLimits {
        connections: arguments.connections,
        month_bytes: arguments.month,
        rate_mbit: arguments.rate,
    };
    let (served, new) = kept.change(|there| {
        let served = there.as_mut().ok_or_else(|| none(&kept))?;
        check_method(served, &kept)?;
        let full = served.settings.users.len() >= MOST_USERS;
        let user = served.settings.users.iter_mut().find(|user| user.name == arguments.name);
        let new = user.is_none();
        match user {
            Some(user) => user.limits = over(limits, user.limits),
            None if full => {
                let what = format!("there are {MOST_USERS} users, and no more can be");
                return Err(Error::new(Exit::Failed, what).fix("mptcpize relay user remove NAME"));
            }
            None => {
                let key = key::new(served.settings.method)?;
                served.settings.users.push(User { name: arguments.name.clone(), key, limits });
            }
        }
        Ok((served.clone(), new))
    })?;
    let user = served.user(&arguments.name).expect("it was just added");
    let sign = if new { "+" } else { "=" };
    output::line(&format!("{sign} user  {}  {}", user.name, limits_of(&user.limits)))?;
    running::reload(locations, &user.name, true)?;
    line::print(&served, Some(user), line::wants_code(arguments.qr, arguments.no_qr))?;
    Ok(Exit::Done)
}

/// Takes a user away.
///
/// # Errors
/// As [`super::user`].
pub fn remove(arguments: &Remove, locations: &Locations) -> anyhow::Result<Exit> {
    let kept = Kept::of(locations)?;
    let before = kept.load()?.ok_or_else(|| none(&kept))?;
    let name = &arguments.name;
    if before.user(name).is_none() {
        return Err(unknown(&before, name).into());
    }
    if before.settings.users.len() == 1 {
        confirm(
            arguments.yes,
            &format!(
                "{name} is the last user: from now on whoever has the server's key may use the relay, \
                 and that key stands in each user's line, {name}'s too"
            ),
            &format!("mptcpize relay user remove {name} --yes"),
        )?;
    }
    kept.change(|there| {
        let served = there.as_mut().ok_or_else(|| none(&kept))?;
        if served.user(name).is_none() {
            return Err(unknown(served, name));
        }
        served.settings.users.retain(|user| user.name != *name);
        Ok(())
    })?;
    if !output::json::answer(|| json!({ "version": 1, "removed": name }))? {
        output::line(&format!("- user  {name}"))?;
    }
    running::reload(locations, name, false)?;
    Ok(Exit::Done)
}

/// Limits that were named now, and those that were not as before.
fn over(new: UserLimits, old: UserLimits) -> UserLimits {
    UserLimits {
        connections: new.connections.or(old.connections),
        month_bytes: new.month_bytes.or(old.month_bytes),
        rate_mbit: new.rate_mbit.or(old.rate_mbit),
    }
}

/// Limits as a person reads them.
pub fn limits_of(limits: &UserLimits) -> String {
    let parts = [
        limits.connections.map(|most| phrase::count(most as usize, "connection")),
        limits.month_bytes.map(|most| format!("{} a month", mptcpize_model::budget::shown(most))),
        limits.rate_mbit.map(|most| format!("{most} Mbit/s")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "no limit".to_owned() } else { parts.join(", ") }
}

fn check_method(served: &Served, kept: &Kept) -> Result<(), Error> {
    let method = served.settings.method;
    if method.has_users() {
        return Ok(());
    }
    let file = mptcpize_model::shell::word(kept.file().display()).to_string();
    Err(Error::new(Exit::Failed, format!("a relay with {method} has no users"))
        .why("a user is told by a block of AES (SIP023), which this method does not have")
        .fix(format!(
            "sudo mv {file} {file}.old && sudo mptcpize relay serve --method {}    # another key: each \
             client wants the new line",
            Method::Aes128
        )))
}

fn unknown(served: &Served, name: &Name) -> Error {
    let names: Vec<_> = served.settings.users.iter().map(|user| &user.name).collect();
    let error = Error::new(Exit::Missing, format!("there is no user {name}"));
    match names.as_slice() {
        [] => error.why("this relay has no users").fix("mptcpize relay user add NAME"),
        names => {
            error.why(format!("users are {}", phrase::list(names))).fix("mptcpize relay user list")
        }
    }
}

/// Lets a person say no to what changes who may connect.
///
/// # Errors
/// 2 where nobody can be asked, or the answer is no; nothing was changed.
fn confirm(yes: bool, what: &str, again: &str) -> Result<(), Error> {
    output::note(what);
    if yes {
        return Ok(());
    }
    let refused = |why: &str| {
        Err(Error::new(Exit::Usage, "nothing was changed").why(why).fix(format!("sudo {again}")))
    };
    if !io::stdin().is_terminal() {
        return refused("that wants a yes, and standard input is no terminal to ask at");
    }
    let _ = write!(io::stderr().lock(), "go on? [y/N] ");
    let mut answer = String::new();
    let _ = io::stdin().read_line(&mut answer);
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => refused("the answer was no"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told_in_words_and_those_not_named_stay() {
        assert_eq!(limits_of(&UserLimits::default()), "no limit");
        let old = UserLimits {
            connections: Some(1),
            month_bytes: Some(100_000_000_000),
            rate_mbit: None,
        };
        let new = UserLimits { rate_mbit: Some(50), ..UserLimits::default() };
        assert_eq!(limits_of(&over(new, old)), "1 connection, 100 GB a month, 50 Mbit/s");
    }
}
