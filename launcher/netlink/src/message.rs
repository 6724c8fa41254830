//! The bytes of netlink messages: what every protocol over netlink has in common. Pure.
//!
//! Reading is lenient: what cannot be understood is left out, so that one form of attribute that
//! is newer than this program never hides a link.

use std::net::IpAddr;

use netlink_packet_core::{
    DefaultNla, Emitable, NLA_F_NESTED, NetlinkBuffer, NetlinkHeader, NlasIterator, Parseable,
};

/// The length of a message's header (`struct nlmsghdr`).
pub(crate) const HEADER: usize = 16;

/// What follows the header of a message: the fixed part of its protocol, and attributes.
pub(crate) struct Body<H>(pub H, pub Vec<DefaultNla>);

impl<H: Emitable> Emitable for Body<H> {
    fn buffer_len(&self) -> usize {
        self.0.buffer_len() + self.1.as_slice().buffer_len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        let (fixed, attributes) = buffer.split_at_mut(self.0.buffer_len());
        self.0.emit(fixed);
        self.1.as_slice().emit(attributes);
    }
}

/// The messages of a datagram, up to the first that is malformed.
pub(crate) fn messages(datagram: &[u8]) -> impl Iterator<Item = (NetlinkHeader, &[u8])> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let buffer = NetlinkBuffer::new_checked(rest).ok()?;
        let header = NetlinkHeader::parse(&buffer).ok()?;
        let length = usize::try_from(header.length).ok()?;
        let payload = rest.get(HEADER..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((header, payload))
    })
}

/// The attributes of a message by number (without the two flag bits), up to the first that is
/// malformed.
pub(crate) fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    NlasIterator::new(bytes).map_while(Result::ok).filter_map(|attribute| {
        let (kind, length) = (attribute.kind(), usize::from(attribute.length()));
        Some((kind, attribute.into_inner().get(4..length)?))
    })
}

/// One attribute; the last, if it is there more than once, as the kernel itself reads.
pub(crate) fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).filter(|(found, _)| *found == kind).map(|(_, value)| value).last()
}

/// The bytes of what would be sent.
pub(crate) fn bytes(body: &impl Emitable) -> Vec<u8> {
    let mut bytes = vec![0; body.buffer_len()];
    body.emit(&mut bytes);
    bytes
}

/// The octets of an address, as attributes carry them.
pub(crate) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// An attribute of four bytes.
pub(crate) fn of_number(kind: u16, number: u32) -> DefaultNla {
    DefaultNla::new(kind, number.to_ne_bytes().into())
}

/// An attribute that holds attributes.
pub(crate) fn nested(kind: u16, parts: &[DefaultNla]) -> DefaultNla {
    DefaultNla::new(kind | NLA_F_NESTED, bytes(&parts))
}

/// A number of four bytes.
pub(crate) fn number(value: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(value.try_into().ok()?))
}

/// An address of either family.
pub(crate) fn address(value: &[u8]) -> Option<IpAddr> {
    match value.len() {
        4 => <[u8; 4]>::try_from(value).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(value).ok().map(IpAddr::from),
        _ => None,
    }
}

/// A text that ends with a zero byte or with the attribute.
pub(crate) fn text(value: &[u8]) -> Option<String> {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    std::str::from_utf8(&value[..end]).ok().map(str::to_owned)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Every beginning of a message, and the message with each byte replaced by some others:
    /// what a reader must survive.
    pub(crate) fn mangled(message: &[u8]) -> impl Iterator<Item = Vec<u8>> {
        let cut = (0..=message.len()).map(|length| message[..length].to_vec());
        let changed = (0..message.len()).flat_map(|at| {
            [0, 1, 3, 4, 0x7f, 0x80, 0xff].map(|byte| {
                let mut copy = message.to_vec();
                copy[at] = byte;
                copy
            })
        });
        cut.chain(changed)
    }

    #[test]
    fn flag_bits_of_an_attribute_are_no_part_of_its_number() {
        let nested = bytes(&[DefaultNla::new(7 | NLA_F_NESTED, vec![1, 2, 3, 4])].as_slice());
        assert_eq!(attributes(&nested).collect::<Vec<_>>(), [(7, &[1, 2, 3, 4][..])]);
        // As in the kernel, the last of two counts.
        let twice = [DefaultNla::new(7, vec![1]), DefaultNla::new(7, vec![2])];
        assert_eq!(attribute(&bytes(&twice.as_slice()), 7), Some(&[2][..]));
    }
}
