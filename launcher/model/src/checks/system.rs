//! Does every program of the host get the library as `enable --system` left it, and what may containers be given
//! (`enable --containers`)? A host on which neither was ever switched on has no finding here.

use super::{Context, Finding};
use crate::phrase::list;

/// What takes it away.
const OFF: &str = "mptcpize disable --system";

pub(super) fn system(context: &Context) -> Vec<Finding> {
    let Some(on) = &context.seen.system else { return vec![] };
    let mut found = Vec::new();
    if !on.gone.is_empty() {
        let title =
            format!("MPTCP is on for every program, and its library is gone: {}", list(&on.gone));
        let why = format!(
            "{} names it: programs start without it, stay TCP, and the loader complains each time",
            list(&on.named_in)
        );
        found.push(Finding::problem("system.gone", title).why(why).fix(&[on.again()]).or(&[OFF]));
    } else if !on.unnamed.is_empty() {
        let title = format!("MPTCP is on for every program in part: not by {}", list(&on.unnamed));
        let why = format!("{} names the library {}", list(&on.named_in), on.library);
        found.push(Finding::warning("system.partly", title).why(why).fix(&[on.again()]).or(&[OFF]));
    } else {
        let Some(version) = &on.version else {
            let title =
                format!("on for every program, {}, with a library of another release", on.by());
            let note = Finding::note("system.other_release", title).why(on.library.clone());
            return vec![note.advice(format!("{}    installs this release's", on.again()))];
        };
        let title = format!("on for every program, {}: {} ({version})", on.by(), on.library);
        found.push(Finding::fine("system", title));
    }
    found
}

/// That the switch for containers is on; what is in a container is judged there.
pub(super) fn containers(context: &Context) -> Vec<Finding> {
    match context.seen.containers.as_slice() {
        [] => vec![],
        all => vec![Finding::fine("containers", format!("they may be given {}", list(all)))],
    }
}
