//! The `wattline` command from end to end, run as a user runs it: a process, its exit status,
//! what it prints and the files it leaves. Fakes are files and directory trees.
//!
//! Joules and bytes are held against `truth.csv`, which the emulated board alone writes, and
//! images a second against Table I of the study. No test asserts how long anything takes; those
//! that measure on the wall clock have the machine to themselves ([`place::Place::alone`]).

mod browser;
mod bundle;
mod place;
mod python;
mod root;
mod running;

mod accuracy;
mod boards;
mod coexecution;
mod coexecution_host;
mod compare;
mod damage;
mod determinism;
mod disk;
mod frequency;
mod host;
mod images;
mod interruption;
mod kernel;
mod layers;
mod networks;
mod npu;
mod out_directory;
mod ownership;
mod plan;
mod prediction;
mod privileges;
mod reading;
mod record;
mod record_engines;
mod record_marks;
mod record_overlap;
mod record_processes;
mod record_refusals;
mod recording;
mod report;
mod roofline;
mod sensors;
mod shares;
mod summary;
mod talk;
mod usage;
