//! A service reached by the variables of its drop-in: `LD_PRELOAD` and `GODEBUG`, merged with what
//! it had, because a drop-in's `Environment=` replaces an earlier value.
//!
//! Not here: whether the variables count for the service (`environment`).

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use crate::commands::units::c_tool;
use crate::commands::units::plan::choice::Choice;
use crate::commands::units::plan::programs::Programs;
use crate::commands::units::plan::sandbox::{Need, Sandbox};
use crate::commands::units::plan::service::Service;
use crate::error::Error;
use crate::inject::environment::{godebug, preload};
use mptcpize_model::unit::dropin::Mechanism;
use mptcpize_model::unit::file::literal;

/// The variables for a service with these programs.
///
/// # Errors
/// 5: there is no place for the library.
pub(super) fn choose(service: Service<'_>, programs: &Programs) -> Result<Choice, Error> {
    let manager = match service.site.running() {
        Some(systemctl) => systemctl.environment().unwrap_or_default(),
        None => BTreeMap::new(),
    };
    // What the manager gives to all its units, the unit's own Environment= replaces.
    let before = |name: &str| {
        let own = service.text.environment(name).map(|variable| variable.value);
        own.or_else(|| manager.get(name).map(|value| literal(value)))
    };
    let library: Option<Need> = match programs.are_all_go() {
        true => None,
        false => Some(Sandbox::of(service.text).need(service.site.placing().library()?)),
    };
    let preload = library.as_ref().map(|library| {
        let existing = before("LD_PRELOAD").map(c_tool::without);
        let ours = literal(&library.inside.to_string_lossy());
        let merged = preload::merge(existing.as_deref().map(OsStr::new), Path::new(&ours));
        merged.to_string_lossy().into_owned()
    });
    let godebug = godebug::merge(before("GODEBUG").as_deref().map(OsStr::new));
    let why = match &preload {
        None => "it is Go, which has MPTCP of its own",
        Some(_) => "it is dynamically linked: its loader takes our library",
    };
    Ok(Choice {
        mechanism: Mechanism::Environment {
            preload,
            godebug: Some(godebug.to_string_lossy().into_owned()),
        },
        why: why.to_owned(),
        notes: Vec::new(),
        needs: library.into_iter().collect(),
    })
}
