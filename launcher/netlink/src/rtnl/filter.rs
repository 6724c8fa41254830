//! A filter for routes and neighbours in the kernel, before a message is queued: on a host that speaks
//! BGP a million routes come and go in seconds, and fill any queue; and neighbours become stale and are
//! confirmed all day.

#![allow(unsafe_code, reason = "setsockopt(2) with a program has no safe binding")]

use std::io;
use std::mem::size_of_val;
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::{
    BPF_ABS, BPF_B, BPF_H, BPF_JEQ, BPF_JGT, BPF_JMP, BPF_K, BPF_LD, BPF_RET, sock_filter,
    sock_fprog,
};

/// Where things are in a datagram: `struct nlmsghdr` (16 bytes), then `struct rtmsg`
/// (include/uapi/linux/netlink.h and rtnetlink.h).
const TYPE: u32 = 4;
const DESTINATION_LENGTH: u32 = 17;
const PROTOCOL: u32 = 21;
/// And `ndm_state` of `struct ndmsg` (include/uapi/linux/neighbour.h), with two of its values: asked
/// whether it is still there, and silent.
const STATE: u32 = 24;
const PROBE: u16 = 0x10;
const FAILED: u16 = 0x20;

/// Lets pass what is no route and no neighbour; of routes those whose destination has no more than
/// `longest` bits and those that `protocol` made, of neighbours those in doubt.
pub(super) fn attach(socket: BorrowedFd<'_>, longest: u8, protocol: u8) -> io::Result<()> {
    let mut program = program(longest, protocol);
    let program = sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the kernel copies the program, which lives until the call has returned, by its length.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            std::ptr::from_ref(&program).cast(),
            size_of_val(&program) as libc::socklen_t,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The filter, in the instructions of the classic BPF (Documentation/networking/filter.rst).
fn program(longest: u8, protocol: u8) -> [sock_filter; 14] {
    let step = |code: u32, k: u32, [if_equal, else_]: [u8; 2]| sock_filter {
        code: code as u16,
        jt: if_equal,
        jf: else_,
        k,
    };
    let load = |size: u32, at: u32| step(BPF_LD | BPF_ABS | size, at, [0, 0]);
    let equal = |value: u32, jumps: [u8; 2]| step(BPF_JMP | BPF_JEQ | BPF_K, value, jumps);
    let above = |value: u32, jumps: [u8; 2]| step(BPF_JMP | BPF_JGT | BPF_K, value, jumps);
    let end = |bytes: u32| step(BPF_RET | BPF_K, bytes, [0, 0]);
    // BPF reads numbers in network order, and netlink writes them in the host's.
    let kind = |kind: u16| u16::from_be_bytes(kind.to_ne_bytes()).into();
    [
        load(BPF_H, TYPE),
        equal(kind(libc::RTM_NEWNEIGH), [3, 0]),
        equal(kind(libc::RTM_DELNEIGH), [10, 0]),
        equal(kind(libc::RTM_NEWROUTE), [4, 0]),
        equal(kind(libc::RTM_DELROUTE), [3, 7]),
        load(BPF_H, STATE),
        equal(kind(FAILED), [5, 0]),
        equal(kind(PROBE), [4, 5]),
        load(BPF_B, DESTINATION_LENGTH),
        above(longest.into(), [0, 2]),
        load(BPF_B, PROTOCOL),
        equal(protocol.into(), [0, 1]),
        end(u32::MAX),
        end(0),
    ]
}
