//! The filter: a program for the kernel's classic BPF machine that picks out the calls that ask
//! for a TCP socket and lets every other call pass. Pure; tests run it on an interpreter.
//!
//! Other calls cost next to nothing: the kernel sees that the answer for their numbers cannot
//! depend on arguments, and remembers it (5.11 and later). Source: seccomp(2), bpf(4).

use std::mem::offset_of;

use libc::{seccomp_data, sock_filter};

use crate::inject::seccomp::abi::Abi;

/// The call of [`Abi::socketcall`] that makes a socket (`SYS_SOCKET`, linux/net.h).
pub const SYS_SOCKET: u32 = 1;

/// What our own library gives as a fourth argument, which the kernel does not look at, when it makes a
/// TCP socket that is to stay one (`shim/src/sys/net.rs`).
pub const LEAVE: u32 = 0x7463_7021;

/// The bits of `type` that are the socket type (`SOCK_TYPE_MASK`, include/linux/net.h).
pub const TYPE_MASK: u32 = 0xf;

/// Where a jump leads.
#[derive(Clone, Copy)]
enum To {
    /// The instruction behind it.
    Next,
    /// The instruction of this number in the same block.
    At(usize),
    /// Let the call pass.
    Allow,
    /// Ask the supervisor.
    Notify,
}

enum Step {
    /// Load a word of `seccomp_data`.
    Load(usize),
    /// Keep these bits of the word.
    And(u32),
    /// Is the word equal to this?
    Equals(u32, To, To),
}

/// The filter for these ways into the kernel.
pub fn build(abis: &[Abi]) -> Vec<sock_filter> {
    let mut program = vec![statement(LOAD, offset_of!(seccomp_data, arch) as u32)];
    for abi in abis {
        let block = block(abi);
        program.push(jump(abi.audit_arch, 0, block.len() as u8));
        program.extend(block);
    }
    program.push(statement(RETURN, libc::SECCOMP_RET_ALLOW));
    program
}

/// All that is asked about a call of one ABI; ends with its own two answers.
fn block(abi: &Abi) -> Vec<sock_filter> {
    use Step::{And, Equals, Load};
    let mut steps = vec![
        Load(offset_of!(seccomp_data, nr)),
        Equals(abi.socket, To::Next, To::Allow),
        // The protocol first: the call of a program that asks for MPTCP itself ends here.
        Load(argument(2)),
        Equals(0, To::At(5), To::Next),
        Equals(libc::IPPROTO_TCP as u32, To::Next, To::Allow),
        Load(argument(3)),
        Equals(LEAVE, To::Allow, To::Next),
        Load(argument(1)),
        And(TYPE_MASK),
        Equals(libc::SOCK_STREAM as u32, To::Next, To::Allow),
        Load(argument(0)),
        Equals(libc::AF_INET as u32, To::Notify, To::Next),
        Equals(libc::AF_INET6 as u32, To::Notify, To::Allow),
    ];
    if let Some(number) = abi.socketcall {
        // Its arguments are in the program's memory, where a filter cannot look.
        let at = steps.len();
        steps[1] = Equals(abi.socket, To::Next, To::At(at));
        steps.extend([
            Equals(number, To::Next, To::Allow),
            Load(argument(0)),
            Equals(SYS_SOCKET, To::Notify, To::Allow),
        ]);
    }
    let count = steps.len();
    let mut block: Vec<sock_filter> = steps
        .into_iter()
        .enumerate()
        .map(|(here, step)| {
            let distance = |to| {
                let target = match to {
                    To::Next => here + 1,
                    To::At(number) => number,
                    To::Allow => count,
                    To::Notify => count + 1,
                };
                // Blocks have fewer than twenty instructions.
                (target - here - 1) as u8
            };
            match step {
                Load(offset) => statement(LOAD, offset as u32),
                And(bits) => statement(AND, bits),
                Equals(value, yes, no) => jump(value, distance(yes), distance(no)),
            }
        })
        .collect();
    block.push(statement(RETURN, libc::SECCOMP_RET_ALLOW));
    block.push(statement(RETURN, libc::SECCOMP_RET_USER_NOTIF));
    block
}

/// The low half of an argument: socket(2) takes ints, and the kernel looks at no more of them.
/// Every processor in the tables is little-endian.
fn argument(number: usize) -> usize {
    offset_of!(seccomp_data, args) + 8 * number
}

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const AND: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
const EQUALS: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

