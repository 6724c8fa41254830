//! Reading what the host is: links, routes and endpoints for a plan ([`kernel_host`]), all that `check`
//! judges ([`check`]), and the kernel's own abilities. Nothing here changes anything but
//! [`kernel_host`], which is both halves of the [`Host`](crate::host::Host) seam.

pub mod addressed_links;
pub mod apparmor;
pub mod check;
pub mod congestion;
pub mod container;
pub mod engines;
pub mod events;
pub mod firewall;
pub mod gateway;
pub mod kernel;
pub mod kernel_host;
pub mod lacks;
pub mod loaders;
pub mod managers;
pub mod mtu;
pub mod pam;
pub mod selinux;
pub mod socket_table;
pub mod traffic;
pub mod unit_sockets;
