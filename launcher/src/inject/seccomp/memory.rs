//! What a call needs that may take for ever, because its program can make it so: reading and writing
//! memory, and asking a socket.
//!
//! A page can belong to a file that nobody delivers (FUSE): whoever touches it waits, and a caller
//! can choose such a page; a thread that waits for one while it sends holds its socket, and who asks
//! that one waits too. So a process of its own does it, one call at a time, while the supervisor
//! answers the others; one that is late is killed, and its call is left to the kernel. After a few of
//! them nothing is done any more: what needs it stays as the kernel has it.
//!
//! Not here: what is done about options (`option.rs`). The process is started with the first call that
//! needs it: one of a 32-bit program, or about an option that MPTCP refuses.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};

use crate::inject::seccomp::answer::Responder;
use crate::inject::seccomp::call::SocketOption;
use crate::inject::seccomp::option;
use crate::inject::seccomp::sys::{self, SLOTS};
use crate::syscall::message::pair;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// So many bytes of a thread's memory.
    Read { thread: u32, address: u64, size: u32 },
    /// The option of the call `id`, set or told.
    Option { id: u64, thread: u32, sets: bool, asked: SocketOption },
}

/// What was read, or the bytes of the verdict about an option (`option.rs`); `None` when it could not
/// be done, or not in time.
pub(super) type Answer = Option<Vec<u8>>;

/// The longest question, and the longest answer: five words of arguments, and whether they are there.
const MOST: usize = 64;

/// How long a reading may take. A page in use takes microseconds, one that was swapped out
/// milliseconds, and on a machine that is busy with other things more; only calls that need memory
/// wait meanwhile.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a reading may take while so many wait that other calls would find no slot.
const CROWDED: Duration = Duration::from_millis(50);
const CROWD: usize = SLOTS / 2;
/// How long it may take where the process that reads gets no processor: then it is not the memory.
const STARVED: Duration = Duration::from_secs(20);
/// How often we look whether that is still so.
const LOOK: Duration = Duration::from_millis(20);
/// As many readings as may be late.
const MOST_LATE: u32 = 3;

/// The calls whose memory is to be read, and the one that is.
#[derive(Debug)]
pub(super) struct Memory<'a> {
    responder: &'a Responder,
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

impl<'a> Memory<'a> {
    /// Nothing waits, and no process is there.
    pub(super) fn new(responder: &'a Responder) -> Self {
        Memory { responder, waiting: VecDeque::new(), reader: None, late: 0 }
    }

    /// The call in this slot waits for an answer.
    pub(super) fn add(&mut self, slot: usize, question: Question) {
        self.waiting.push_back((slot, question));
    }

    /// What to wait on for the next answer, and how long at most; `None` when none is awaited.
    pub(super) fn awaited(&self) -> Option<(BorrowedFd<'_>, Duration)> {
        let reader = self.reader.as_ref()?;
        let (_, since) = reader.asked?;
        let left = self.patience().saturating_sub(since.elapsed());
        Some((reader.line.as_fd(), left.max(LOOK)))
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
        if self.late >= MOST_LATE || self.ask(slot, question).is_err() {
            return Some((slot, None));
        }
        None
    }

    /// The end of the reading that is under way, if it has one.
    fn look_after_reader(&mut self, arrived: bool) -> Option<(usize, Answer)> {
        let patience = self.patience();
        let reader = self.reader.as_mut()?;
        let (slot, since) = reader.asked?;
        let elapsed = since.elapsed();
        let may_come =
            elapsed < patience || elapsed < STARVED && reader.is_runnable(self.responder);
        if !arrived && may_come {
            return None;
        }
        // It may have spoken since that was looked at.
        let answer = reader.answer();
        reader.asked = None;
        if let Err(error) = &answer {
            // One that is gone, or late, is not asked again.
            self.late += u32::from(error.kind() == io::ErrorKind::WouldBlock);
            self.reader = None;
        }
        Some((slot, answer.ok().flatten()))
    }

