//! Which mechanism reaches a program: pure, from what it is, what was asked, and what this host can do.
//!
//! The cheapest one that does: a preload costs nothing per call, GODEBUG as little, a
//! seccomp filter tens of microseconds for each socket (launcher/README.md, "The seccomp way").

use crate::inject::reach::{Reach, Subject, Why};
use crate::inject::seccomp::{Obstacle, Terms};

/// `--via`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Request {
    /// The cheapest mechanism that reaches the program.
    #[default]
    Auto,
    /// The preload (and GODEBUG), whatever the program is.
    Preload,
    /// The seccomp filter, over the whole process tree.
    Seccomp,
    /// None.
    None,
}

/// How the program gets MPTCP, or would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// `LD_PRELOAD`, and GODEBUG for the Go programs that it starts.
    Preload,
    /// GODEBUG, and the preload for the C parts and for the programs that it starts.
    GoDebug,
    /// The seccomp filter.
    Seccomp(Terms),
    /// What the environment can do, and the filter for what that does not reach.
    Followed(Terms),
    /// The filter of an outer mptcpize.
    Covered,
    /// None; the environment stays as it is.
    None,
}

impl Mechanism {
    /// Its name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Preload => "preload",
            Mechanism::GoDebug => "godebug",
            Mechanism::Seccomp(_) | Mechanism::Covered => "seccomp",
            Mechanism::Followed(_) => "preload, seccomp",
            Mechanism::None => "none",
        }
    }
}

/// Why a program stays on TCP, and what would help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// The reason.
    pub text: String,
    /// The remedy, when there is one.
    pub fix: Option<&'static str>,
    /// It was asked to: nothing to tell.
    pub asked: bool,
}

impl Blocked {
    fn by(why: impl ToString) -> Self {
        Blocked { text: why.to_string(), fix: None, asked: false }
    }
}

/// What was decided, and what a person should know about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The mechanism that is used.
    pub mechanism: Mechanism,
    /// Why this one.
    pub reason: String,
    /// What keeps the program itself on TCP all the same.
    pub blocked: Option<Blocked>,
    /// What follows from it for others than the program.
    pub notes: Vec<&'static str>,
    /// What keeps what the library does not reach from being followed, though it was asked.
    pub unfollowed: Option<Obstacle>,
}

/// What this host can do. Asked only when it matters: a probe of seccomp is a process.
#[derive(Debug)]
pub struct Abilities<Kernel, Probe> {
    /// Why the kernel gives no MPTCP sockets, when it gives none.
    pub kernel: Kernel,
    /// Can a filter be installed?
    pub seccomp: Probe,
}

const NOT_BELOW: &str = "static programs, Go before 1.21 and setuid programs that it starts stay \
                         on TCP; --follow reaches all but the last";
const NOT_BESIDE: &str = "so does what loses the library on the way: env -i, sandboxes with a file \
                          system of their own (bwrap, flatpak), torsocks that it starts, plugins \
                          loaded with RTLD_DEEPBIND (PHP's curl); --follow reaches it";
const ALL_BELOW: &str = "everything that it starts is covered too; MPTCPIZE=off down there has no \
                         effect";
const NO_PRIVILEGE: &str = "setuid programs that it starts lose their privilege (no_new_privs: a \
                            filter without CAP_SYS_ADMIN needs that)";

/// Chooses the mechanism for a program: the cheapest that reaches it, or the one that was asked for.
pub fn decide(
    subject: &Subject,
    request: Request,
    abilities: Abilities<
        impl FnOnce() -> Option<Blocked>,
        impl FnOnce() -> Result<Terms, Obstacle>,
    >,
) -> Decision {
    let Abilities { kernel, seccomp } = abilities;
    match request {
        Request::None => Decision {
            mechanism: Mechanism::None,
            reason: "--via none".to_owned(),
            blocked: Some(Blocked {
                text: "--via none leaves it alone".to_owned(),
                fix: Some("leave out --via none"),
                asked: true,
            }),
            notes: Vec::new(),
            unfollowed: None,
        },
        Request::Seccomp => filtered("--via seccomp".to_owned(), kernel, seccomp),
        Request::Preload => by_environment(subject, "--via preload".to_owned(), kernel),
        Request::Auto => match &subject.reach {
            Reach::Preload => {
                let reason = "it is dynamically linked: its loader takes our library";
                by_environment(subject, reason.to_owned(), kernel)
            }
            Reach::GoDebug(version) => {
                let reason = format!("it is built with Go {version}, which has MPTCP of its own");
                by_environment(subject, reason, kernel)
            }
            Reach::Unknown => {
                let reason = "it cannot be read, and is taken for a dynamically linked program";
                by_environment(subject, reason.to_owned(), kernel)
            }
            Reach::No(why) if subject.filterable => beyond_preload(subject, why, kernel, seccomp),
            Reach::No(why) => by_environment(subject, why.to_string(), kernel),
        },
    }
}

