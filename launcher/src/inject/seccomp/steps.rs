//! Answering one call, step by step where its program's memory or socket must be asked.
//!
//! Not here: what is answered (`answer.rs`, `option.rs`), how memory is asked (`memory.rs`).

use std::mem;

use crate::inject::seccomp::answer::Responder;
use crate::inject::seccomp::call::{self, Call, SocketOption, Wanted};
use crate::inject::seccomp::caller::Unsuited;
use crate::inject::seccomp::memory::{Answer, Question};
use crate::inject::seccomp::option::Verdict;
use crate::inject::seccomp::outcome::{MOST_ATTEMPTS, Outcome};
use crate::inject::seccomp::sys::Reply;

/// How far the answer to a call has come, where it takes more than one step.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Progress {
    #[default]
    New,
    /// Its arguments are read.
    Arguments,
    /// An option is looked after; true when it is to be set.
    Option(bool, SocketOption),
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Step {
    /// A question to the program's memory.
    Ask(Question),
    /// The call is answered, and its slot empty.
    Done,
}

impl Responder {
    /// Goes on with the call in this slot; `got` is the answer to what it asked.
    pub(super) fn go_on(&self, number: usize, progress: &mut Progress, got: Answer) -> Step {
        let slot = self.slots.read(number);
        let (id, thread) = (slot.call.id, slot.call.pid);
        let step = match (mem::take(progress), got) {
            (Progress::New, _) => self.begin(number, progress),
            (Progress::Arguments, Some(bytes)) => match call::of(&slot.call.data, &bytes) {
                Some(call) => self.call(number, call, progress),
                None => self.unread(id, thread),
            },
            (Progress::Arguments, None) => self.unread(id, thread),
            (Progress::Option(sets, asked), got) => {
                let verdict = got.map_or(Verdict::Kernel, |bytes| Verdict::of(&bytes));
                self.option(id, thread, (sets, asked), verdict)
            }
        };
        match step {
            Some(question) => Step::Ask(question),
            None => {
                self.slots.clear(number);
                Step::Done
            }
        }
    }

    fn begin(&self, number: usize, progress: &mut Progress) -> Option<Question> {
        let mut slot = self.slots.read(number);
        slot.attempts += 1;
        self.slots.write(number, slot);
        let (id, thread) = (slot.call.id, slot.call.pid);
        if slot.given > 0 {
            let fd = slot.given - 1;
            return self.close(id, thread, Reply::Value(fd), Outcome::Mptcp(fd));
        }
        if slot.attempts > MOST_ATTEMPTS {
            return self.close(id, thread, Reply::Continue, Outcome::GivenUp);
        }
        if let Some((address, size)) = call::in_memory(&slot.call.data) {
            *progress = Progress::Arguments;
            return Some(Question::Read { thread, address, size });
        }
        let call = call::of(&slot.call.data, &[]).unwrap_or(Call::Other);
        self.call(number, call, progress)
    }

    /// A call whose arguments are known.
    fn call(&self, number: usize, call: Call, progress: &mut Progress) -> Option<Question> {
        let slot = self.slots.read(number);
        let (id, thread) = (slot.call.id, slot.call.pid);
        let (sets, asked) = match call {
            Call::Socket(wanted) if wanted.is_tcp() => {
                self.socket(number, id, thread, wanted);
                return None;
            }
            Call::Set(asked) => (true, asked),
            Call::Get(asked) => (false, asked),
            Call::Socket(_) | Call::Other => return self.end(id, Reply::Continue),
        };
        // Of socketcall(2) all are seen here.
        if !self.refused.has(sets, asked.level, asked.name) {
            return self.end(id, Reply::Continue);
        }
        match self.callers.owner(thread) {
            Ok(_) => {}
            // As for socket(2).
            Err(Unsuited::Confined) => return self.end(id, Reply::Error(libc::EPERM)),
            Err(_) => return self.end(id, Reply::Continue),
        }
        if !self.callers.may_be_mptcp(thread, asked.fd) {
            return self.end(id, Reply::Continue);
        }
        *progress = Progress::Option(sets, asked);
        Some(Question::Option { id, thread, sets, asked })
    }

    fn option(
        &self,
        id: u64,
        thread: u32,
        (sets, asked): (bool, SocketOption),
        verdict: Verdict,
    ) -> Option<Question> {
        // Asked before the answer: afterwards the caller may be gone.
        let who = self.trace.as_ref().filter(|_| sets).map(|_| self.callers.name(thread));
        self.end(
            id,
            match verdict {
                Verdict::Kernel | Verdict::Replaced | Verdict::Stays => Reply::Continue,
                Verdict::Done => Reply::Value(0),
                Verdict::Failed(errno) => Reply::Error(errno),
            },
        );
        if let (Some(trace), Some(who)) = (&self.trace, who) {
            trace.option(&who, asked, verdict);
        }
        None
    }

    /// Answers, whether the caller still waits or not.
    fn end(&self, id: u64, reply: Reply) -> Option<Question> {
        self.finish(id, reply, Outcome::Gone);
        None
    }

    /// Ends a call whose question is not known any more, with a record of how.
    fn close(&self, id: u64, thread: u32, reply: Reply, outcome: Outcome) -> Option<Question> {
        let who = self.trace.as_ref().map(|_| self.callers.name(thread));
        let outcome = self.finish(id, reply, outcome);
        if let (Some(trace), Some(who)) = (&self.trace, who) {
            let unknown = Wanted { domain: -1, kind: libc::SOCK_STREAM, protocol: 0 };
            trace.call(&who, unknown, outcome);
        }
        None
    }

    /// Arguments that nobody can read.
    fn unread(&self, id: u64, thread: u32) -> Option<Question> {
        self.close(id, thread, Reply::Continue, Outcome::Unsuited(Unsuited::Unread))
    }
}
