//! A container from within: whether its programs have the library. What the host needs for it is the host's
//! own `list` and `enable --containers`.

use serde::{Deserialize, Serialize};

use super::{Context, Finding};
use crate::container::cdi;

/// What was seen of the container that the tool runs in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Within {
    /// The library is where devices put it.
    pub library: bool,
    /// The first process has it in `LD_PRELOAD`; none where that may not be read.
    pub first: Option<bool>,
    /// The caller has it there.
    pub caller: bool,
}

pub(super) fn container(context: &Context) -> Vec<Finding> {
    let Some(within) = context.seen.container else { return Vec::new() };
    let export = format!("export LD_PRELOAD={} GODEBUG=multipathtcp=1", cdi::INSIDE);
    vec![match (within.library, within.first, within.caller) {
        (false, ..) => Finding::note(
            "container.without",
            "this container has no device of mptcpize",
        )
        .why("its programs get TCP unless mptcpize run starts them")
        .advice(format!(
            "on the host: sudo mptcpize enable --containers; then start it with --device {}=run",
            cdi::KIND
        )),
        (true, _, true) => {
            Finding::fine("container", "programs that start here have the library, in LD_PRELOAD")
        }
        (true, Some(true), false) => Finding::note(
            "container.exec",
            "the container has the library, and this shell does not",
        )
        .why("engines give what exec starts no variable of a device")
        .advice(export),
        (true, _, false) => Finding::note(
            "container.variable",
            "the library is here, and nothing names it in LD_PRELOAD",
        )
        // From within nobody can tell these apart.
        .why(format!(
            "the device {}={} sets none, or what starts the image dropped it or set its own",
            cdi::KIND,
            crate::container::asked::LIBRARY
        ))
        .advice(export),
    }]
}
