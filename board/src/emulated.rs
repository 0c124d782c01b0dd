//! The emulated board: a description, made to live.
//!
//! A [fluid model](fluid) runs layers on components and knows exact joules and bytes. Sensors
//! and counters watch it and show it in the files a real board has: an hwmon tree and register
//! blocks. An agent that is pointed at [`EmulatedBoard::roots`] reads them as it would a board.
//!
//! The board runs on either clock: on the wall a thread keeps it up to date; on the virtual clock
//! it is the clock's world. One model, two clocks.

pub mod cache;
mod counters;
pub mod fluid;
mod frequency;
mod frequency_files;
mod history;
mod hwmon;
pub mod ina231;
mod keeper;
mod setting;
mod sharing;
mod truth;
pub mod work;
mod world;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;
use wattline_trace::rows::TruthRow;
use wattline_trace::{ClockKind, Name, TableWriter, WriteError};

use crate::clock::{Clock, JobId, VirtualClock, WallClock};
use crate::description::Description;
use crate::roots::{RegisterSource, Roots};
use fluid::Completion;
pub use history::{History, Within};
use keeper::Keeper;
pub use keeper::outrank_readers;
use truth::Truth;
use work::Work;
use world::EmulatedWorld;

/// Where the virtual clock starts: not at zero, so that nothing takes zero for a time.
const VIRTUAL_START_NS: u64 = 1_000_000_000;

