//! The kernel's types as the model's, and back. One file for each protocol.

/// What the kernel said.
pub(in crate::host) mod from_kernel {
    pub(in crate::host) use super::connection::{connection, flow};
    pub(in crate::host) use super::net::{address, link, policy, rule};
    pub(in crate::host) use super::pm::{endpoint, event, limits};
    pub(in crate::host) use super::route::route;
}

/// What is told to the kernel.
pub(in crate::host) mod to_kernel {
    pub(in crate::host) use super::net::{address_of as address, family, rule_of as rule};
    pub(in crate::host) use super::pm::{endpoint_of as endpoint, limits_of as limits};
    pub(in crate::host) use super::route::route_of as route;
}

pub(in crate::host) use net::family_of;

mod connection;
mod net;
mod pm;
mod route;
