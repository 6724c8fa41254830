//! Reading what a call left in its program's memory, and writing what it wants there, where that may
//! take for ever.
//!
//! A page can belong to a file that nobody delivers (FUSE): whoever touches it waits, and a caller
//! can choose such a page. So a process of its own does it, one call at a time, while the supervisor
//! answers the others; one that is late is killed, and its call is left to the kernel. After a few of
//! them no memory is touched any more: what needs it stays as the kernel has it.
//!
//! To write, the memory is opened first; then the supervisor looks whether the call still waits, which
//! says that what was opened is its caller's and not that of who has its number now; then it is
//! written.
//!
//! Not here: what the bytes mean (`answer.rs`, `option.rs`). The reader is started with the first call
//! that needs it: one of a 32-bit program, or about an option that MPTCP refuses.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};

use crate::inject::seccomp::sockets::MOST_VALUE;
use crate::inject::seccomp::supervisor::pair;
use crate::inject::seccomp::sys::{self, SLOTS};

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// So many bytes of a thread's memory.
    Read { thread: u32, address: u64, size: u32 },
    /// Have the memory at hand.
    Open { thread: u32 },
    /// Write them into the memory that was opened last.
    Write { address: u64, bytes: Vec<u8> },
}

/// The bytes that were read, none for the others; `None` when it could not be done, or not in time.
pub(super) type Answer = Option<Vec<u8>>;

/// The longest message: kind, thread, size, address, and a value with room for its length.
const MOST: usize = 20 + MOST_VALUE;

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
    waiting: VecDeque<(usize, Question)>,
    reader: Option<Reader>,
    late: u32,
}

/// The process that reads.
#[derive(Debug)]
struct Reader {
    pid: i32,
    line: OwnedFd,
    /// The slot that it was asked for, and when.
    asked: Option<(usize, Instant)>,
}

impl Memory {
    /// The call in this slot waits for an answer. What follows on an opened memory must come next: no
    /// other may be opened in between.
    pub(super) fn add(&mut self, slot: usize, question: Question) {
        match question {
            Question::Write { .. } => self.waiting.push_front((slot, question)),
            _ => self.waiting.push_back((slot, question)),
        }
    }

    /// What to wait on for the next answer, and how long at most; `None` when none is awaited.
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
    pub(super) fn step(&mut self, arrived: bool) -> Option<(usize, Answer)> {
        if let Some(done) = self.look_after_reader(arrived) {
            return Some(done);
        }
        if self.reader.as_ref().is_some_and(|reader| reader.asked.is_some()) {
            return None;
        }
        let (slot, question) = self.waiting.pop_front()?;
        if self.late >= MOST_LATE || self.ask(slot, &question).is_err() {
            return Some((slot, None));
        }
        None
    }

    /// The end of the reading that is under way, if it has one.
    fn look_after_reader(&mut self, arrived: bool) -> Option<(usize, Answer)> {
        let patience = self.patience();
        let reader = self.reader.as_mut()?;
        let (slot, since) = reader.asked?;
        if arrived {
            reader.asked = None;
            let answer = reader.answer();
            // One that is gone is not asked again.
            if answer.is_err() {
                self.reader = None;
            }
            return Some((slot, answer.ok().flatten()));
        }
        if since.elapsed() < patience {
            return None;
        }
        self.late += 1;
        self.reader = None;
        Some((slot, None))
    }

    fn ask(&mut self, slot: usize, question: &Question) -> io::Result<()> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => none.insert(Reader::start()?),
        };
        send(&reader.line, &question.message(), SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
        reader.asked = Some((slot, Instant::now()));
        Ok(())
    }
}

impl Question {
    fn message(&self) -> Vec<u8> {
        let (kind, thread, size, address, bytes) = match self {
            Question::Read { thread, address, size } => (0, *thread, *size, *address, &[][..]),
            Question::Open { thread } => (1, *thread, 0, 0, &[][..]),
            Question::Write { address, bytes } => (2, 0, 0, *address, &bytes[..]),
        };
        let mut message = Vec::with_capacity(MOST);
        for word in [kind, thread, size] {
            message.extend(u32::to_ne_bytes(word));
        }
        message.extend(address.to_ne_bytes());
        message.extend(bytes);
        message
    }

    fn parse(message: &[u8]) -> Option<Self> {
        let (words, rest) = message.split_first_chunk::<12>()?;
        let (address, bytes) = rest.split_first_chunk()?;
        let (words, _) = words.as_chunks::<4>();
        let [kind, thread, size] = [0, 1, 2].map(|at| u32::from_ne_bytes(words[at]));
        let address = u64::from_ne_bytes(*address);
        match kind {
            0 => Some(Question::Read { thread, address, size }),
            1 => Some(Question::Open { thread }),
            2 => Some(Question::Write { address, bytes: bytes.to_vec() }),
            _ => None,
        }
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
                let mut opened = None;
                while answer(theirs.as_fd(), &mut opened).is_ok() {}
                sys::exit(0);
            }
        }
    }

    /// What it has said.
    fn answer(&self) -> io::Result<Answer> {
        let mut bytes = [0; MOST];
        let (_, got) = recv(&self.line, &mut bytes, RecvFlags::DONTWAIT)?;
        match bytes.get(..got).and_then(<[u8]>::split_first) {
            Some((1, answer)) => Ok(Some(answer.to_vec())),
            Some(_) => Ok(None),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
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
fn answer(line: BorrowedFd<'_>, opened: &mut Option<File>) -> io::Result<()> {
    let mut question = [0; MOST];
    let (_, got) = recv(line, &mut question, RecvFlags::empty())?;
    let question = question.get(..got).and_then(Question::parse);
    let question = question.ok_or(io::ErrorKind::UnexpectedEof)?;
    let answer = match question {
        Question::Read { thread, address, size } => {
            sys::bytes_of(thread, address, (size as usize).min(MOST_VALUE)).ok()
        }
        Question::Open { thread } => {
            *opened = OpenOptions::new().write(true).open(format!("/proc/{thread}/mem")).ok();
            opened.as_ref().map(|_| Vec::new())
        }
        Question::Write { address, bytes } => opened
            .as_ref()
            .and_then(|memory| memory.write_all_at(&bytes, address).ok())
            .map(|()| Vec::new()),
    };
    let mut reply = vec![u8::from(answer.is_some())];
    reply.extend(answer.unwrap_or_default());
    send(line, &reply, SendFlags::NOSIGNAL)?;
    Ok(())
}
