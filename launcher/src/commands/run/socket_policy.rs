//! The policy for the sockets of a program: from the command line over the file, or from an outer
//! `mptcpize run`; and whether the way into the program can keep it. Shared by `run` and
//! `run --explain`.

use crate::cli;
use crate::commands::setup::settings;
use crate::error::{Error, Exit};
use crate::inject::exec::Environment;
use crate::inject::mechanism::{Blocked, Decision, Mechanism};
use crate::inject::target::Target;
use crate::locations::Locations;
use mptcpize_model::socket_policy::{Sockets, VARIABLE, encode};

/// Which sockets of a program stay TCP.
#[derive(Debug)]
pub enum Policy {
    /// What was asked here, and its text for the library.
    Asked(Sockets, String),
    /// The text that the environment had, from an outer `run`.
    Inherited(String),
}

/// Finds it. Options win over the file's settings, an inherited policy over the file's.
///
/// # Errors
/// 2 for a mistake in the file or in the inherited text, with its place, and for a policy with
/// more rules than the library takes.
pub fn find(
    options: &cli::policy::Policy,
    environment: &Environment,
    locations: &Locations,
) -> Result<Policy, Error> {
    let line = options.sockets();
    if line == Sockets::default()
        && let Some(inherited) = environment.get(VARIABLE)
    {
        let inherited = inherited.to_string_lossy().into_owned();
        return match encode::check(&inherited) {
            Ok(()) => Ok(Policy::Inherited(inherited)),
            Err(why) => Err(Error::new(Exit::Usage, format!("{VARIABLE} is not a policy"))
                .why(why)
                .fix(format!("unset {VARIABLE}, and use the options of mptcpize run"))),
        };
    }
    let (sockets, text) = asked(line, locations)?;
    Ok(Policy::Asked(sockets, text))
}

/// What the options and the file ask for, and its text.
fn asked(line: Sockets, locations: &Locations) -> Result<(Sockets, String), Error> {
    let file = settings::file(None, locations)?;
    let sockets = file.sockets.overridden(line);
    match sockets.text() {
        Ok(text) => Ok((sockets, text)),
        Err(why) => Err(Error::new(Exit::Usage, "the policy is too large")
            .why(why)
            .fix("name fewer, or larger ranges and networks")),
    }
}

/// The variable of `Environment=` for a unit, where the policy is not the usual one.
///
/// # Errors
/// As [`find`].
pub fn of_unit(
    options: &cli::policy::Policy,
    locations: &Locations,
) -> Result<Option<(String, String)>, Error> {
    let (sockets, text) = asked(options.sockets(), locations)?;
    Ok((!sockets.is_default()).then(|| (VARIABLE.to_owned(), text)))
}

impl Policy {
    /// Puts it where the library finds it. The usual policy is in the library.
    pub fn put_into(&self, environment: &mut Environment) {
        if let Policy::Asked(sockets, text) = self
            && (!sockets.is_default() || environment.get(VARIABLE).is_some())
        {
            environment.set(VARIABLE, text.as_ref());
        }
    }

    /// It in words, where it is not the usual one.
    pub fn words(&self) -> Option<String> {
        match self {
            Policy::Asked(sockets, _) if sockets.is_default() => None,
            Policy::Asked(sockets, _) => Some(sockets.to_string()),
            Policy::Inherited(text) => Some(format!("of the outer run ({VARIABLE}={text})")),
        }
    }

    fn names(&self, program: &[u8]) -> bool {
        match self {
            Policy::Asked(sockets, _) => sockets.names(program),
            Policy::Inherited(text) => encode::names(text, program),
        }
    }

    fn has_rules(&self) -> bool {
        match self {
            Policy::Asked(sockets, _) => sockets.has_rules(),
            Policy::Inherited(text) => encode::has_rules(text),
        }
    }

    /// The decision under this policy: a program that is named stays as it is.
    pub fn over(&self, target: &Target, decision: Decision) -> Decision {
        let name = target.path.file_name().unwrap_or_default();
        if matches!(decision.mechanism, Mechanism::None) || !self.names(name.as_encoded_bytes()) {
            return decision;
        }
        let text = format!(
            "the policy has {} stay TCP, which carries what MPTCP cannot (MD5 signatures)",
            name.to_string_lossy()
        );
        Decision {
            mechanism: Mechanism::None,
            reason: text.clone(),
            blocked: Some(Blocked {
                text,
                fix: Some("mptcpize run --tcp-programs= CMD"),
                asked: false,
            }),
            notes: Vec::new(),
            unfollowed: None,
        }
    }

    /// Why this way cannot keep it, where it cannot: only the library sees where a socket goes.
    pub fn unheeded(&self, mechanism: Mechanism) -> Option<&'static str> {
        match mechanism {
            _ if !self.has_rules() => None,
            Mechanism::GoDebug => Some("a Go program makes its own system calls, past the library"),
            Mechanism::Seccomp(_) | Mechanism::Covered => {
                Some("a filter decides at socket(), before it is known where a socket goes")
            }
            Mechanism::Followed(_) => {
                Some("the filter takes no part in it, for what the library does not reach")
            }
            Mechanism::Preload | Mechanism::None => None,
        }
    }
}
