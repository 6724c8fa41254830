//! Programs in containers: the devices of the Container Device Interface by which an engine gives the
//! library to a container, and what /etc/mptcpize.toml says of them (`[containers.NAME]`).
//!
//! Not here: who writes the file, and where the library lies on the host (`commands::containers` of the
//! launcher); which container a running process is in, and its name ([`id`], [`name`]).

pub mod asked;
pub mod cdi;
pub mod engine;
pub mod id;
pub mod name;
