//! Generic netlink: protocols that the kernel numbers at run time, found by name
//! (include/uapi/linux/genetlink.h).

use netlink_packet_core::{DefaultNla, Emitable};

use crate::error::KernelError;
use crate::exchange::Exchange;
use crate::message::{Body, attribute, attributes, number, text};

/// The controller, which knows all protocols (`GENL_ID_CTRL`), and its command `CTRL_CMD_GETFAMILY`.
const CONTROLLER: u16 = 16;
const GET_FAMILY: u8 = 3;

/// Its attributes (`CTRL_ATTR_*`), and those of a multicast group.
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
const GROUPS: u16 = 7;
const GROUP_NAME: u16 = 1;
const GROUP_ID: u16 = 2;

/// The fixed part of every message (`struct genlmsghdr`): 4 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) command: u8,
    pub(crate) version: u8,
}

impl Header {
    pub(crate) const LENGTH: usize = 4;

    pub(crate) fn read(message: &[u8]) -> Option<Self> {
        let [command, version, _, _]: [u8; Self::LENGTH] = *message.first_chunk()?;
        Some(Header { command, version })
    }
}

impl Emitable for Header {
    fn buffer_len(&self) -> usize {
        Self::LENGTH
    }

    fn emit(&self, buffer: &mut [u8]) {
        buffer[..Self::LENGTH].copy_from_slice(&[self.command, self.version, 0, 0]);
    }
}

/// A protocol and what it multicasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Protocol {
    /// The type of its messages.
    pub(crate) id: u16,
    /// Its multicast groups: name and number.
    pub(crate) groups: Vec<(String, u32)>,
}

impl Protocol {
    /// Asks for a protocol by name.
    ///
    /// # Errors
    /// The kernel does not have it (`ENOENT`).
    pub(crate) fn find(exchange: &mut Exchange, name: &str) -> Result<Self, KernelError> {
        let mut value = name.as_bytes().to_vec();
        value.push(0);
        let header = Header { command: GET_FAMILY, version: 1 };
        let request = Body(header, vec![DefaultNla::new(FAMILY_NAME, value)]);
        let found = exchange.request(CONTROLLER, 0, &request, read)?;
        found.ok_or(KernelError::from_errno(libc::ENOENT))
    }
}

pub(crate) fn read(message: &[u8]) -> Option<Protocol> {
    let body = message.get(Header::LENGTH..)?;
    let id = attribute(body, FAMILY_ID)?;
    let groups = attributes(attribute(body, GROUPS).unwrap_or_default())
        .filter_map(|(_, group)| {
            let name = attribute(group, GROUP_NAME).and_then(text)?;
            Some((name, attribute(group, GROUP_ID).and_then(number)?))
        })
        .collect();
    Some(Protocol { id: u16::from_ne_bytes(id.try_into().ok()?), groups })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::bytes;
    use crate::message::tests::mangled;

    #[test]
    fn a_mangled_message_is_no_reason_to_panic() {
        let group = [
            DefaultNla::new(GROUP_NAME, b"events\0".to_vec()),
            DefaultNla::new(GROUP_ID, 9u32.to_ne_bytes().into()),
        ];
        let groups = [DefaultNla::new(1, bytes(&group.as_slice()))];
        let parts = vec![
            DefaultNla::new(FAMILY_ID, 30u16.to_ne_bytes().into()),
            DefaultNla::new(GROUPS, bytes(&groups.as_slice())),
        ];
        let whole = bytes(&Body(Header { command: 1, version: 2 }, parts));
        let expected = Protocol { id: 30, groups: vec![("events".into(), 9)] };
        assert_eq!(read(&whole), Some(expected));
        for message in mangled(&whole) {
            let _ = read(&message);
        }
    }
}
