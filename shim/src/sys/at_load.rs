//! A static that is written once, while the library is loaded, and read after that without a lock.

#![allow(unsafe_code)]

use core::cell::UnsafeCell;

/// What the constructor writes, and others read after that.
pub(crate) struct AtLoad<T>(UnsafeCell<T>);

// SAFETY: `fill` and `get` are called as they say, so nothing is read while it is written.
unsafe impl<T: Sync> Sync for AtLoad<T> {}

impl<T> AtLoad<T> {
    pub(crate) const fn new(value: T) -> Self {
        AtLoad(UnsafeCell::new(value))
    }

    /// Writes it. Only the constructor does, once, and it says with a Release store elsewhere that
    /// it has.
    pub(crate) fn fill<R>(&self, write: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: one call, and no `get` before its end.
        write(unsafe { &mut *self.0.get() })
    }

    /// Reads it, after an Acquire load that saw that store.
    pub(crate) fn get(&self) -> &T {
        // SAFETY: nobody writes any more.
        unsafe { &*self.0.get() }
    }
}
