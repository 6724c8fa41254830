//! Generic netlink: protocols that the kernel numbers at run time, found by name.

use netlink_packet_core::DefaultNla;
use netlink_packet_generic::GenlHeader;
use netlink_packet_generic::constants::{
    CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME, CTRL_ATTR_MCAST_GROUPS, CTRL_ATTR_MCAST_GRP_ID,
    CTRL_ATTR_MCAST_GRP_NAME, CTRL_CMD_GETFAMILY, GENL_HDRLEN, GENL_ID_CTRL,
};

use crate::host::netlink::message::{Body, attribute, attributes, number, text};
use crate::host::netlink::{Connection, KernelError};

/// A protocol and what it multicasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::host) struct Protocol {
    /// The type of its messages.
    pub id: u16,
    /// Its multicast groups: name and number.
    pub groups: Vec<(String, u32)>,
}

impl Protocol {
    /// Asks for a protocol by name.
    ///
    /// # Errors
    /// The kernel does not have it (`ENOENT`).
    pub(in crate::host) fn find(
        connection: &mut Connection,
        name: &str,
    ) -> Result<Self, KernelError> {
        let mut value = name.as_bytes().to_vec();
        value.push(0);
        let header = GenlHeader { cmd: CTRL_CMD_GETFAMILY, version: 1 };
        let request = Body(header, vec![DefaultNla::new(CTRL_ATTR_FAMILY_NAME, value)]);
        let found = connection.request(GENL_ID_CTRL, 0, &request, read)?;
        found.ok_or(KernelError { errno: libc::ENOENT, text: None })
    }
}

pub(in crate::host) fn read(message: &[u8]) -> Option<Protocol> {
    let body = message.get(GENL_HDRLEN..)?;
    let id = attribute(body, CTRL_ATTR_FAMILY_ID)?;
    let groups = attributes(attribute(body, CTRL_ATTR_MCAST_GROUPS).unwrap_or_default())
        .filter_map(|(_, group)| {
            let name = attribute(group, CTRL_ATTR_MCAST_GRP_NAME).and_then(text)?;
            Some((name, attribute(group, CTRL_ATTR_MCAST_GRP_ID).and_then(number)?))
        })
        .collect();
    Some(Protocol { id: u16::from_ne_bytes(id.try_into().ok()?), groups })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::netlink::message::tests::{bytes, mangled};

    #[test]
    fn a_mangled_message_is_no_reason_to_panic() {
        let group = [
            DefaultNla::new(CTRL_ATTR_MCAST_GRP_NAME, b"events\0".to_vec()),
            DefaultNla::new(CTRL_ATTR_MCAST_GRP_ID, 9u32.to_ne_bytes().into()),
        ];
        let groups = [DefaultNla::new(1, bytes(&group.as_slice()))];
        let parts = vec![
            DefaultNla::new(CTRL_ATTR_FAMILY_ID, 30u16.to_ne_bytes().into()),
            DefaultNla::new(CTRL_ATTR_MCAST_GROUPS, bytes(&groups.as_slice())),
        ];
        let whole = bytes(&Body(GenlHeader { cmd: 1, version: 2 }, parts));
        let expected = Protocol { id: 30, groups: vec![("events".into(), 9)] };
        assert_eq!(read(&whole), Some(expected));
        for message in mangled(&whole) {
            let _ = read(&message);
        }
    }
}
