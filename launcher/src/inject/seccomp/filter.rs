//! The filter: a program for the kernel's classic BPF machine that picks out the calls that ask
//! for a TCP socket, or for an option that MPTCP refuses, and lets every other call pass. Pure; tests run
//! it on an interpreter.
//!
//! Other calls cost next to nothing: the kernel sees that the answer for their numbers cannot
//! depend on arguments, and remembers it (5.11 and later). Source: seccomp(2), bpf(4).

use std::mem::offset_of;

use libc::{seccomp_data, sock_filter};

use crate::inject::seccomp::abi::Abi;
use crate::inject::seccomp::refused::{LEVELS, Refused};

/// The call of [`Abi::socketcall`] that makes a socket (`SYS_SOCKET`, linux/net.h).
pub const SYS_SOCKET: u32 = 1;

/// What our own library gives as a fourth argument, which the kernel does not look at, when it makes a
/// TCP socket that is to stay one (`shim/src/sys/own_fd.rs`).
pub const LEAVE: u32 = 0x7463_7021;

/// The bits of `type` that are the socket type (`SOCK_TYPE_MASK`, include/linux/net.h).
pub const TYPE_MASK: u32 = 0xf;

/// The calls of [`Abi::socketcall`] about options (linux/net.h).
pub const SYS_SETSOCKOPT: u32 = 14;
/// getsockopt(2) by socketcall(2) (linux/net.h).
pub const SYS_GETSOCKOPT: u32 = 15;

/// Where a jump leads.
#[derive(Clone, Copy)]
enum To {
    /// The instruction behind it.
    Next,
    /// The instruction of this number in the same section.
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
    /// Is it this or more?
    AtLeast(u32, To, To),
}

/// The filter for these ways into the kernel, and for these options.
pub fn build(abis: &[Abi], refused: &Refused) -> Vec<sock_filter> {
    let mut program = vec![statement(LOAD, offset_of!(seccomp_data, arch) as u32)];
    for abi in abis {
        let block = block(abi, refused);
        program.extend(only_if(abi.audit_arch, block.len()));
        program.extend(block);
    }
    program.push(statement(RETURN, libc::SECCOMP_RET_ALLOW));
    program
}

/// All that is asked about a call of one ABI: which call it is, and a section for each of them,
/// which ends with its own answers.
fn block(abi: &Abi, refused: &Refused) -> Vec<sock_filter> {
    let mut sections = vec![(abi.socket, socket())];
    if refused.set.iter().any(|names| !names.is_empty()) {
        sections.push((abi.setsockopt, options(&refused.set)));
    }
    if refused.get.iter().any(|names| !names.is_empty()) {
        sections.push((abi.getsockopt, options(&refused.get)));
    }
    if let Some(number) = abi.socketcall {
        sections.push((number, socketcall(refused)));
    }
    let mut block = vec![statement(LOAD, offset_of!(seccomp_data, nr) as u32)];
    // A call that is none of these passes at once, whatever comes behind.
    let mut way = 2 * sections.len() + 1;
    for (number, section) in &sections {
        way -= 2;
        block.push(jump(*number, 0, 1));
        block.push(statement(ALWAYS, way as u32));
        way += section.len();
    }
    block.push(statement(RETURN, libc::SECCOMP_RET_ALLOW));
    block.extend(sections.into_iter().flat_map(|(_, section)| section));
    block
}

/// Goes on behind `length` instructions unless the word is this.
fn only_if(word: u32, length: usize) -> [sock_filter; 2] {
    [jump(word, 1, 0), statement(ALWAYS, length as u32)]
}

/// socket(2): does it ask for TCP?
fn socket() -> Vec<sock_filter> {
    use Step::{And, Equals, Load};
    section(vec![
        // The protocol first: the call of a program that asks for MPTCP itself ends here.
        Load(argument(2)),
        Equals(0, To::At(3), To::Next),
        Equals(libc::IPPROTO_TCP as u32, To::Next, To::Allow),
        Load(argument(3)),
        Equals(LEAVE, To::Allow, To::Next),
        Load(argument(1)),
        And(TYPE_MASK),
        Equals(libc::SOCK_STREAM as u32, To::Next, To::Allow),
        Load(argument(0)),
        Equals(libc::AF_INET as u32, To::Notify, To::Next),
        Equals(libc::AF_INET6 as u32, To::Notify, To::Allow),
    ])
}

/// setsockopt(2) or getsockopt(2): is it one of these, named for each level?
fn options(names: &[Vec<u32>; 4]) -> Vec<sock_filter> {
    let mut all = vec![statement(LOAD, argument(1) as u32)];
    // The last first: what is set most is of TCP.
    for (level, names) in LEVELS.iter().zip(names).rev() {
        let mut steps = vec![Step::Load(argument(2))];
        steps.extend(one_of(names, steps.len()));
        let part = section(steps);
        all.extend(only_if(level.cast_unsigned(), part.len()));
        all.extend(part);
    }
    all.push(statement(RETURN, libc::SECCOMP_RET_ALLOW));
    all
}

/// Is the word one of these, which are in ascending order? By halves: these calls are frequent.
fn one_of(names: &[u32], here: usize) -> Vec<Step> {
    /// As many are compared one by one.
    const FEW: usize = 3;
    let (low, high) = names.split_at(names.len() / 2);
    match high.first() {
        Some(middle) if names.len() > FEW => {
            let low = one_of(low, here + 1);
            let high_here = here + 1 + low.len();
            let choice = Step::AtLeast(*middle, To::At(high_here), To::Next);
            [choice].into_iter().chain(low).chain(one_of(high, high_here)).collect()
        }
        _ => {
            let last = names.len().saturating_sub(1);
            let no = |at| if at == last { To::Allow } else { To::Next };
            let each = names.iter().enumerate();
            each.map(|(at, name)| Step::Equals(*name, To::Notify, no(at))).collect()
        }
    }
}

