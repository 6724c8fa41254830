//! Whether the processes of a unit have come to rest: all asleep, and using no processor time.
//!
//! So a service that has started is told from one that is still on its way to its end, however
//! slowly a loaded machine lets it run: a process that waits for a processor is not asleep.

use std::fs;

use crate::host::procfs::processes::pids;

/// What systemd calls a process of a unit until it executes the unit's program: `(nginx)`.
const BEFORE_EXEC: char = '(';

/// One look at the processes of a cgroup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Each thread with the processor time that it has used (in ticks).
    threads: Vec<(u32, u64)>,
    /// One does not wait for something, or has not begun.
    busy: bool,
}

impl Activity {
    /// Reads the state and the processor time of each thread in a cgroup.
    pub fn of(cgroup: &str) -> Self {
        let mut seen = Activity::default();
        for pid in pids(cgroup) {
            let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
            for task in tasks {
                let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
                match thread(&stat) {
                    Some((id, state, ticks, name)) => {
                        seen.threads.push((id, ticks));
                        seen.busy |= !matches!(state, 'S' | 'I' | 'Z' | 'X');
                        seen.busy |= name.starts_with(BEFORE_EXEC);
                    }
                    // It ended as it was read.
                    None => seen.busy = true,
                }
            }
        }
        seen.threads.sort_unstable();
        seen
    }

    /// Has nothing happened since an earlier look, to processes that are there?
    pub fn rests_since(&self, earlier: &Self) -> bool {
        !self.threads.is_empty() && !self.busy && !earlier.busy && self.threads == earlier.threads
    }
}

/// Id, state, processor time in ticks and name of a thread, from proc_pid_stat(5).
fn thread(stat: &str) -> Option<(u32, char, u64, &str)> {
    let (id, rest) = stat.split_once(" (")?;
    // The name may have brackets and blanks.
    let (name, rest) = rest.rsplit_once(") ")?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let user: u64 = fields.nth(10)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((id.parse().ok()?, state, user + system, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_read_whatever_its_name() {
        let line = |name: &str| {
            format!("7 ({name}) S 1 7 7 0 -1 4194560 1 2 3 4 11 22 5 6 20 0 1 0 99 0 0")
        };
        for name in ["cat", "(cat)", "a b) R", ""] {
            assert_eq!(thread(&line(name)), Some((7, 'S', 33, name)), "{name}");
        }
        assert_eq!(thread(""), None);
        assert_eq!(thread("7 (cat) S 1"), None);
    }

    #[test]
    fn only_what_sleeps_and_did_nothing_rests() {
        let look = |threads: &[(u32, u64)], busy| Activity { threads: threads.to_vec(), busy };
        let asleep = look(&[(1, 5)], false);
        assert!(asleep.rests_since(&asleep));
        for other in [look(&[(1, 4)], false), look(&[(2, 5)], false), look(&[(1, 5)], true)] {
            assert!(!asleep.rests_since(&other) && !other.rests_since(&asleep), "{other:?}");
        }
        assert!(!look(&[], false).rests_since(&look(&[], false)), "nothing is there");
    }
}
