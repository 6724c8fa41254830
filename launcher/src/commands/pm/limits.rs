//! `mptcpize limits`: how much the path manager may do in one connection, as `ip mptcp limits`.

use serde_json::json;

use crate::cli::ip_mptcp;
use crate::cli::pm::{Limits as Arguments, LimitsAction};
use crate::commands::pm::session::Attempt;
use crate::error::Exit;
use crate::output;
use mptcpize_model::mptcp::Limits;

/// The kernel's text says how high; no kernel refuses what the oldest took.
const FIX: &str = "mptcpize limits set subflows 8 add_addr_accepted 8, or less";

/// Carries out one verb.
///
/// # Errors
/// 1 a limit is higher than the kernel takes, 2 wrong words, 4 not permitted, 5 no MPTCP.
pub fn limits(arguments: Arguments) -> anyhow::Result<Exit> {
    let Arguments { common, action } = arguments;
    match action.unwrap_or(LimitsAction::Show) {
        LimitsAction::Set { words } => {
            let (subflows, accepted) = ip_mptcp::limits(&words)?;
            let mut line = vec!["limits", "set"];
            line.extend(words.iter().map(String::as_str));
            let attempt = Attempt::new("cannot set the limits".into(), &common, &line)?;
            let mut pm = attempt.open()?;
            let before = pm.limits().map_err(|error| attempt.refused(&error, ""))?;
            let limits = Limits {
                subflows: subflows.unwrap_or(before.subflows),
                add_addr_accepted: accepted.unwrap_or(before.add_addr_accepted),
            };
            pm.set_limits(limits).map_err(|error| attempt.refused(&error, FIX))?;
            output::json::answer(|| json!({ "version": 1, "limits": limits, "before": before }))?;
        }
        LimitsAction::Show => {
            let attempt =
                Attempt::new("cannot show the limits".into(), &common, &["limits", "show"])?;
            let limits = attempt.open()?.limits().map_err(|error| attempt.refused(&error, ""))?;
            output::line(&match common.json {
                true => output::pm::limits_json(limits),
                false => output::pm::limits(limits),
            })?;
        }
    }
    Ok(Exit::Done)
}
