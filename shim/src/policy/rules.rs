//! The rules of a policy: read from their text, and asked about an address. Pure, on bytes alone.
//!
//! Not here: what the text looks like (the module above describes it), where it comes from, and
//! what follows from the answer.

/// As many items as a policy may have.
pub(crate) const MOST: usize = 32;

/// A bit of what [`parse`] returns: there are rules about sockets.
pub(crate) const SOCKETS: u32 = 1;
/// A bit of what [`parse`] returns: there are names of programs.
pub(crate) const PROGRAMS: u32 = 2;

/// A rule.
#[derive(Clone, Copy)]
pub(crate) struct Rule {
    /// Its letter; 0 behind the last one.
    pub(crate) kind: u8,
    /// The name of a program, padded with 0; or which sockets (1 byte), the first and the last port
    /// (2 bytes each, big-endian), the length of a prefix in bits, and its bytes.
    pub(crate) data: [u8; 22],
}

/// All rules of a policy.
pub(crate) type Rules = [Rule; MOST];
/// No rules.
pub(crate) const NONE: Rules = [Rule { kind: 0, data: [0; 22] }; MOST];

/// Reads a policy's text into `rules`, which are [`NONE`]: the sorts of rules that there are,
/// [`SOCKETS`] and [`PROGRAMS`]. `None` for a text that is not a policy, with a part of it in the rules.
pub(crate) fn parse(text: &[u8], rules: &mut Rules) -> Option<u32> {
    let mut places = rules.iter_mut();
    let mut rule = places.next()?;
    let (mut sorts, mut length) = (0, 0);
    for &byte in text {
        if matches!(byte, b',' | b'/') {
            sorts |= match rule.kind {
                0 => 0,
                b'p' => PROGRAMS,
                _ if length % 2 == 0 => SOCKETS,
                _ => return None,
            };
            if byte == b'/' {
                return Some(sorts);
            }
            rule = places.next()?;
            length = 0;
        } else if rule.kind == 0 {
            rule.kind = byte;
        } else if rule.kind == b'p' {
            *rule.data.get_mut(length)? = byte;
            length += 1;
        } else {
            let digit = char::from(byte).to_digit(16)?;
            let place = rule.data.get_mut(length / 2)?;
            *place = (*place << 4) | digit as u8;
            length += 1;
        }
    }
    None
}

/// The letter of the first rule that a socket fits, by the peer's address and port where it
/// connects, by its own where it listens. An IPv4 address has four bytes, also within IPv6.
pub(crate) fn decide(rules: &Rules, ip: &[u8], port: u16, listens: bool) -> Option<u8> {
    let this = if listens { 2 } else { 1 } | if ip.len() == 4 { 4 } else { 8 };
    let fits = |rule: &&Rule| {
        let [which, a, b, c, d, bits, prefix @ ..] = rule.data;
        rule.kind != b'p'
            && which & this == this
            && (u16::from_be_bytes([a, b])..=u16::from_be_bytes([c, d])).contains(&port)
            && within(ip, bits, &prefix)
    };
    rules.iter().find(fits).map(|rule| rule.kind)
}

/// Does the address begin with these bits?
fn within(ip: &[u8], bits: u8, prefix: &[u8]) -> bool {
    let mut left = u32::from(bits);
    ip.iter().zip(prefix).all(|(a, b)| {
        let differ = (u32::from(a ^ b) << left.min(8)) & !0xff;
        left = left.saturating_sub(8);
        differ == 0
    })
}
