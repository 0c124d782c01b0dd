//! Discovery and recording on boards made of files.

#[path = "../fake/mod.rs"]
mod fake;

mod at_marks;
mod counters;
mod discovery;
mod faults;
mod on_the_virtual_clock;
mod on_the_wall;
mod performance;
mod probe;
mod uncore;
mod windows;
