//! The hooks of calls that wait, with something to do before or after them: accept, poll, epoll_wait,
//! recv and read in their forms. Each is a step (`sys/wait.rs`), which itself never waits.

use core::ffi::{CStr, c_int};

use crate::compat::{ended, limit, room, table};
use crate::sys;
use crate::sys::wait::{Call, Step};
use crate::sys::{clock, events, next};
use crate::waits;

waits!(
    /// `accept(2)`, for listeners with a time limit and connections over loopback.
    fn accept, accept_step
);
waits!(
    /// `accept4(2)`.
    fn accept4, accept4_step
);
waits!(
    /// `poll(2)`, for connections that ended with an error.
    fn poll, poll_step
);
waits!(
    /// `ppoll(2)`.
    fn ppoll, ppoll_step
);
waits!(
    /// `poll` as `_FORTIFY_SOURCE` has it: with the size of the array.
    fn __poll_chk, poll_checked
);
waits!(
    /// `ppoll` with the size of the array.
    fn __ppoll_chk, ppoll_checked
);
waits!(
    /// `epoll_wait(2)`.
    fn epoll_wait, epoll_wait_step
);
waits!(
    /// `epoll_pwait(2)`.
    fn epoll_pwait, epoll_pwait_step
);
waits!(
    /// `epoll_pwait2(2)`.
    fn epoll_pwait2, epoll_pwait2_step
);
waits!(
    /// `recv(2)`.
    fn recv, recv_step
);
waits!(
    /// `recvfrom(2)`.
    fn recvfrom, recvfrom_step
);
waits!(
    /// `recv` with the size of the buffer.
    fn __recv_chk, recv_checked
);
waits!(
    /// `recvmsg(2)`.
    fn recvmsg, recvmsg_step
);
waits!(
    /// `read(2)`.
    fn read, read_step
);
waits!(
    /// `read` with the size of the buffer.
    fn __read_chk, read_checked
);
waits!(
    /// `readv(2)`.
    fn readv, readv_step
);

/// The phase in which every hook begins.
const START: usize = 0;
/// The phase in which libc's function has answered.
const ANSWERED: usize = 1;
/// The phase in which `accept` has waited for a connection within its limit.
const POLLED: usize = 2;

/// Calls the function, looks at an answer that is an int, and returns it.
#[inline(always)]
fn looked_at(
    call: &mut Call,
    result: isize,
    which: fn() -> usize,
    look: fn(&Call, c_int),
) -> usize {
    if call.phase == START {
        call.phase = ANSWERED;
        return which();
    }
    let result = result as c_int;
    look(call, result);
    call.done(result as isize)
}

extern "C" fn poll_step(call: &mut Call, result: isize) -> usize {
    looked_at(call, result, next::poll, polled)
}

extern "C" fn ppoll_step(call: &mut Call, result: isize) -> usize {
    looked_at(call, result, next::ppoll, polled)
}

/// Looks at the answer of `poll`: its arguments are an array and a length.
fn polled(call: &Call, result: c_int) {
    if result > 0 {
        ended::polled(call.arguments[0], call.arguments[1]);
    }
}

extern "C" fn poll_checked(call: &mut Call, result: isize) -> usize {
    let fits = call.arguments[3] / events::SIZE_OF_POLLED >= call.arguments[1];
    checked(call, result, fits, c"__poll_chk", poll_step)
}

extern "C" fn ppoll_checked(call: &mut Call, result: isize) -> usize {
    let fits = call.arguments[4] / events::SIZE_OF_POLLED >= call.arguments[1];
    checked(call, result, fits, c"__ppoll_chk", ppoll_step)
}

/// Goes on as `step`, the hook of the function without the check, where the program's buffer `fits`;
/// else calls libc's function of this name, which ends the program.
fn checked(call: &mut Call, result: isize, fits: bool, name: &CStr, step: Step) -> usize {
    if fits {
        return call.become_step(step);
    }
    if call.phase != START {
        return call.done(result);
    }
    call.phase = ANSWERED;
    call.result = -1;
    next::by_name(name)
}

extern "C" fn epoll_wait_step(call: &mut Call, result: isize) -> usize {
    looked_at(call, result, next::epoll_wait, waited)
}

extern "C" fn epoll_pwait_step(call: &mut Call, result: isize) -> usize {
    looked_at(call, result, next::epoll_pwait, waited)
}

extern "C" fn epoll_pwait2_step(call: &mut Call, result: isize) -> usize {
    looked_at(call, result, next::epoll_pwait2, waited)
}

/// Looks at the answer of `epoll_wait`: its arguments are the epoll and an array.
fn waited(call: &Call, result: c_int) {
    if result > 0 {
        ended::waited(call.fd(), call.arguments[1], result as usize);
    }
}

extern "C" fn recvfrom_step(call: &mut Call, result: isize) -> usize {
    received(call, result, next::recvfrom)
}

extern "C" fn recv_step(call: &mut Call, result: isize) -> usize {
    // recv(2) is recvfrom(2) with two arguments more, both null.
    call.arguments[4] = 0;
    call.arguments[5] = 0;
    received(call, result, next::recv)
}

