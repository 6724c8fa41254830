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
    look: u32,
    moved: u64,
}

impl Activity {
    /// A connection begins.
    pub fn start(&self) -> Seen {
        Seen { look: self.look.load(Ordering::Relaxed).wrapping_sub(1), moved: 0 }
    }

    /// A connection has moved so many bytes since its start. It is counted once for each look.
    pub fn note(&self, seen: &mut Seen, moved: u64) {
        let look = self.look.load(Ordering::Relaxed);
        if seen.look != look && seen.moved != moved {
            *seen = Seen { look, moved };
            self.busy.fetch_add(1, Ordering::Relaxed);
        }
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
}
