//! What records a board while it works: power sensors, memory-traffic counters, the thread that
//! samples them, and the recorder that writes what they say into a run bundle.
//!
//! ```no_run
//! # fn record(
//! #     bundle: wattline_trace::BundleWriter,
//! #     description: wattline_board::description::Description,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use wattline_agent::{Inventory, Recorder, Settings};
//! use wattline_board::Roots;
//! use wattline_board::clock::{Clock, WallClock, attend};
//!
//! let clock: Arc<dyn Clock> = Arc::new(WallClock);
//! let attendance = attend(&clock);
//! let inventory = Inventory::discover(&description, &Roots::machine());
//! let recorder = Recorder::start(inventory, &clock, &bundle, &Settings::default())?;
//! // … the work …
//! println!("{}", recorder.stop(attendance));
//! # Ok(())
//! # }
//! ```
//!
//! * [`Inventory`] finds and opens what a board's description names.
//! * [`Inventory::attach_bpf`] has the kernel account CPU time and report changes of frequency.
//! * [`Recorder`] samples it on a clock, wall or virtual, and writes rows.
//! * [`probe`] says what there is and what is missing, with what to do about it.
//! * [`launch`] starts a command and holds it until it is watched, [`process`] is one that runs
//!   already; [`watch`] makes spans of what probes in either say.
//! * [`privileges`] and [`interrupt`] are about the process: what it may do, and when to end.
//!
//! An emulated board has the same files under other [`wattline_board::Roots`]; nothing here
//! knows the difference.

mod attribute;
mod counter;
mod fault;
pub mod interrupt;
mod inventory;
mod kernel;
pub mod launch;
mod perf_event;
mod performance;
pub mod privileges;
pub mod probe;
pub mod process;
mod recorder;
mod sampler;
mod sensor;
mod setting;
pub mod watch;

pub use inventory::{Inventory, Missing};
pub use kernel::CpuTimes;
pub use performance::{MarkCounters, MarkEvents};
pub use recorder::{AgentReport, RailRate, Recorder, Settings, StartError};
