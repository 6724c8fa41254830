//! Which connections moved bytes lately: those that an uplink is busy with.

use std::sync::atomic::{AtomicU32, Ordering};

/// Connections of one uplink that moved bytes since the last look.
#[derive(Debug, Default)]
pub struct Activity {
    /// The number of the present look.
    look: AtomicU32,
    /// Connections that moved bytes since that look.
    busy: AtomicU32,
}

/// What one connection remembers of that.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// The look in which it was counted last, and whether it was in the one before.
    look: u32,
    before: bool,
    moved: u64,
}

impl Activity {
    /// A connection begins.
    pub fn start(&self) -> Seen {
        let look = self.look.load(Ordering::Relaxed).wrapping_sub(2);
        Seen { look, before: false, moved: 0 }
    }

    /// A connection has moved so many bytes since its start. It is counted once for each look.
    pub fn note(&self, seen: &mut Seen, moved: u64) {
        let look = self.look.load(Ordering::Relaxed);
        if seen.look != look && seen.moved != moved {
            *seen = Seen { look, before: seen.look == look.wrapping_sub(1), moved };
            self.busy.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A connection ends: was it counted in the look that ended last?
    pub fn was_counted(&self, seen: &Seen) -> bool {
        let look = self.look.load(Ordering::Relaxed);
        seen.look == look.wrapping_sub(1) || (seen.look == look && seen.before)
    }

    /// Ends a look: how many connections moved bytes since the last one.
    pub fn take(&self) -> u32 {
        self.look.fetch_add(1, Ordering::Relaxed);
        self.busy.swap(0, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_counts_once_for_each_look_in_which_it_moved() {
        let activity = Activity::default();
        let (mut one, mut other) = (activity.start(), activity.start());
        activity.note(&mut other, 0);
        for moved in 1..5 {
            activity.note(&mut one, moved);
        }
        assert_eq!(activity.take(), 1);
        activity.note(&mut other, 7);
        // What moved before the look and was not told is told by the next note.
        activity.note(&mut one, 9);
        assert_eq!(activity.take(), 2);
        activity.note(&mut one, 9);
        assert_eq!(activity.take(), 0);
    }

    #[test]
    fn a_connection_that_ends_knows_whether_the_last_look_counted_it() {
        let activity = Activity::default();
        let mut seen = activity.start();
        assert!(!activity.was_counted(&seen), "no look has ended");
        activity.note(&mut seen, 1);
        assert!(!activity.was_counted(&seen), "nor now");
        activity.take();
        assert!(activity.was_counted(&seen));
        activity.note(&mut seen, 2);
        assert!(activity.was_counted(&seen), "in the last look and in this one");
        activity.take();
        activity.take();
        assert!(!activity.was_counted(&seen), "it was idle");
        activity.note(&mut seen, 3);
        assert!(!activity.was_counted(&seen), "it moves again, and no look has ended");
    }
}
