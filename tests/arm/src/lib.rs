//! wattline in ARM guests: the emulated board's sensors and counters where the kernel's own drivers
//! find them, and guests to look for them in.
//!
//! QEMU emulates the processors, so guests are slow: what they prove is function and accounting,
//! never speed.

pub mod architecture;
pub mod board;
pub mod guest;
pub mod i2c;
pub mod initramfs;
pub mod machine;
pub mod truth;
mod work;
