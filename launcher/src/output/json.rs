//! `-j` on every verb: one JSON value on standard output, whatever comes of the verb.
//!
//! A verb that has something to tell prints its own object. What else it says is kept, and goes into
//! the object that ends the process; so does an error. Nothing that is no JSON reaches standard output:
//! that holds here, at the one place where lines leave, and not in each verb.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::error::{Error, Exit};

/// What this process has said so far.
struct Said {
    /// `-j` stands on the command line.
    wanted: bool,
    /// The verb printed an object of its own.
    answered: bool,
    /// Lines for a person, which are no JSON.
    text: String,
}

static SAID: Mutex<Said> = Mutex::new(Said { wanted: false, answered: false, text: String::new() });

fn said() -> MutexGuard<'static, Said> {
    SAID.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on standard output is JSON, or it is not.
pub fn want(wanted: bool) {
    said().wanted = wanted;
}

/// Is standard output to be JSON?
pub fn is_wanted() -> bool {
    said().wanted
}

/// Prints the object where JSON is wanted; false where it is not, and a person is to be told.
///
/// # Errors
/// Standard output cannot be written.
pub fn answer(object: impl FnOnce() -> Value) -> anyhow::Result<bool> {
    let wanted = is_wanted();
    if wanted {
        super::line(&object().to_string())?;
    }
    Ok(wanted)
}

/// May this text leave? Text that is no JSON is kept where JSON is wanted.
pub(super) fn passes(text: &str) -> bool {
    let mut said = said();
    if !said.wanted {
        return true;
    }
    let is_value = text.trim_start().starts_with(['{', '[']);
    // Several lines of one value each are a stream, as of `monitor`.
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    if is_value && values.all(|value| value.is_ok()) {
        said.answered = true;
        return true;
    }
    said.text.push_str(text.trim_end_matches('\n'));
    said.text.push('\n');
    false
}

/// The last object of a verb that printed none.
pub(super) fn done(exit: Exit) -> Option<Value> {
    let said = said();
    let text = said.text.trim_end();
    (said.wanted && !said.answered)
        .then(|| json!({ "version": 1, "exit": exit as i32, "text": text }))
}

/// The object of a verb that failed. Where an answer is out already, one more would be a second.
pub(super) fn failed(error: &Error) -> Option<Value> {
    let said = said();
    (said.wanted && !said.answered).then(|| json!({ "version": 1, "error": error.json() }))
}