/// A program that only a filter reaches, if anything does.
fn beyond_preload(
    subject: &Subject,
    why: &Why,
    kernel: impl FnOnce() -> Option<Blocked>,
    seccomp: impl FnOnce() -> Result<Terms, Obstacle>,
) -> Decision {
    let privileged = match why {
        Why::Static | Why::Class | Why::OldGo(_) => false,
        Why::Privilege(_) => true,
        // The kernel will not run it either.
        Why::Machine(_) | Why::NoLoader(_) => {
            return by_environment(subject, why.to_string(), kernel);
        }
    };
    let decision = filtered(why.to_string(), kernel, seccomp);
    let costs = matches!(decision.mechanism, Mechanism::Seccomp(terms) if terms.gives_up_privilege);
    if privileged && costs {
        // Better TCP than a program without the privilege that it is for.
        let text = format!("{why}, and a seccomp filter would take its privilege away");
        return Decision {
            blocked: Some(Blocked::by(text)),
            ..by_environment(subject, why.to_string(), || None)
        };
    }
    match decision.blocked {
        // What it starts may still be reached.
        Some(blocked) => {
            Decision { blocked: Some(blocked), ..by_environment(subject, why.to_string(), || None) }
        }
        None => decision,
    }
}

/// The decision with `--follow`: the filter stands behind the library, for what
/// that does not reach in the program and below it. What the library makes is none of its business.
pub fn follow(decision: Decision, seccomp: impl FnOnce() -> Result<Terms, Obstacle>) -> Decision {
    let by_environment = matches!(decision.mechanism, Mechanism::Preload | Mechanism::GoDebug);
    if !by_environment || decision.blocked.is_some() {
        return decision;
    }
    match seccomp() {
        Ok(terms) => {
            Decision { mechanism: Mechanism::Followed(terms), notes: notes(terms), ..decision }
        }
        // The mechanism stays: the program is not the worse for it.
        Err(Obstacle::Covered) => Decision { notes: vec![ALL_BELOW], ..decision },
        Err(obstacle) => Decision { unfollowed: Some(obstacle), ..decision },
    }
}

fn notes(terms: Terms) -> Vec<&'static str> {
    match terms.gives_up_privilege {
        true => vec![ALL_BELOW, NO_PRIVILEGE],
        false => vec![ALL_BELOW],
    }
}

fn filtered(
    reason: String,
    kernel: impl FnOnce() -> Option<Blocked>,
    seccomp: impl FnOnce() -> Result<Terms, Obstacle>,
) -> Decision {
    let stays = |blocked| Decision {
        mechanism: Mechanism::None,
        reason: reason.clone(),
        blocked: Some(blocked),
        notes: Vec::new(),
        unfollowed: None,
    };
    if let Some(blocked) = kernel() {
        return stays(blocked);
    }
    let (mechanism, notes) = match seccomp() {
        Ok(terms) => (Mechanism::Seccomp(terms), notes(terms)),
        Err(Obstacle::Covered) => (Mechanism::Covered, vec![ALL_BELOW]),
        Err(obstacle) => return stays(Blocked::by(format!("{reason}, and {obstacle}"))),
    };
    Decision { mechanism, reason, blocked: None, notes, unfollowed: None }
}

