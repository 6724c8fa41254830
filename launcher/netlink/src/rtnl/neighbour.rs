//! Neighbours: the hosts of a link's own network, and whether they answer (`RTM_NEWNEIGH`,
//! include/uapi/linux/neighbour.h, ip-neighbour(8)).

use std::net::IpAddr;

use netlink_packet_core::Emitable;

use crate::error::KernelError;
use crate::message::{Body, address as ip, attribute};
use crate::network::Family;
use crate::rtnl::Rtnl;
use crate::rtnl::read::is_of;

/// `NDA_DST`: the address.
const NDA_DST: u16 = 1;

/// `NUD_INCOMPLETE` and `NUD_FAILED`.
const INCOMPLETE: u16 = 0x01;
const FAILED: u16 = 0x20;

/// A neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Neighbour {
    /// The index of its link.
    pub link: u32,
    /// Its address.
    pub address: IpAddr,
    /// What is known of it (`NUD_*`).
    pub state: u16,
}

impl Neighbour {
    /// Was it asked for, and did not answer? It stays so until something is sent to it again.
    pub fn has_failed(&self) -> bool {
        self.state & FAILED != 0
    }

    /// Is it asked for the first time, or again after it failed?
    pub fn is_asked(&self) -> bool {
        self.state & INCOMPLETE != 0
    }
}

/// `struct ndmsg`: 12 bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Header;

impl Header {
    const LENGTH: usize = 12;
}

impl Emitable for Header {
    fn buffer_len(&self) -> usize {
        Self::LENGTH
    }

    fn emit(&self, buffer: &mut [u8]) {
        buffer[..Self::LENGTH].fill(0);
    }
}

impl Rtnl {
    /// Every neighbour of both families.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn neighbours(&mut self) -> Result<Vec<Neighbour>, KernelError> {
        let request = Body(Header, vec![]);
        self.exchange.dump(libc::RTM_GETNEIGH, &request, |message, list| list.extend(read(message)))
    }
}

/// A neighbour; none for those of bridges, which have no address.
pub(crate) fn read(message: &[u8]) -> Option<Neighbour> {
    let [family, _, _, _, a, b, c, d, e, f, ..] = *message.first_chunk::<{ Header::LENGTH }>()?;
    let family = Family::from_number(family)?;
    let address = attribute(message.get(Header::LENGTH..)?, NDA_DST).and_then(ip)?;
    let (link, state) = (u32::from_ne_bytes([a, b, c, d]), u16::from_ne_bytes([e, f]));
    is_of(family, address).then_some(Neighbour { link, address, state })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::tests::mangled;

    /// What Linux 6.18 says of 10.1.0.254 on link 2 that does not answer.
    const SILENT: [u8; 20] = [2, 0, 0, 0, 2, 0, 0, 0, 0x20, 0, 0, 1, 8, 0, 1, 0, 10, 1, 0, 254];

    #[test]
    fn a_neighbour_is_read_with_its_state() {
        let neighbour = read(&SILENT).expect("it is whole");
        assert_eq!((neighbour.link, neighbour.address), (2, [10, 1, 0, 254].into()));
        assert!(neighbour.has_failed() && !neighbour.is_asked());
    }

    #[test]
    fn a_mangled_message_is_no_reason_to_panic() {
        assert!(mangled(&SILENT).filter(|message| read(message).is_none()).count() > 0);
    }
}
