//! Buffers for bytes on their way, which a direction has only while it holds some: an idle connection has
//! none.

use std::cell::Cell;

use super::protocol::CHUNK;

/// Free buffers that an event loop keeps: as many as are in use at a time while all connections keep up.
const KEPT: usize = 16;

thread_local! {
    static FREE: Cell<Vec<Box<[u8]>>> = const { Cell::new(Vec::new()) };
}

/// One of [`CHUNK`] bytes, with whatever was in it.
pub fn take() -> Box<[u8]> {
    let mut free = FREE.take();
    let buffer = free.pop();
    FREE.set(free);
    buffer.unwrap_or_else(|| vec![0; CHUNK].into_boxed_slice())
}

/// Gives one back.
pub fn give(buffer: Box<[u8]>) {
    let mut free = FREE.take();
    if free.len() < KEPT {
        free.push(buffer);
    }
    FREE.set(free);
}
