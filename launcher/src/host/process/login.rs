//! Is this host used from afar? Whoever changes its network then may cut the way that they came by.
//!
//! Three signs, for each is lost somewhere: the variables of sshd(8), which sudo(8) and su(1) drop; a
//! server of log-ins among the ancestors, which a terminal multiplexer and a /proc with hidepid
//! (proc(5)) hide; and the session of logind, by the audit session (sd_pid_get_session(3)), which a
//! kernel without auditing does not have.

use std::fs;

/// The variables that sshd(8) sets.
const VARIABLES: [&str; 3] = ["SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY"];

/// Servers of log-ins, by their names in /proc: OpenSSH's (a process of its own for each session since
/// 9.8), Dropbear's, mosh's, and those for telnet.
const SERVERS: [&str; 6] =
    ["sshd", "sshd-session", "dropbear", "mosh-server", "telnetd", "in.telnetd"];

/// The variables of a log-in (POSIX, XBD 8.1; su(1), sudo(8), sshd(8)). Without them nobody logged in:
/// a service, or a command with an environment of its own.
const USERS: [&str; 3] = ["LOGNAME", "USER", "SUDO_USER"];

/// More ancestors than any session has.
const MOST: usize = 64;

/// Did the user of this process come over the network, as far as there are signs of it?
pub fn is_remote() -> bool {
    let set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if VARIABLES.iter().any(&set) {
        return true;
    }
    USERS.iter().any(set) && (has_server_above() || is_remote_session())
}

fn has_server_above() -> bool {
    // A name is bytes, and the kernel cuts it anywhere.
    let read = |file: &str| fs::read(file).map(|stat| String::from_utf8_lossy(&stat).into_owned());
    let mut stat = read("/proc/self/stat");
    for _ in 0..MOST {
        let Ok(Some((name, parent))) = stat.map(|text| name_and_parent(&text)) else {
            return false;
        };
        if SERVERS.contains(&name.as_str()) {
            return true;
        }
        stat = read(&format!("/proc/{parent}/stat"));
    }
    false
}

/// The second and fourth field of /proc/PID/stat (proc_pid_stat(5)); a name may hold anything, also `)`.
fn name_and_parent(stat: &str) -> Option<(String, u32)> {
    let (head, rest) = stat.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    Some((name.to_owned(), rest.split_whitespace().nth(1)?.parse().ok()?))
}

/// logind writes what it knows of a session for everybody to read, under the number that the kernel's
/// audit gave to it.
fn is_remote_session() -> bool {
    let Ok(session) = fs::read_to_string("/proc/self/sessionid") else { return false };
    let Ok(number) = session.trim().parse::<u32>() else { return false };
    let told = fs::read_to_string(format!("/run/systemd/sessions/{number}")).unwrap_or_default();
    told.lines().any(|line| line == "REMOTE=1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_way_to_another_parent() {
        let of = |stat: &str| name_and_parent(stat);
        assert_eq!(of("7 (sshd) S 1 7 7 0"), Some(("sshd".to_owned(), 1)));
        assert_eq!(of("7 (a) S 9 (b)) R 5 7 7"), Some(("a) S 9 (b)".to_owned(), 5)));
        assert_eq!(of("7 (cut"), None);
        assert_eq!(of(""), None);
    }
}