extern "C" fn recv_checked(call: &mut Call, result: isize) -> usize {
    let fits = call.arguments[2] <= call.arguments[3];
    if fits {
        call.arguments[3] = call.arguments[4];
    }
    checked(call, result, fits, c"__recv_chk", recv_step)
}

extern "C" fn recvmsg_step(call: &mut Call, result: isize) -> usize {
    received(call, result, next::recvmsg)
}

extern "C" fn read_step(call: &mut Call, result: isize) -> usize {
    received(call, result, next::read)
}

extern "C" fn read_checked(call: &mut Call, result: isize) -> usize {
    let fits = call.arguments[2] <= call.arguments[3];
    checked(call, result, fits, c"__read_chk", read_step)
}

extern "C" fn readv_step(call: &mut Call, result: isize) -> usize {
    received(call, result, next::readv)
}

/// Calls the function, and looks at a failure.
#[inline(always)]
fn received(call: &mut Call, result: isize, which: fn() -> usize) -> usize {
    if call.phase == START {
        call.phase = ANSWERED;
        return which();
    }
    if result < 0 {
        ended::failed(call.fd());
    }
    call.done(result)
}

extern "C" fn accept_step(call: &mut Call, result: isize) -> usize {
    accepting(call, result, next::accept)
}

extern "C" fn accept4_step(call: &mut Call, result: isize) -> usize {
    accepting(call, result, next::accept4)
}

/// In `kept`, behind the four arguments of `accept`: when its limit is over, in milliseconds since the
/// boot, or 0 for none.
const DEADLINE: usize = 4;
/// In `kept`: the `struct pollfd` that poll is asked about.
const ASKED: usize = 5;
/// In `kept`: whether the connection is to be looked at.
const LOOKS: usize = 6;

/// The steps of `accept` and `accept4`; `which` is the function itself.
#[inline(always)]
fn accepting(call: &mut Call, result: isize, which: fn() -> usize) -> usize {
    if call.phase == START {
        let state = table::get(call.fd());
        call.kept[LOOKS] = usize::from(room::is_looked_for(state));
        if !limit::may_be(state) {
            call.phase = ANSWERED;
            return which();
        }
    } else if call.phase == ANSWERED {
        if call.kept[LOOKS] == 0 {
            return call.done(result as c_int as isize);
        }
        return accepted(call, result as c_int);
    }
    match within_limit(call, result as c_int) {
        Within::Accept => which(),
        Within::Wait => next::poll(),
        Within::Over => 0,
    }
}

/// What a listener with a time limit is to do next.
enum Within {
    /// Call `accept`.
    Accept,
    /// Call `poll`.
    Wait,
    /// Return: the limit is over, or poll has failed.
    Over,
}

/// The next action for a listener that may have a time limit. It is polled first, for as long as the
/// limit says; `accept` then finds the connection and does not wait. `polled` is poll's answer.
#[cold]
#[inline(never)]
fn within_limit(call: &mut Call, polled: c_int) -> Within {
    if call.phase == START {
        call.kept[..DEADLINE].copy_from_slice(&call.arguments[..DEADLINE]);
        call.kept[DEADLINE] = 0;
        let Some(milliseconds) = limit::of(call.fd()) else {
            call.phase = ANSWERED;
            return Within::Accept;
        };
        call.kept[DEADLINE] = clock::now().saturating_add(milliseconds).max(1) as usize;
    } else if polled <= 0 {
        if polled == 0 {
            sys::set_errno(libc::EAGAIN);
        }
        call.done(-1);
        return Within::Over;
    } else if limit::take(call.kept[0] as c_int) {
        call.arguments[..DEADLINE].copy_from_slice(&call.kept[..DEADLINE]);
        call.kept[LOOKS] |= TAKEN;
        call.phase = ANSWERED;
        return Within::Accept;
    }
    let left = (call.kept[DEADLINE] as u64).saturating_sub(clock::now());
    // struct pollfd: a descriptor, events, and what the kernel answers.
    call.kept[ASKED] = (libc::POLLIN as usize) << 32 | call.kept[0] as u32 as usize;
    call.arguments[0] = &raw const call.kept[ASKED] as usize;
    call.arguments[1] = 1;
    call.arguments[2] = left.min(c_int::MAX as u64) as usize;
    call.phase = POLLED;
    Within::Wait
}

/// In [`LOOKS`]: this thread has taken the connection.
const TAKEN: usize = 2;

/// Ends the hook with the accepted descriptor (or -1), which is looked at first if it is to be.
#[cold]
#[inline(never)]
fn accepted(call: &mut Call, new: c_int) -> usize {
    if call.kept[LOOKS] & TAKEN != 0 {
        limit::give_back();
    }
    if new >= 0 && call.kept[LOOKS] & !TAKEN != 0 {
        // The first argument is the listener again, after poll had its place.
        room::accepted(call.fd(), new);
    }
    call.done(new as isize)
}
