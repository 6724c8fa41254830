//! Files with what is expected, in tests/screens. `UPDATE=1 cargo test` writes them anew.

use std::fs;
use std::path::PathBuf;

/// Compares with the file, or writes it.
#[track_caller]
pub fn same(file: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/screens").join(file);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, text).expect("the repository can be written");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(text == expected, "{file} is not as recorded (UPDATE=1 records):\n{text}");
}
