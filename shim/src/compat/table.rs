//! What the library knows of each descriptor: two words, written with single atomic operations.
//!
//! Static and untouched until a socket needs them, so a program without sockets pays nothing but
//! address space. `close` is not hooked (it is too hot, and ends a wait of cancelled threads), so
//! an entry may be older than its descriptor: whoever acts on one asks the kernel first whether
//! the socket is what the entry says.

use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

use crate::sys::spin;

/// How many descriptors the tables have room for; sockets with higher numbers never become TCP. Linux
/// programs may have a million descriptors, but few have more than this many, and the tables are address
/// space.
const SIZE: usize = 65536;

/// `socket()` gave MPTCP where the program asked for TCP.
pub(crate) const OURS: u64 = 1 << 63;
/// The file has another descriptor (dup, fork, SCM_RIGHTS) that a replacement would not reach.
pub(crate) const SHARED: u64 = 1 << 62;
/// `connect` was called: whatever the kernel made of that, a new socket has not been through it.
pub(crate) const TRIED: u64 = 1 << 61;
/// The program gives it its address, or has given it.
pub(crate) const BOUND: u64 = 1 << 60;
/// An option was set that cannot be set again.
pub(crate) const OTHER: u64 = 1 << 59;
/// It is registered in an epoll.
pub(crate) const POLLED: u64 = 1 << 58;
/// A thread is just putting TCP in its place: whatever is done to the old socket now is lost.
pub(crate) const MOVING: u64 = 1 << 57;
/// A listener whose connections have the window that they need (`room.rs`).
pub(crate) const ROOMY: u64 = 1 << 56;
/// How many bits are left below: those of the options that were set, `LIST` of `options.rs`.
pub(crate) const OPTION_BITS: u32 = 56;

/// Of each descriptor the bits above; 0 for what is not ours.
static STATE: [AtomicU64; SIZE] = [const { AtomicU64::new(0) }; SIZE];

/// Hints (`hints.rs`) or the epoll (`epoll.rs`) of a descriptor.
static NOTES: [AtomicU64; SIZE] = [const { AtomicU64::new(0) }; SIZE];

/// The note holds an epoll (`epoll.rs`) and no hints (`hints.rs`).
pub(crate) const IS_EPOLL: u64 = 1 << 63;

/// The parts of [`STATE`], a page each, in which a descriptor was ever [`OURS`].
static USED: [AtomicBool; SIZE / PART] = [const { AtomicBool::new(false) }; SIZE / PART];
/// Entries of [`STATE`] in a page of 4,096 bytes.
const PART: usize = 512;

/// Is any of [`USED`] true?
static ANY: AtomicBool = AtomicBool::new(false);

/// The entry of a descriptor; `None` where it [`is_beyond`].
fn state(fd: c_int) -> Option<&'static AtomicU64> {
    // A negative number becomes an index beyond the end.
    STATE.get(fd as usize)
}

/// Is its number too high for the table?
pub(crate) fn is_beyond(fd: c_int) -> bool {
    fd as usize >= SIZE
}

/// Enters a new MPTCP socket that the program takes for TCP.
#[inline(always)]
pub(crate) fn upgraded(fd: c_int) {
    // Its note may be of an earlier socket; whoever reads one checks that.
    if let Some(word) = state(fd)
        && let Some(used) = USED.get(fd as usize / PART)
    {
        word.store(OURS, Relaxed);
        used.store(true, Relaxed);
        ANY.store(true, Relaxed);
    }
}

/// Was any descriptor ever [`OURS`]?
#[inline(always)]
pub(crate) fn is_used() -> bool {
    ANY.load(Relaxed)
}

/// Forgets a descriptor, which is something else now.
#[inline(never)]
pub(crate) fn forget(fd: c_int) {
    // Reading first leaves pages of descriptors that never mattered untouched.
    if let Some(word) = state(fd)
        && word.load(Relaxed) != 0
    {
        word.store(0, Relaxed);
    }
}

/// The bits of a descriptor; 0 for one that is not ours.
#[inline(never)]
pub(crate) fn get(fd: c_int) -> u64 {
    // SeqCst here and in `add` and `take`: a thread that set an option and one that demotes must
    // not both miss each other.
    state(fd).map_or(0, |word| word.load(SeqCst))
}

