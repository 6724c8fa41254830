//! The screens of `enable --containers` and `disable --containers`, and the line of `list`.

use std::fmt::Write;

use serde_json::json;

use crate::output::system::{Row, changes, table};
use mptcpize_model::container::cdi;
use mptcpize_model::plain;

/// One device.
pub struct Device {
    /// Its name, behind the kind.
    pub name: String,
    /// What it sets.
    pub environment: Vec<String>,
    /// What it is for.
    pub words: String,
}

/// What `enable --containers` did, or would do.
pub struct Done {
    /// The files that change.
    pub changes: Vec<Row>,
    /// The text of the file.
    pub text: String,
    /// The devices that there are then.
    pub devices: Vec<Device>,
    /// The seccomp profile, where there is to be one.
    pub profile: Option<&'static str>,
    /// What a person should know besides.
    pub notes: Vec<String>,
    /// Nothing was done.
    pub dry_run: bool,
}

/// The devices, and how one is used.
pub fn enabled(done: &Done) -> String {
    let mut text = String::new();
    text.push_str(&match (done.changes.is_empty(), done.dry_run) {
        (true, _) => "already on for containers with such a device".to_owned(),
        (false, true) => {
            format!("Nothing was changed. This would be:\n\n{}", table(&done.changes))
        }
        (false, false) => {
            "on for containers with such a device (off: sudo mptcpize disable --containers)"
                .to_owned()
        }
    });
    text.push('\n');
    let width = done.devices.iter().map(|device| device.name.chars().count()).max().unwrap_or(0);
    for Device { name, words, .. } in &done.devices {
        let line = format!("  --device {}={name:<width$}  {words}", cdi::KIND);
        let _ = writeln!(text, "{}", plain::words(&line));
    }
    if let Some(profile) = done.profile {
        let _ =
            writeln!(text, "  --security-opt seccomp={profile}  programs that no library reaches");
    }
    for note in &done.notes {
        let _ = writeln!(text, "note: {}", plain::words(note));
    }
    if done.dry_run {
        let _ = writeln!(text, "\n{}:", cdi::FILE);
        for line in done.text.lines().filter(|line| !line.is_empty()) {
            let _ = writeln!(text, "  {line}");
        }
    } else {
        let _ = writeln!(text, "Try: podman run --device {}=run IMAGE", cdi::KIND);
    }
    text
}

/// The same as one JSON object.
pub fn enabled_json(done: &Done) -> String {
    let devices: Vec<_> = done
        .devices
        .iter()
        .map(|device| {
            json!({
                "device": format!("{}={}", cdi::KIND, device.name),
                "environment": device.environment,
                "words": device.words,
            })
        })
        .collect();
    let object = json!({
        "version": 1,
        "dry_run": done.dry_run,
        "changes": changes(&done.changes),
        "file": cdi::FILE,
        "devices": devices,
        "profile": done.profile,
        "notes": done.notes,
    });
    format!("{object}\n")
}

/// What `disable --containers` did, or would do.
pub fn disabled(rows: &[Row], profile: Option<&str>, dry_run: bool, json: bool) -> String {
    if json {
        let object = json!({ "version": 1, "changes": changes(rows), "dry_run": dry_run });
        return format!("{object}\n");
    }
    match (rows.is_empty(), dry_run) {
        (true, _) => "nothing to do: there are no devices for containers\n".to_owned(),
        (false, true) => format!("Nothing was changed. This would be:\n\n{}", table(rows)),
        (false, false) => "off: no container gets the library any more\n\
            those that run keep it until they end; one that was made with a device starts again only \
            where the device is there\n"
            .to_owned()
            + &profile.map_or_else(String::new, |profile| {
                format!(
                    "one that was made with {profile} does not start again until it is on again; \
                     make it anew without it\n"
                )
            }),
    }
}

/// The lines of `list`; empty where there are none.
pub fn listed(devices: &[String], profile: Option<&str>) -> String {
    let line = profile.map(|profile| {
        format!(
            "containers get it by --security-opt seccomp={profile} (off: sudo mptcpize disable --containers)\n"
        )
    });
    if devices.is_empty() {
        return line.unwrap_or_default();
    }
    let names = plain::words(&devices.join(" ")).into_owned();
    let devices = format!(
        "containers get it by --device: {names} (off: sudo mptcpize disable --containers)\n"
    );
    devices + &line.unwrap_or_default()
}
