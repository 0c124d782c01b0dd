//! The emulated board as a [`World`]: the fluid model, and the sensors and counters that watch it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use tempfile::TempDir;
use wattline_trace::ClockKind;

use super::counters::CounterPlayer;
use super::fluid::{Completion, Fluid};
use super::frequency_files::FrequencyFiles;
use super::history::History;
use super::hwmon::Hwmon;
use super::ina231::Ina231;
use super::work::Work;
use crate::clock::{JobId, World};
use crate::description::Description;
use crate::roots::Roots;

/// How often the board looks whether somebody wrote a setting. A driver would be called; files
/// have to be looked at.
const SETTINGS_PERIOD_NS: u64 = 10_000_000;

/// A power sensor and the files that show it.
#[derive(Debug)]
struct Sensor {
    rail: usize,
    i2c_address: u16,
    chip: Ina231,
    files: Hwmon,
}

/// Everything on the board that changes by itself.
#[derive(Debug)]
pub(super) struct EmulatedWorld {
    now_ns: u64,
    fluid: Fluid,
    sensors: Vec<Sensor>,
    counters: Vec<CounterPlayer>,
    /// Of each component whose clock Linux would show, by its place.
    frequencies: Vec<(usize, FrequencyFiles)>,
    settings_at_ns: u64,
    /// Where somebody asked for it.
    history: Option<History>,
    components: usize,
}

impl EmulatedWorld {
    /// Puts the board's files under `roots`.
    pub(super) fn create(
        board: &Description,
        roots: &Roots,
        seed: u64,
        now_ns: u64,
        clock: ClockKind,
    ) -> io::Result<Self> {
        let sensor = |(rail, description): (usize, &crate::description::Rail)| {
            let mut random = ChaCha12Rng::seed_from_u64(seed);
            random.set_stream(rail as u64 + 1);
            let mut chip = Ina231::new(description, &board.noise, random, now_ns);
            let interval_ms = chip.update_interval_ms();
            let mut files = Hwmon::create(&roots.sysfs, rail, description, interval_ms, clock)?;
            files.show(chip.at_rest(description.idle_power.watts()));
            Ok(Sensor { rail, i2c_address: description.i2c_address, chip, files })
        };
        let counter = |counter| CounterPlayer::create(counter, board, &roots.registers);
        let mut frequencies = Vec::new();
        for (index, component) in board.components.iter().enumerate() {
            let files = FrequencyFiles::create(&roots.sysfs, component)?;
            frequencies.extend(files.map(|files| (index, files)));
        }
        Ok(EmulatedWorld {
            now_ns,
            fluid: Fluid::new(board, now_ns),
            sensors: board.rails.iter().enumerate().map(sensor).collect::<io::Result<_>>()?,
            counters: board.counters.iter().map(counter).collect::<io::Result<_>>()?,
            frequencies,
            settings_at_ns: now_ns + SETTINGS_PERIOD_NS,
            history: None,
            components: board.components.len(),
        })
    }

    pub(super) fn submit(&mut self, component: usize, job: JobId, work: Arc<Work>) {
        self.fluid.submit(component, job, work);
        self.note();
    }

    /// From now on keeps what is spent and moved.
    pub(super) fn keep_history(&mut self) {
        self.history = Some(History::default());
        self.note();
    }

    /// What was kept, up to the present.
    pub(super) fn history(&mut self) -> Option<&History> {
        self.note();
        self.history.as_ref()
    }

    fn note(&mut self) {
        if let Some(history) = &mut self.history {
            history.note(&self.fluid, self.components);
        }
    }

    /// Has the chip at an I2C address answer, and shows what of its settings changed; `None` where
    /// there is no chip.
    pub(super) fn at_address<T>(
        &mut self,
        i2c_address: u16,
        talk: impl FnOnce(&mut Ina231, u64, f64) -> T,
    ) -> Option<T> {
        let sensor = self.sensors.iter_mut().find(|it| it.i2c_address == i2c_address)?;
        let answer = talk(&mut sensor.chip, self.now_ns, self.fluid.rail_joules(sensor.rail));
        let interval_ms = sensor.chip.update_interval_ms();
        if interval_ms != sensor.files.shown_interval_ms() {
            sensor.files.show_interval(interval_ms);
        }
        Some(answer)
    }

    pub(super) fn take(&mut self, job: JobId) -> Option<Completion> {
        self.fluid.take(job)
    }

    /// When what components do changes next.
    pub(super) fn next_work_ns(&self) -> Option<u64> {
        self.fluid.next_event_ns()
    }

    /// Lets time go by through every event up to `now_ns`.
    pub(super) fn catch_up(&mut self, now_ns: u64) {
        while let Some(next) = self.next_event_ns().filter(|&next| next <= now_ns) {
            self.advance_to(next);
        }
        self.advance_to(now_ns.max(self.now_ns));
    }

    fn look_at_settings(&mut self) {
        for sensor in &mut self.sensors {
            if let Some(wish_ms) = sensor.files.wished_interval_ms() {
                let joules = self.fluid.rail_joules(sensor.rail);
                sensor.chip.set_update_interval(wish_ms, self.now_ns, joules);
                sensor.files.show_interval(sensor.chip.update_interval_ms());
            }
        }
        for (component, files) in &mut self.frequencies {
            if let Some(kilohertz) = files.wish() {
                self.fluid.set_frequency(*component, kilohertz);
            }
        }
    }
}

impl World for EmulatedWorld {
    fn next_event_ns(&self) -> Option<u64> {
        let conversions = self.sensors.iter().map(|sensor| sensor.chip.ends_ns());
        conversions.chain(self.fluid.next_event_ns()).chain([self.settings_at_ns]).min()
    }

    fn advance_to(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
        let changes = self.fluid.next_event_ns() == Some(now_ns);
        self.fluid.advance_to(now_ns);
        if changes {
            self.note();
        }
        for sensor in &mut self.sensors {
            if sensor.chip.ends_ns() == now_ns {
                sensor.files.show(sensor.chip.convert(self.fluid.rail_joules(sensor.rail)));
            }
        }
        for counter in &mut self.counters {
            counter.play(&self.fluid);
        }
        if now_ns >= self.settings_at_ns {
            self.settings_at_ns = now_ns + SETTINGS_PERIOD_NS;
            self.look_at_settings();
        }
    }

    fn is_done(&self, job: JobId) -> bool {
        self.fluid.is_done(job)
    }
}

/// A directory for an emulated board's files, which goes when the board does: in memory, where
/// there is a choice. What boards of programs that were killed left behind is removed first.
pub(super) fn home(parent: &Path) -> io::Result<TempDir> {
    remove_orphans(parent);
    let prefix = format!("{PREFIX}{}-", std::process::id());
    tempfile::Builder::new().prefix(&prefix).tempdir_in(parent)
}

/// Where such directories are made.
pub(super) fn homes() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

/// Behind this comes the number of the process.
const PREFIX: &str = "wattline-board-";

fn remove_orphans(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let process = process.and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        let ended = process.is_some_and(|id| !Path::new("/proc").join(id.to_string()).exists());
        if ended {
            // Another's directory stays, and so does one that another run is removing right now.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
