//! The mechanism for a program, decided with this host's own answers; shared by `run` and
//! `run --explain`.

use std::ffi::OsString;

use crate::cli;
use crate::host::observe::kernel::MptcpSocket;
use crate::inject::exec::Environment;
use crate::inject::mechanism::{self, Abilities, Blocked, Decision, Mechanism, Request};
use crate::inject::seccomp;
use crate::inject::target::Target;
use crate::output;

/// Chooses the mechanism for this program on this host.
pub fn decide(
    target: &Target,
    via: cli::run::Via,
    follow: bool,
    environment: &Environment,
) -> Decision {
    if is_off(environment.get("MPTCPIZE")) {
        let text = "MPTCPIZE=off is in the environment".to_owned();
        return Decision {
            mechanism: Mechanism::None,
            reason: text.clone(),
            blocked: Some(Blocked { text, fix: Some("unset MPTCPIZE"), asked: true }),
            notes: Vec::new(),
            unfollowed: None,
        };
    }
    let request = match via {
        cli::run::Via::Auto => Request::Auto,
        cli::run::Via::Preload => Request::Preload,
        cli::run::Via::Seccomp => Request::Seccomp,
        cli::run::Via::None => Request::None,
    };
    let abilities = Abilities { kernel, seccomp: seccomp::probe };
    let decision = mechanism::decide(&target.subject(), request, abilities);
    if follow { mechanism::follow(decision, seccomp::probe) } else { decision }
}

/// `MPTCPIZE=off`, in the words that the shim knows too.
fn is_off(value: Option<OsString>) -> bool {
    value.is_some_and(|value| value == "off" || value == "0")
}

/// Why the kernel gives no MPTCP sockets, when it gives none.
fn kernel() -> Option<Blocked> {
    let kernel = MptcpSocket::probe();
    (kernel != MptcpSocket::On).then(|| Blocked {
        text: kernel.to_string(),
        fix: kernel.fix(),
        asked: false,
    })
}

/// `-v`: the decision, as narration.
pub fn narrate(name: &str, decision: &Decision) {
    let Decision { mechanism, reason, blocked, notes, .. } = decision;
    if blocked.is_none() {
        output::note(&format!("{name} runs over MPTCP via {}: {reason}", mechanism.name()));
        for note in notes {
            output::note(note);
        }
    }
}
