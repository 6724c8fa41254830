//! Linux netlink for Multipath TCP (RFC 8684): everything that a path manager asks of the kernel
//! and tells it, and what it needs of the network below.
//!
//! | module | what | kernel interface |
//! |---|---|---|
//! | [`pm`] | endpoints, limits, flags; one connection's subflows by hand; events | generic netlink `mptcp_pm` |
//! | [`sock_diag`] | MPTCP connections joined with their TCP subflows | sock_diag(7) |
//! | [`rtnl`] | links, addresses, routes, rules, next-hop objects | rtnetlink(7) |
//! | [`xfrm`] | which traffic leaves encrypted | `NETLINK_XFRM` |
//!
//! Everything is of one network namespace, that of the thread that opens a connection. Calls block
//! until the kernel has answered, which takes microseconds; nothing else waits, but for
//! [`pm::Events`], which is a descriptor for poll(2) or any event loop. There is no runtime and no
//! thread.
//!
//! Links are known by index, as the kernel knows them; [`rtnl::Rtnl::links`] has their names. What
//! the kernel says that this crate does not know stays a number ([`pm::Flags`],
//! [`pm::EventKind::Other`], [`rtnl::Action::Other`]), and a message of an unknown form hides
//! nothing but itself.
//!
//! # A subflow from every address
//!
//! What most hosts want of the kernel's own path manager: an endpoint for each global address, bound
//! to its link.
//!
//! ```
//! use mptcp_netlink::pm::{Endpoint, Limits, PathManager};
//! use mptcp_netlink::rtnl::Rtnl;
//!
//! # mptcp_netlink::namespace::enter_new()?;
//! let mut pm = PathManager::open()?;
//! pm.set_limits(Limits { subflows: 8, add_addr_accepted: 8 })?;
//! for address in Rtnl::open()?.addresses()? {
//!     if address.is_global() && !address.is_deprecated() {
//!         pm.add(&Endpoint::new(address.address).link(address.link).subflow())?;
//!     }
//! }
//! # Ok::<(), mptcp_netlink::KernelError>(())
//! ```
//!
//! # Errors
//!
//! Every refusal is a [`KernelError`]: the error number, and the kernel's own explanation where it
//! gave one. The errors that a function names are those that were seen or are in the kernel's
//! source; a later kernel may have others.
//!
//! A list is whole, or an error. Where something changed while the kernel listed it
//! (`NLM_F_DUMP_INTR`), it is read again, eight times at most; then the error is `EINTR`, and the
//! caller may ask again.

pub mod netfilter;
pub mod pm;
pub mod rtnl;
pub mod sock_diag;
pub mod xfrm;

mod error;
mod exchange;
mod genl;
mod message;
#[doc(hidden)]
pub mod namespace;
mod network;
#[doc(hidden)]
pub mod readers;

pub use error::KernelError;
pub use network::{Family, Prefix};

/// Compiles the program on the first page.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct FirstPage;
