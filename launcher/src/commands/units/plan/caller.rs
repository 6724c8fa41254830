//! As whom systemd executes a unit's program: it decides whether the program's loader will trust the
//! environment (ld.so(8), "secure-execution mode"), and is seldom the user who enables the unit.

use crate::inject::target::Caller;
use mptcpize_model::unit::dropin;
use mptcpize_model::unit::file::UnitText;

/// The words of systemd for yes.
const YES: [&str; 6] = ["1", "yes", "y", "true", "t", "on"];

/// The user and the promises with which a command of the unit is executed; `user` for units of the
/// calling user's manager.
pub(super) fn of(text: &UnitText, user: bool, command: &str) -> Caller {
    let last = |key: &str| text.last("Service", key).unwrap_or_default().to_owned();
    let yes = |key: &str| YES.contains(&last(key).to_ascii_lowercase().as_str());
    let prefix = dropin::prefix(command).0;
    let no_new_privileges = yes("NoNewPrivileges") && !prefix.contains('+');
    if user {
        return Caller::current().with_no_new_privileges(no_new_privileges);
    }
    let name = last("User");
    let is_other = yes("DynamicUser") || !["", "root", "0"].contains(&name.as_str());
    // With these prefixes the program is started as root, and sees to the rest itself.
    let stays_root = prefix.contains(['+', '!']);
    Caller::of_service(is_other && !stays_root, no_new_privileges)
}
