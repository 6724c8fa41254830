//! The fuzzer's side of the properties: libFuzzer makes bytes and watches which code they reach,
//! `MPTCPIZE_FUZZ` names the property that they are given to.
//!
//! One program for all targets, because linking takes longer than anything else here.
//! `scripts/fuzz` builds it and runs it.

#![no_main]

mod handshake;
mod properties;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use properties::Target;

/// The property that was asked for.
static PROPERTY: OnceLock<fn(&[u8])> = OnceLock::new();

fuzz_target!(
    init: {
        let wanted = std::env::var("MPTCPIZE_FUZZ").expect("MPTCPIZE_FUZZ names a target");
        let relay = [Target { name: "handshake", property: handshake::handshake }];
        let target = properties::TARGETS.iter().chain(&relay).find(|target| target.name == wanted);
        let target = target.unwrap_or_else(|| panic!("there is no target {wanted}"));
        let _ = PROPERTY.set(target.property);
    },
    |bytes: &[u8]| {
        PROPERTY.get().expect("it was set at the start")(bytes);
    }
);
