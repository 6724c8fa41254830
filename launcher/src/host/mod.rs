//! What the machine offers. This is the only place that asks the kernel.

pub mod kernel;
