//! The file of settings that each of the programs here is told: JSON, checked as a whole.

use std::fmt;
use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::Error;

/// Reads a file and checks what types cannot. What is wrong is said without the keys that may be in it.
///
/// # Errors
/// It cannot be read, is no JSON of these settings, or does not pass.
pub fn read<T: DeserializeOwned>(
    file: &Path,
    check: impl Fn(&T) -> Result<(), String>,
) -> Result<T, Error> {
    let text = fs::read_to_string(file).map_err(|error| unusable(file, error))?;
    let settings: T = serde_json::from_str(&text).map_err(|error| unusable(file, error))?;
    check(&settings).map_err(|why| unusable(file, why))?;
    Ok(settings)
}

/// The error of settings that cannot be used.
pub fn unusable(file: &Path, why: impl fmt::Display) -> Error {
    Error::failed(format!("cannot use the settings in {}", file.display()), why)
}
