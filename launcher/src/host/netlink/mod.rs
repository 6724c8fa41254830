//! Netlink in the words of the model: links by name, and types that a state and a journal are made of.
//!
//! What a message looks like is the crate mptcp-netlink's, which knows links by index. Each module
//! here asks that crate and converts (`convert`); `names` knows which index is which name.

pub mod changes;
mod convert;
pub mod delivery;
pub mod diag;
pub mod events;
pub mod names;
pub mod pm;
pub mod rtnl;
pub mod xfrm;

pub use mptcp_netlink::KernelError;

pub(in crate::host) use convert::{from_kernel, to_kernel};

use crate::error::Exit;

impl From<&KernelError> for Exit {
    fn from(error: &KernelError) -> Self {
        if error.is_denied() { Exit::NotPermitted } else { Exit::Failed }
    }
}
