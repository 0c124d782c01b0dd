//! The module's tests once more, on a kernel that checks locks, memory and timers:
//! `make test-arm-debug`.

use wattline_arm_tests::architecture::Architecture::Arm64Debug;

use crate::module;

#[test]
fn binds_by_device_tree() {
    module::binds_by_device_tree(Arm64Debug);
}

#[test]
fn counts_what_is_played() {
    module::counts_what_is_played(Arm64Debug);
}

#[test]
fn loads_and_unloads_twenty_times() {
    module::loads_and_unloads_twenty_times(Arm64Debug);
}

#[test]
fn refuses_what_is_wrong() {
    module::refuses_what_is_wrong(Arm64Debug);
}

#[test]
fn leaves_another_drivers_range_alone() {
    module::leaves_another_drivers_range_alone(Arm64Debug);
}
