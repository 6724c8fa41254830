//! A static that is written once, while the library is loaded, and read after that without a lock.

#![allow(unsafe_code)]

use core::cell::UnsafeCell;

/// A value that the constructor writes, and others read after that.
pub(crate) struct AtLoad<T>(UnsafeCell<T>);

// SAFETY: `fill` and `get` are called as they say, so nothing is read while it is written.
unsafe impl<T: Sync> Sync for AtLoad<T> {}

impl<T> AtLoad<T> {
    /// With the value that it has until the library is loaded.
    pub(crate) const fn new(value: T) -> Self {
        AtLoad(UnsafeCell::new(value))
    }

    /// Lets `write` change the value. To be called by the constructor alone and once, which then says
    /// with a Release store elsewhere that the value is there.
    pub(crate) fn fill<R>(&self, write: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: one call, and no `get` before its end.
        write(unsafe { &mut *self.0.get() })
    }

    /// The value. To be called after an Acquire load that saw the store of [`AtLoad::fill`]'s caller.
    pub(crate) fn get(&self) -> &T {
        // SAFETY: nobody writes any more.
        unsafe { &*self.0.get() }
    }
}