/// i386's own: its arguments are in the program's memory, where a filter cannot look.
fn socketcall(refused: &Refused) -> Vec<sock_filter> {
    let mut steps = vec![Step::Load(argument(0)), Step::Equals(SYS_SOCKET, To::Notify, To::Next)];
    if *refused != Refused::default() {
        steps.push(Step::Equals(SYS_SETSOCKOPT, To::Notify, To::Next));
        steps.push(Step::Equals(SYS_GETSOCKOPT, To::Notify, To::Next));
    }
    section(steps)
}

/// Steps, and behind them the two answers; what comes to their end passes.
fn section(steps: Vec<Step>) -> Vec<sock_filter> {
    use Step::{And, AtLeast, Equals, Load};
    let count = steps.len();
    let mut section: Vec<sock_filter> = steps
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
                // A hundred names at most (`refused.rs`), and half as many choices: it fits.
                (target - here - 1) as u8
            };
            match step {
                Load(offset) => statement(LOAD, offset as u32),
                And(bits) => statement(AND, bits),
                Equals(value, yes, no) => jump(value, distance(yes), distance(no)),
                AtLeast(value, yes, no) => {
                    let jump = jump(value, distance(yes), distance(no));
                    sock_filter { code: AT_LEAST as u16, ..jump }
                }
            }
        })
        .collect();
    section.push(statement(RETURN, libc::SECCOMP_RET_ALLOW));
    section.push(statement(RETURN, libc::SECCOMP_RET_USER_NOTIF));
    section
}

/// The low half of an argument: these calls take ints, and the kernel looks at no more of them.
/// Every processor in the tables is little-endian.
fn argument(number: usize) -> usize {
    offset_of!(seccomp_data, args) + 8 * number
}

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const AND: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
const EQUALS: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const ALWAYS: u32 = libc::BPF_JMP | libc::BPF_JA;
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
                ALWAYS => at += step.k as usize,
                EQUALS => at += usize::from(if word == step.k { step.jt } else { step.jf }),
                AT_LEAST => at += usize::from(if word >= step.k { step.jt } else { step.jf }),
                RETURN => return step.k,
                other => panic!("instruction {other}"),
            }
        }
    }

    #[test]
    fn what_our_library_makes_tcp_stays_tcp() {
        let program = build(&[X86_64], &options());
        for (mark, expected) in
            [(LEAVE, libc::SECCOMP_RET_ALLOW), (0, libc::SECCOMP_RET_USER_NOTIF)]
        {
            let arguments = [AF_INET, SOCK_STREAM, 6, mark.cast_signed()].map(|it| it as u64);
            let found = answer(&program, X86_64.audit_arch, X86_64.socket, arguments);
            assert_eq!(found, expected);
        }
    }

    fn asks(arch: &Abi, number: u32, arguments: [i32; 3]) -> bool {
        let program = build(&[X86_64, I386, AARCH64], &options());
        // The upper halves hold what a register happened to hold.
        let [a, b, c] =
            arguments.map(|argument| 0xdead_beef_0000_0000 | u64::from(argument as u32));
        answer(&program, arch.audit_arch, number, [a, b, c, 0xdead_beef_dead_beef])
            == libc::SECCOMP_RET_USER_NOTIF
    }

    /// TCP_USER_TIMEOUT to be set, IP_TTL to be read, and as many more as there can be.
    fn options() -> Refused {
        let mut refused = Refused::default();
        refused.set[3] = vec![18];
        refused.set[1] = (0..=100).collect();
        refused.get[2] = vec![2, 4, 6, 8, 10, 12];
        refused
    }

    #[test]
    fn exactly_the_options_that_are_refused_are_notified() {
        for abi in [X86_64, I386, AARCH64] {
            for name in 0..14 {
                let expected = name > 0 && name < 13 && name % 2 == 0;
                assert_eq!(asks(&abi, abi.getsockopt, [7, 0, name]), expected, "{name}");
            }
            let table = [
                (abi.setsockopt, [7, 6, 18], true),
                (abi.setsockopt, [7, 6, 1], false),
                (abi.setsockopt, [7, 0, 18], false),
                (abi.setsockopt, [7, 41, 100], true),
                (abi.setsockopt, [7, 41, 0], true),
                (abi.setsockopt, [7, 41, 101], false),
                (abi.setsockopt, [7, 41, -1], false),
                (abi.setsockopt, [7, 284, 18], false),
                (abi.getsockopt, [7, 0, 2], true),
                (abi.getsockopt, [7, 6, 18], false),
            ];
            for (number, arguments, expected) in table {
                assert_eq!(asks(&abi, number, arguments), expected, "{number} {arguments:?}");
            }
        }
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
        for call in [SYS_SOCKET, SYS_SETSOCKOPT, SYS_GETSOCKOPT] {
            assert!(asks(&I386, number, [call.cast_signed(), 0, 0]), "{call}");
        }
        assert!(!asks(&I386, number, [3, 0, 0]), "SYS_CONNECT");
        // The same number is getuid(2) on x86-64.
        assert!(!asks(&X86_64, number, [1, 0, 0]));
    }

    #[test]
    fn what_is_not_in_the_tables_passes() {
        let program = build(&[X86_64, I386], &options());
        let tcp = [AF_INET as u64, SOCK_STREAM as u64, 0, 0];
        let x32 = 0x4000_0000 | X86_64.socket;
        for (arch, number) in [(AARCH64.audit_arch, AARCH64.socket), (X86_64.audit_arch, x32)] {
            assert_eq!(answer(&program, arch, number, tcp), libc::SECCOMP_RET_ALLOW);
        }
    }
}