fn statement(code: u32, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

fn jump(k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: EQUALS as u16, jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inject::seccomp::abi::{AARCH64, I386, X86_64};
    use libc::{AF_INET, AF_INET6, AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_STREAM};

    /// What the kernel would do with a call.
    fn answer(program: &[sock_filter], arch: u32, number: u32, arguments: [u64; 4]) -> u32 {
        let mut data = [0u8; 64];
        data[0..4].copy_from_slice(&number.to_le_bytes());
        data[4..8].copy_from_slice(&arch.to_le_bytes());
        for (place, argument) in arguments.iter().enumerate() {
            data[16 + 8 * place..24 + 8 * place].copy_from_slice(&argument.to_le_bytes());
        }
        let (mut at, mut word) = (0, 0);
        loop {
            let step = program[at];
            at += 1;
            match u32::from(step.code) {
                LOAD => {
                    assert!(
                        step.k.is_multiple_of(4) && step.k < 64,
                        "the kernel refuses such an offset"
                    );
                    let bytes = data[step.k as usize..][..4].try_into().expect("four bytes");
                    word = u32::from_le_bytes(bytes);
                }
                AND => word &= step.k,
                EQUALS => at += usize::from(if word == step.k { step.jt } else { step.jf }),
                RETURN => return step.k,
                other => panic!("instruction {other}"),
            }
        }
    }

    #[test]
    fn what_our_library_makes_tcp_stays_tcp() {
        let program = build(&[X86_64]);
        for (mark, expected) in
            [(LEAVE, libc::SECCOMP_RET_ALLOW), (0, libc::SECCOMP_RET_USER_NOTIF)]
        {
            let arguments = [AF_INET, SOCK_STREAM, 6, mark.cast_signed()].map(|it| it as u64);
            let found = answer(&program, X86_64.audit_arch, X86_64.socket, arguments);
            assert_eq!(found, expected);
        }
    }

    fn asks(arch: &Abi, number: u32, arguments: [i32; 3]) -> bool {
        let program = build(&[X86_64, I386, AARCH64]);
        // The upper halves hold what a register happened to hold.
        let [a, b, c] =
            arguments.map(|argument| 0xdead_beef_0000_0000 | u64::from(argument as u32));
        answer(&program, arch.audit_arch, number, [a, b, c, 0xdead_beef_dead_beef])
            == libc::SECCOMP_RET_USER_NOTIF
    }

    #[test]
    fn exactly_the_ways_to_ask_for_tcp_are_notified() {
        let flags = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
        let table = [
            ("IPv4", [AF_INET, SOCK_STREAM, 0], true),
            ("IPv4, TCP named", [AF_INET, SOCK_STREAM, 6], true),
            ("IPv6", [AF_INET6, SOCK_STREAM, 0], true),
            ("IPv6, TCP named, with flags", [AF_INET6, flags, 6], true),
            ("a flag that the kernel may learn", [AF_INET, SOCK_STREAM | 0x1000, 0], true),
            ("UDP", [AF_INET, SOCK_DGRAM, 0], false),
            ("SCTP", [AF_INET, SOCK_STREAM, 132], false),
            ("MPTCP already", [AF_INET, SOCK_STREAM, 262], false),
            ("Unix", [AF_UNIX, SOCK_STREAM, 0], false),
            ("a negative protocol", [AF_INET, SOCK_STREAM, -1], false),
            ("a negative family", [-1, SOCK_STREAM, 0], false),
        ];
        for abi in [X86_64, I386, AARCH64] {
            for (name, arguments, expected) in table {
                assert_eq!(asks(&abi, abi.socket, arguments), expected, "{name} {abi:?}");
                assert!(!asks(&abi, abi.socket + 1, arguments), "{name}: another call");
            }
        }
    }

    #[test]
    fn socketcall_is_looked_at_on_i386_only() {
        let number = I386.socketcall.expect("i386 has it");
        assert!(asks(&I386, number, [1, 0, 0]), "SYS_SOCKET");
        assert!(!asks(&I386, number, [3, 0, 0]), "SYS_CONNECT");
        // The same number is getuid(2) on x86-64.
        assert!(!asks(&X86_64, number, [1, 0, 0]));
    }

    #[test]
    fn what_is_not_in_the_tables_passes() {
        let program = build(&[X86_64, I386]);
        let tcp = [AF_INET as u64, SOCK_STREAM as u64, 0, 0];
        let x32 = 0x4000_0000 | X86_64.socket;
        for (arch, number) in [(AARCH64.audit_arch, AARCH64.socket), (X86_64.audit_arch, x32)] {
            assert_eq!(answer(&program, arch, number, tcp), libc::SECCOMP_RET_ALLOW);
        }
    }
}