/// The emulated board could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum EmulationError {
    /// The description says too little.
    #[error("board {board} cannot be emulated: its description lacks {key}")]
    Incomplete {
        /// The board.
        board: String,
        /// The first key that is missing.
        key: String,
    },
    /// Its files could not be created.
    #[error("cannot create the emulated board's files in {}: {source}; it needs a few MB there", path.display())]
    Files {
        /// Where.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// A board that lives in this process.
#[derive(Debug)]
pub struct EmulatedBoard {
    description: Description,
    roots: Roots,
    clock: Arc<dyn Clock>,
    world: Arc<Mutex<EmulatedWorld>>,
    drive: Drive,
    truth: Mutex<Option<Truth>>,
    next_job: AtomicU64,
    _home: TempDir,
}

/// What lets the board's time go by.
#[derive(Debug)]
enum Drive {
    Wall(Keeper),
    Virtual(Arc<VirtualClock>),
}

/// One image in flight.
#[derive(Debug)]
pub struct Flight {
    job: JobId,
    component: Name,
    image: u64,
    work: Arc<Work>,
}

impl EmulatedBoard {
    /// Brings a description to life. `seed` is that of all noise.
    ///
    /// # Errors
    /// If the description says too little, or the board's files cannot be created.
    pub fn start(
        description: Description,
        clock: ClockKind,
        seed: u64,
    ) -> Result<Self, EmulationError> {
        Self::start_with(description, clock, seed, None)
    }

    /// As [`EmulatedBoard::start`], with the counter blocks played in `registers`, which are there
    /// already: a virtual machine's memory.
    ///
    /// # Errors
    /// As [`EmulatedBoard::start`].
    pub fn start_with(
        description: Description,
        clock: ClockKind,
        seed: u64,
        registers: Option<RegisterSource>,
    ) -> Result<Self, EmulationError> {
        if let Some(key) = description.missing_for_emulation() {
            return Err(EmulationError::Incomplete { board: description.name, key });
        }
        let parent = world::homes();
        let files = |source| EmulationError::Files { path: parent.clone(), source };
        let home = world::home(&parent).map_err(files)?;
        let roots = Roots {
            sysfs: home.path().join("sys"),
            procfs: home.path().join("proc"),
            registers: registers
                .unwrap_or_else(|| RegisterSource::Directory(home.path().join("registers"))),
        };
        let now_ns = match clock {
            ClockKind::Wall => WallClock.now_ns(),
            ClockKind::Virtual => VIRTUAL_START_NS,
        };
        let world =
            EmulatedWorld::create(&description, &roots, seed, now_ns, clock).map_err(files)?;
        let world = Arc::new(Mutex::new(world));
        let (clock, drive): (Arc<dyn Clock>, _) = match clock {
            ClockKind::Wall => {
                let keeper = Keeper::start(Arc::clone(&world)).map_err(files)?;
                (Arc::new(WallClock), Drive::Wall(keeper))
            }
            ClockKind::Virtual => {
                let clock = Arc::new(VirtualClock::new(world.clone(), now_ns));
                (clock.clone(), Drive::Virtual(clock))
            }
        };
        Ok(EmulatedBoard {
            description,
            roots,
            clock,
            world,
            drive,
            truth: Mutex::new(None),
            next_job: AtomicU64::new(0),
            _home: home,
        })
    }

    /// The description it lives by.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Where its files are.
    pub fn roots(&self) -> &Roots {
        &self.roots
    }

    /// The clock it runs on.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The longest the board was behind the wall clock so far: for that long its sensors and
    /// counters showed old values. A virtual clock waits for it.
    pub fn longest_lag_ns(&self) -> u64 {
        match &self.drive {
            Drive::Wall(keeper) => keeper.longest_lag_ns(),
            Drive::Virtual(_) => 0,
        }
    }

    /// Brings sensors, counters and books up to the present. On the wall clock they are, but for
    /// counters whose programming changed since the board last looked: those are looked at now.
    pub fn refresh(&self) {
        drop(self.present());
    }

    /// From now on keeps what is spent and moved, for [`EmulatedBoard::history`].
    pub fn keep_history(&self) {
        self.present().keep_history();
    }

    /// What was spent and moved since [`EmulatedBoard::keep_history`].
    pub fn history(&self) -> History {
        self.present().history().cloned().unwrap_or_default()
    }

    /// Reads a register of the sensor at an I2C address; `None` where there is none.
    pub fn read_sensor(&self, i2c_address: u16, register: u8) -> Option<u16> {
        self.present().at_address(i2c_address, |chip, _, _| chip.read_register(register))
    }

    /// Writes a register of the sensor at an I2C address; `None` where there is none.
    pub fn write_sensor(&self, i2c_address: u16, register: u8, value: u16) -> Option<()> {
        self.present().at_address(i2c_address, |chip, now_ns, joules| {
            chip.write_register(register, value, now_ns, joules);
        })
    }

    /// The world, as it is now.
    fn present(&self) -> MutexGuard<'_, EmulatedWorld> {
        let mut world = lock(&self.world);
        if let Drive::Wall(_) = self.drive {
            world.catch_up(self.clock.now_ns());
        }
        world
    }

    /// From now on writes what it knows to `table`.
    pub fn write_truth_to(&self, table: TableWriter<TruthRow>) {
        let rails = self.description.rails.iter().map(|rail| rail.name().into()).collect();
        *self.truth() = Some(Truth::new(table, rails));
    }

    /// Begins a run of one network on a component, for the truth's sums. Several components may
    /// be at a run at once; one that was at another begins anew.
    pub fn begin_run(&self, component: &str, network: &str) {
        if let Some(truth) = &mut *self.truth() {
            truth.begin_run(component, network);
        }
    }

    /// Ends the component's run, and writes the sum of its images if there were any.
    ///
    /// # Errors
    /// If the truth cannot be written.
    pub fn end_run(&self, component: &str) -> Result<(), WriteError> {
        self.truth().as_mut().map_or(Ok(()), |truth| truth.end_run(component))
    }

    /// Queues one image on a component, which starts it when it is done with those before.
    ///
    /// # Panics
    /// If the board has no such component.
    pub fn submit(&self, component: &str, image: u64, work: &Arc<Work>) -> Flight {
        let index = self
            .description
            .components
            .iter()
            .position(|it| it.name() == component)
            .unwrap_or_else(|| panic!("the board has no component {component}"));
        let job = JobId(self.next_job.fetch_add(1, Ordering::Relaxed));
        let mut world = lock(&self.world);
        if let Drive::Wall(keeper) = &self.drive {
            world.catch_up(self.clock.now_ns());
            keeper.wake();
        }
        world.submit(index, job, Arc::clone(work));
        Flight { job, component: component.into(), image, work: Arc::clone(work) }
    }

    /// Takes what an image spent, if it is done: what [`EmulatedBoard::wait`] would answer. Asked
    /// again it answers no more.
    ///
    /// # Errors
    /// If the truth cannot be written.
    pub fn take(&self, flight: &Flight) -> Result<Option<Completion>, WriteError> {
        let completion = lock(&self.world).take(flight.job);
        completion.map(|completion| self.tell_truth(flight, completion)).transpose()
    }

    /// When the next layer of what runs now begins to move bytes or ends; none if nothing runs.
    pub fn next_event_ns(&self) -> Option<u64> {
        lock(&self.world).next_work_ns()
    }

    /// Waits for an image and answers what it spent, layer by layer. On the virtual clock the
    /// thread must attend the clock.
    ///
    /// # Errors
    /// If the truth cannot be written.
    pub fn wait(&self, flight: Flight) -> Result<Completion, WriteError> {
        let completion = match &self.drive {
            Drive::Wall(keeper) => keeper.wait_for(&self.world, flight.job),
            Drive::Virtual(clock) => {
                let mut completion = lock(&self.world).take(flight.job);
                while completion.is_none() {
                    clock.sleep_until_done(flight.job);
                    completion = lock(&self.world).take(flight.job);
                }
                completion
            }
        };
        let Some(completion) = completion else {
            unreachable!("a job is taken once, by the flight that owns it");
        };
        self.tell_truth(&flight, completion)
    }

    fn tell_truth(
        &self,
        flight: &Flight,
        completion: Completion,
    ) -> Result<Completion, WriteError> {
        if let Some(truth) = &mut *self.truth() {
            truth.image(&flight.component, flight.image, &flight.work, &completion)?;
        }
        Ok(completion)
    }

    fn truth(&self) -> MutexGuard<'_, Option<Truth>> {
        self.truth.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for EmulatedBoard {
    fn drop(&mut self) {
        if let Drive::Wall(keeper) = &mut self.drive {
            keeper.stop();
        }
    }
}

/// The model is plain arithmetic between two events: a panic elsewhere leaves it whole.
fn lock(world: &Mutex<EmulatedWorld>) -> MutexGuard<'_, EmulatedWorld> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}
