//! wattline, its kernel module and the kernel's own drivers in ARM guests, end to end.
//!
//! Every test boots a guest of its own: QEMU's `virt` machine, whose INA231 and counters are those of
//! an emulated board outside. What guests measure is held against what that board knows.
//!
//! The processors are emulated in software, many times slower than the real ones: what these tests
//! prove is function and accounting, never speed.

mod analysis;
mod place;

mod bpf;
mod clock;
mod debug;
mod energy;
mod faults;
mod mainline;
mod module;
mod perf_stat;
mod probe;
mod sensors;

/// Names tests of a function for each architecture: `subject::arm64::what_holds`.
#[macro_export]
macro_rules! in_each_guest {
    ($($test:ident),+ $(,)?) => {
        mod arm64 {
            $(#[test] fn $test() {
                use wattline_arm_tests::architecture::Architecture::Arm64;
                $crate::place::unless_hung(|| super::$test(Arm64));
            })+
        }
        mod armv7 {
            $(#[test] fn $test() {
                use wattline_arm_tests::architecture::Architecture::Armv7;
                $crate::place::unless_hung(|| super::$test(Armv7));
            })+
        }
    };
}
