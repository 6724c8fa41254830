//! Reading what a call left in its program's memory, where that may take for ever.
//!
//! A page can belong to a file that nobody delivers (FUSE): whoever reads it waits, and a caller
//! can choose such a page. So a process of its own reads, one call at a time, while the supervisor
//! answers the others; one that is late is killed, and its call is left to the kernel. After a few of
//! them no memory is read any more: what needs it stays on TCP.
//!
//! Not here: what the words mean (`answer.rs`). The reader is started with the first call that
//! needs it, which only 32-bit programs make.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};

use crate::inject::seccomp::supervisor::pair;
use crate::inject::seccomp::sys::{self, SLOTS};

/// Where the words of a call are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) thread: u32,
    pub(super) address: u32,
}

/// The words, if they could be read in time.
pub(super) type Words = Option<[u32; 3]>;

/// How long a reading may take. A page in use takes microseconds, one that was swapped out
/// milliseconds, and on a machine that is busy with other things more; only calls that need memory
/// wait meanwhile.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same while so many wait that the others would find no slot.
const CROWDED: Duration = Duration::from_millis(50);
const CROWD: usize = SLOTS / 2;
/// As many readings as may be late.
const MOST_LATE: u32 = 3;

/// The calls whose memory is to be read, and the one that is.
#[derive(Debug, Default)]
pub(super) struct Memory {
    waiting: VecDeque<(usize, Place)>,
    reader: Option<Reader>,
    late: u32,
}

/// The process that reads.
#[derive(Debug)]
struct Reader {
    pid: i32,
    line: OwnedFd,
    /// The slot whose words it was asked for, and when.
    asked: Option<(usize, Instant)>,
}

impl Memory {
    /// The call in this slot waits for its words.
    pub(super) fn add(&mut self, slot: usize, place: Place) {
        self.waiting.push_back((slot, place));
    }

    /// What to wait on for the next words, and how long at most; `None` when no words are awaited.
    pub(super) fn awaited(&self) -> Option<(BorrowedFd<'_>, Duration)> {
        let reader = self.reader.as_ref()?;
        let (_, since) = reader.asked?;
        Some((reader.line.as_fd(), self.patience().saturating_sub(since.elapsed())))
    }

    /// Is there a call to go on with at once?
    pub(super) fn is_ready(&self) -> bool {
        !self.waiting.is_empty() && self.awaited().is_none()
    }

    fn patience(&self) -> Duration {
        if self.waiting.len() > CROWD { CROWDED } else { PATIENCE }
    }

    /// Goes on: a slot whose call can be answered now, if there is one. `arrived` says that the
    /// reader has spoken.
    pub(super) fn step(&mut self, arrived: bool) -> Option<(usize, Words)> {
        if let Some(done) = self.look_after_reader(arrived) {
            return Some(done);
        }
        if self.reader.as_ref().is_some_and(|reader| reader.asked.is_some()) {
            return None;
        }
        let (slot, place) = self.waiting.pop_front()?;
        if self.late >= MOST_LATE || self.ask(slot, place).is_err() {
            return Some((slot, None));
        }
        None
    }

    /// The end of the reading that is under way, if it has one.
    fn look_after_reader(&mut self, arrived: bool) -> Option<(usize, Words)> {
        let patience = self.patience();
        let reader = self.reader.as_mut()?;
        let (slot, since) = reader.asked?;
        if arrived {
            reader.asked = None;
            let words = reader.words();
            // One that is gone is not asked again.
            if words.is_err() {
                self.reader = None;
            }
            return Some((slot, words.ok().flatten()));
        }
        if since.elapsed() < patience {
            return None;
        }
        self.late += 1;
        self.reader = None;
        Some((slot, None))
    }

    fn ask(&mut self, slot: usize, place: Place) -> io::Result<()> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => none.insert(Reader::start()?),
        };
        let mut question = [0; 8];
        question[..4].copy_from_slice(&place.thread.to_ne_bytes());
        question[4..].copy_from_slice(&place.address.to_ne_bytes());
        send(&reader.line, &question, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
        reader.asked = Some((slot, Instant::now()));
        Ok(())
    }
}

impl Reader {
    fn start() -> io::Result<Self> {
        let (line, theirs) = pair()?;
        match sys::fork()? {
            Some(pid) => Ok(Reader { pid, line, asked: None }),
            None => {
                // Before anything else: without its parent nobody would end it.
                let _ = set_parent_process_death_signal(Some(Signal::KILL));
                sys::set_name(c"mptcpize-reader");
                // Neither the listener, which must end with the supervisors, nor their lines.
                sys::close_all_but(vec![theirs.as_raw_fd()]);
                while answer(theirs.as_fd()).is_ok() {}
                sys::exit(0);
            }
        }
    }

    /// What it has said.
    fn words(&self) -> io::Result<Words> {
        let mut bytes = [0; 16];
        let (_, got) = recv(&self.line, &mut bytes, RecvFlags::DONTWAIT)?;
        if got != bytes.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (words, _) = bytes.as_chunks::<4>();
        let [fine, a, b, c] = [0, 1, 2, 3].map(|at| u32::from_ne_bytes(words[at]));
        Ok((fine == 1).then_some([a, b, c]))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // It is our child and not yet waited for, so its number is still its own. It may be in no
        // state to die at once; nobody waits for that.
        if let Some(pid) = Pid::from_raw(self.pid) {
            let _ = kill_process(pid, Signal::KILL);
        }
        sys::reap(Duration::ZERO);
    }
}

/// The reader's work: one question, one answer.
fn answer(line: BorrowedFd<'_>) -> io::Result<()> {
    let mut question = [0; 8];
    let (_, got) = recv(line, &mut question, RecvFlags::empty())?;
    if got != question.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let (words, _) = question.as_chunks::<4>();
    let [thread, address] = [0, 1].map(|at| u32::from_ne_bytes(words[at]));
    let found = sys::words_of(thread, address).ok();
    let [a, b, c] = found.unwrap_or_default();
    let mut reply = [0; 16];
    for (place, word) in reply.chunks_mut(4).zip([u32::from(found.is_some()), a, b, c]) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
    send(line, &reply, SendFlags::NOSIGNAL)?;
    Ok(())
}