/// Sets bits of a socket of ours; false when it is none, or another thread is just replacing it.
#[inline]
pub(crate) fn add(fd: c_int, bits: u64) -> bool {
    let Some(word) = state(fd) else { return false };
    let stays = |state: u64| state & (OURS | MOVING) == OURS;
    let now = word.load(SeqCst);
    stays(now) && (now & bits == bits || stays(word.fetch_or(bits, SeqCst)))
}

/// Is a thread just replacing the socket?
pub(crate) fn is_moving(fd: c_int) -> bool {
    get(fd) & MOVING != 0
}

/// Waits until no other thread is just replacing the socket.
pub(crate) fn settle(fd: c_int) {
    spin::until(|| !is_moving(fd));
}

/// Clears bits of a descriptor.
pub(crate) fn remove(fd: c_int, bits: u64) {
    if let Some(word) = state(fd) {
        word.fetch_and(!bits, SeqCst);
    }
}

/// Before a socket is replaced: true when its bits are still those that were read before, `known`. From
/// then on [`add`] says no, so that other threads wait for the new socket and do again what they did.
pub(crate) fn take(fd: c_int, known: u64) -> bool {
    known & MOVING == 0
        && state(fd).is_some_and(|word| {
            word.compare_exchange(known, known | MOVING, SeqCst, SeqCst).is_ok()
        })
}

/// After [`take`], when the socket could not be replaced.
pub(crate) fn give_back(fd: c_int) {
    remove(fd, MOVING);
}

/// The note of a descriptor, which may be an earlier socket's; 0 for none.
#[inline]
pub(crate) fn note(fd: c_int) -> u64 {
    NOTES.get(fd as usize).map_or(0, |word| word.load(Relaxed))
}

/// Sets the note of a descriptor.
pub(crate) fn set_note(fd: c_int, value: u64) {
    if let Some(word) = NOTES.get(fd as usize) {
        word.store(value, Relaxed);
    }
}

/// Notes that a fork copies every descriptor, so that none of ours is this process's alone any more.
/// `moving` is called with each that a thread is just about to replace.
pub(crate) fn share_all(moving: impl Fn(c_int)) {
    for (index, (part, used)) in STATE.chunks_exact(PART).zip(&USED).enumerate() {
        if used.load(Relaxed) {
            for (word, fd) in part.iter().zip((index * PART) as c_int..) {
                if word.load(Relaxed) & OURS != 0 && word.fetch_or(SHARED, SeqCst) & MOVING != 0 {
                    moving(fd);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use super::*;

    /// A fork marks every socket of the table, those of another test too.
    static TABLE: Mutex<()> = Mutex::new(());

    #[test]
    fn only_sockets_of_ours_take_bits_and_only_unchanged_ones_are_taken() {
        let _alone = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(!add(60_000, BOUND), "unknown");
        upgraded(60_000);
        assert!(add(60_000, BOUND));
        let known = get(60_000);
        assert_eq!(known, OURS | BOUND);
        assert!(add(60_000, TRIED));
        assert!(!take(60_000, known), "another thread was faster");
        assert!(take(60_000, get(60_000)));
        assert!(!add(60_000, 1) && !take(60_000, get(60_000)), "it is about to be replaced");
        give_back(60_000);
        assert!(add(60_000, 1));
        forget(60_000);
        assert!(!add(60_000, 1), "no longer ours");
        for outside in [-1, c_int::MIN, SIZE as c_int, c_int::MAX] {
            upgraded(outside);
            assert!(is_beyond(outside) && !is_beyond(60_000));
            assert_eq!(get(outside), 0);
            assert!(!add(outside, 1) && !take(outside, 0));
        }
    }

    #[test]
    fn a_fork_shares_what_is_ours_and_nothing_else() {
        let _alone = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
        upgraded(60_010);
        upgraded(60_011);
        forget(60_011);
        share_all(|fd| panic!("nobody replaces {fd}"));
        assert_eq!((get(60_010), get(60_011)), (OURS | SHARED, 0));
    }
}
