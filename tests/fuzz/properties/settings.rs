//! /etc/mptcpize.toml.

use mptcpize::config_file;
use mptcpize_model::socket_policy::encode;

use super::survives_json;

/// Settings that are taken are the same in a report, and the library is given a text that it
/// understands.
pub(crate) fn settings(bytes: &[u8]) {
    let Ok(file) = std::str::from_utf8(bytes) else { return };
    let config = match config_file::read(file) {
        Ok(config) => config,
        Err(error) => {
            assert!(!error.is_empty());
            return;
        }
    };
    survives_json(&config);
    let policy = config.sockets.text().expect("it was checked when it was read");
    assert_eq!(encode::check(&policy), Ok(()), "{policy}");
}