/// Preload and GODEBUG, whether they reach the program itself or only what it starts.
fn by_environment(
    subject: &Subject,
    reason: String,
    kernel: impl FnOnce() -> Option<Blocked>,
) -> Decision {
    let mechanism = match subject.reach {
        Reach::GoDebug(_) => Mechanism::GoDebug,
        _ => Mechanism::Preload,
    };
    let blocked = match &subject.reach {
        Reach::No(why) => Some(Blocked::by(why)),
        _ => kernel(),
    };
    let notes = vec![NOT_BELOW, NOT_BESIDE];
    Decision { mechanism, reason, blocked, notes, unfollowed: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inject::target::go::GoVersion;

    const GO_19: GoVersion = GoVersion { major: 1, minor: 19 };
    const GO_23: GoVersion = GoVersion { major: 1, minor: 23 };

    fn free() -> Result<Terms, Obstacle> {
        Ok(Terms { gives_up_privilege: false, wait_killable: true })
    }

    fn costly() -> Result<Terms, Obstacle> {
        Ok(Terms { gives_up_privilege: true, wait_killable: true })
    }

    fn refused() -> Result<Terms, Obstacle> {
        Err(Obstacle::Forbidden(1))
    }

    fn covered() -> Result<Terms, Obstacle> {
        Err(Obstacle::Covered)
    }

    fn unasked() -> Result<Terms, Obstacle> {
        panic!("a probe is a process: not where nothing depends on it")
    }

    /// The mechanism, and whether the program itself is reached.
    fn mechanism(
        reach: Reach,
        request: Request,
        seccomp: fn() -> Result<Terms, Obstacle>,
    ) -> (&'static str, bool) {
        let subject = Subject { reach, filterable: true };
        let decision = decide(&subject, request, Abilities { kernel: || None, seccomp });
        (decision.mechanism.name(), decision.blocked.is_none())
    }

    #[test]
    fn the_cheapest_way_that_reaches_a_program_is_taken() {
        use Request::{Auto, None, Preload, Seccomp};
        let privilege = || Reach::No(Why::Privilege("setuid"));
        let machine = || Reach::No(Why::Machine(243));
        type Probe = fn() -> Result<Terms, Obstacle>;
        type Row = (&'static str, Reach, Request, Probe, (&'static str, bool));
        let table: [Row; 19] = [
            ("dynamic", Reach::Preload, Auto, unasked, ("preload", true)),
            ("unreadable", Reach::Unknown, Auto, unasked, ("preload", true)),
            ("new Go", Reach::GoDebug(GO_23), Auto, unasked, ("godebug", true)),
            ("old Go", Reach::No(Why::OldGo(GO_19)), Auto, costly, ("seccomp", true)),
            ("static", Reach::No(Why::Static), Auto, free, ("seccomp", true)),
            ("static, ordinary user", Reach::No(Why::Static), Auto, costly, ("seccomp", true)),
            ("static, in a run", Reach::No(Why::Static), Auto, covered, ("seccomp", true)),
            ("static, sandboxed", Reach::No(Why::Static), Auto, refused, ("preload", false)),
            ("32-bit", Reach::No(Why::Class), Auto, free, ("seccomp", true)),
            ("setuid, by root", privilege(), Auto, free, ("seccomp", true)),
            ("setuid, by others", privilege(), Auto, costly, ("preload", false)),
            ("another machine", machine(), Auto, unasked, ("preload", false)),
            ("dynamic, seccomp asked", Reach::Preload, Seccomp, costly, ("seccomp", true)),
            ("setuid, seccomp asked", privilege(), Seccomp, costly, ("seccomp", true)),
            ("seccomp asked in vain", Reach::Preload, Seccomp, refused, ("none", false)),
            ("static, preload asked", Reach::No(Why::Static), Preload, unasked, ("preload", false)),
            ("new Go, preload asked", Reach::GoDebug(GO_23), Preload, unasked, ("godebug", true)),
            ("nothing asked", Reach::Preload, None, unasked, ("none", false)),
            ("static, nothing asked", Reach::No(Why::Static), None, unasked, ("none", false)),
        ];
        for (name, reach, request, seccomp, expected) in table {
            assert_eq!(mechanism(reach, request, seccomp), expected, "{name}");
        }
    }

    #[test]
    fn what_the_library_reaches_can_be_followed_by_a_filter() {
        let decided = |reach, seccomp: fn() -> Result<Terms, Obstacle>| {
            let subject = Subject { reach, filterable: true };
            let abilities = Abilities { kernel: || None, seccomp };
            let decision = follow(decide(&subject, Request::Auto, abilities), seccomp);
            (decision.mechanism.name(), decision.blocked.is_none(), decision.unfollowed)
        };
        let forbidden = Some(Obstacle::Forbidden(1));
        assert_eq!(decided(Reach::Preload, costly), ("preload, seccomp", true, None));
        assert_eq!(decided(Reach::GoDebug(GO_23), free), ("preload, seccomp", true, None));
        assert_eq!(decided(Reach::Preload, covered), ("preload", true, None));
        assert_eq!(decided(Reach::Preload, refused), ("preload", true, forbidden));
        assert_eq!(decided(Reach::No(Why::Static), free), ("seccomp", true, None));
        assert_eq!(decided(Reach::No(Why::Static), refused), ("preload", false, None));
    }

    #[test]
    fn without_mptcp_in_the_kernel_nothing_is_tried() {
        let kernel = || Some(Blocked::by("no MPTCP"));
        for reach in [Reach::Preload, Reach::No(Why::Static), Reach::GoDebug(GO_23)] {
            let subject = Subject { reach, filterable: true };
            let abilities = Abilities { kernel, seccomp: unasked };
            let decision = decide(&subject, Request::Auto, abilities);
            assert_eq!(decision.blocked, Some(Blocked::by("no MPTCP")));
        }
    }

    #[test]
    fn a_program_whose_calls_no_filter_sees_is_not_promised_one() {
        let subject = Subject { reach: Reach::No(Why::Class), filterable: false };
        let abilities = Abilities { kernel: || None, seccomp: unasked };
        let decision = decide(&subject, Request::Auto, abilities);
        assert_eq!(decision.blocked, Some(Blocked::by(Why::Class)));
    }
}
