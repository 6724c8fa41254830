//! IPsec policies of this network namespace (netlink `NETLINK_XFRM`, include/uapi/linux/xfrm.h), as
//! far as they say which traffic leaves encrypted: a VPN of strongSwan or libreswan has no interface
//! that a route could lead to.

mod changes;

pub use changes::Changes;

use netlink_packet_core::Emitable;

use crate::error::KernelError;
use crate::exchange::Exchange;
use crate::message::attribute;
use crate::network::{Family, Prefix};

/// The protocol (include/uapi/linux/netlink.h).
const NETLINK_XFRM: isize = 6;

/// Asks for policies, and `XFRMA_TMPL`: what is done to the packets. One without lets them pass.
const XFRM_MSG_GETPOLICY: u16 = 0x15;
const XFRMA_TMPL: u16 = 5;

/// `XFRM_POLICY_OUT`, `XFRM_POLICY_ALLOW`.
const OUT: u8 = 1;
const ALLOW: u8 = 0;

/// The lengths of `struct xfrm_userpolicy_id` and `struct xfrm_userpolicy_info`; where in the second
/// are the selector's parts, the direction and the action.
const REQUEST: usize = 64;
const POLICY: usize = 168;
const SOURCE_AT: usize = 16;
const FAMILY_AT: usize = 40;
const LENGTHS_AT: usize = 42;
const DIRECTION_AT: usize = 160;

/// A request for all policies: a `struct xfrm_userpolicy_id` without a word.
struct All;

impl Emitable for All {
    fn buffer_len(&self) -> usize {
        REQUEST
    }

    fn emit(&self, buffer: &mut [u8]) {
        buffer[..REQUEST].fill(0);
    }
}

/// An IPsec policy for packets that leave (ip-xfrm(8)).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Policy {
    /// The sources that it is for.
    pub from: Prefix,
    /// The destinations that it is for.
    pub to: Prefix,
}

/// Every policy that encrypts what leaves this network namespace.
///
/// # Errors
/// No `CAP_NET_ADMIN` (`EPERM`), or a kernel without IPsec (`EPROTONOSUPPORT`).
pub fn policies() -> Result<Vec<Policy>, KernelError> {
    Exchange::open(NETLINK_XFRM)?.dump(XFRM_MSG_GETPOLICY, &All, |message, list| {
        list.extend(policy(message));
    })
}

/// One that encrypts what leaves.
pub(crate) fn policy(message: &[u8]) -> Option<Policy> {
    let [direction, action] = *message.get(DIRECTION_AT..)?.first_chunk()?;
    attribute(message.get(POLICY..)?, XFRMA_TMPL)?;
    let family = u16::from_ne_bytes(*message.get(FAMILY_AT..)?.first_chunk()?);
    let family = Family::from_number(u8::try_from(family).ok()?)?;
    let [to, from] = *message.get(LENGTHS_AT..)?.first_chunk()?;
    let network = |at: usize, length: u8| -> Option<Prefix> {
        let bytes: [u8; 16] = *message.get(at..)?.first_chunk()?;
        let address = match family {
            Family::V4 => std::net::IpAddr::from(*bytes.first_chunk::<4>()?),
            Family::V6 => std::net::IpAddr::from(bytes),
        };
        Some(Prefix { address, length: length.min(family.bits()) })
    };
    let policy = Policy { from: network(SOURCE_AT, from)?, to: network(0, to)? };
    (direction == OUT && action == ALLOW).then_some(policy)
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::DefaultNla;

    use super::*;
    use crate::message::bytes;
    use crate::message::tests::mangled;

    #[test]
    fn a_mangled_message_is_no_reason_to_panic() {
        let mut message = vec![0; POLICY];
        message[SOURCE_AT..SOURCE_AT + 4].copy_from_slice(&[10, 9, 0, 1]);
        message[FAMILY_AT..FAMILY_AT + 2].copy_from_slice(&2u16.to_ne_bytes());
        message[LENGTHS_AT + 1] = 32;
        message[DIRECTION_AT] = OUT;
        assert_eq!(policy(&message), None, "it lets packets pass");
        message.extend(bytes(&[DefaultNla::new(XFRMA_TMPL, vec![0; 64])].as_slice()));
        let read = policy(&message).expect("a whole message");
        assert_eq!(
            (read.from.to_string(), read.to.to_string()),
            ("10.9.0.1".into(), "0.0.0.0/0".into())
        );
        for message in mangled(&message) {
            let _ = policy(&message);
        }
    }
}