    fn ask(&mut self, slot: usize, question: Question) -> io::Result<()> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => none.insert(Reader::start(self.responder)?),
        };
        send(&reader.line, &question.message(), SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
        reader.asked = Some((slot, Instant::now()));
        Ok(())
    }
}

impl Question {
    fn message(self) -> Vec<u8> {
        let words = match self {
            Question::Read { thread, address, size } => {
                [0, thread.into(), address, size.into(), 0, 0, 0, 0]
            }
            Question::Option { id, thread, sets, asked } => {
                let [fd, level, name] =
                    [asked.fd, asked.level, asked.name].map(|word| u64::from(word.cast_unsigned()));
                let kind = if sets { 1 } else { 2 };
                [kind, thread.into(), id, fd, level, name, asked.value, asked.size]
            }
        };
        words.into_iter().flat_map(u64::to_ne_bytes).collect()
    }

    fn parse(message: &[u8]) -> Option<Self> {
        let (words, _) = message.as_chunks::<8>();
        let words: [u64; 8] = words
            .iter()
            .map(|word| u64::from_ne_bytes(*word))
            .collect::<Vec<_>>()
            .try_into()
            .ok()?;
        let [kind, thread, first, rest @ ..] = words;
        let thread = thread as u32;
        if kind == 0 {
            return Some(Question::Read { thread, address: first, size: rest[0] as u32 });
        }
        let [fd, level, name, value, size] = rest;
        let int = |word: u64| (word as u32).cast_signed();
        let asked = SocketOption { fd: int(fd), level: int(level), name: int(name), value, size };
        Some(Question::Option { id: first, thread, sets: kind == 1, asked })
    }
}

impl Reader {
    fn start(responder: &Responder) -> io::Result<Self> {
        let (line, theirs) = pair()?;
        match sys::fork()? {
            Some(pid) => Ok(Reader { pid, line, asked: None }),
            None => {
                // Before anything else: without its parent nobody would end it.
                let _ = set_parent_process_death_signal(Some(Signal::KILL));
                sys::set_name(c"mptcpize-reader");
                // Not the lines of the supervisors, whose ends tell each other's death.
                responder.callers.forget();
                let proc = responder.callers.proc().as_raw_fd();
                sys::close_all_but(vec![
                    theirs.as_raw_fd(),
                    responder.listener().as_raw_fd(),
                    proc,
                ]);
                while answer(responder, theirs.as_fd()).is_ok() {}
                sys::exit(0);
            }
        }
    }

    /// Does it run, or wait for nothing but a processor? Who waits for a page or a socket sleeps.
    fn is_runnable(&self, responder: &Responder) -> bool {
        let stat = responder.callers.text(&format!("{}/stat", self.pid)).unwrap_or_default();
        stat.rsplit(") ").next().is_some_and(|fields| fields.starts_with('R'))
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
fn answer(responder: &Responder, line: BorrowedFd<'_>) -> io::Result<()> {
    let mut question = [0; MOST];
    let (_, got) = recv(line, &mut question, RecvFlags::empty())?;
    let question = question.get(..got).and_then(Question::parse);
    let answer = match question.ok_or(io::ErrorKind::UnexpectedEof)? {
        Question::Read { thread, address, size } => {
            sys::bytes_of(thread, address, (size as usize).min(MOST - 1)).ok()
        }
        Question::Option { id, thread, sets, asked } => {
            let call = (responder.listener(), id, thread);
            let verdict = match sets {
                true => option::set(&responder.callers, &responder.refused.both, call, asked),
                false => option::get(&responder.callers, call, asked),
            };
            Some(verdict.bytes().to_vec())
        }
    };
    let mut reply = vec![u8::from(answer.is_some())];
    reply.extend(answer.unwrap_or_default());
    send(line, &reply, SendFlags::NOSIGNAL)?;
    Ok(())
}
