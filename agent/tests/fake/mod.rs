//! A board made of files: an hwmon tree and register blocks in a temporary directory.

#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test binary uses a part of it")]

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use wattline_board::clock::{JobId, World};
use wattline_board::description::Description;
use wattline_board::registers::{RegisterWindow, cci400, cci550, ppmu};
use wattline_board::{RegisterSource, Roots};
use wattline_trace::rows::{AgentRow, EventRow, PowerRow, TrafficRow};
use wattline_trace::{
    BoardRecord, BundleReader, BundleWriter, ClockKind, ClockRecord, Manifest, Row,
};

/// hwmon number and I2C address of each sensor: the numbers tell nothing.
pub const SENSORS: [(u32, u16); 4] = [(7, 0x40), (2, 0x41), (0, 0x44), (11, 0x45)];

#[derive(Debug)]
pub struct FakeBoard {
    pub directory: tempfile::TempDir,
    pub roots: Roots,
}

impl FakeBoard {
    /// No sensor, no counter.
    pub fn bare() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let roots = Roots {
            sysfs: path.join("sys"),
            procfs: path.join("proc"),
            registers: RegisterSource::Directory(path.join("registers")),
        };
        fs::create_dir_all(path.join("registers")).unwrap();
        FakeBoard { directory, roots }
    }

    /// An Odroid XU3: four INA231, CCI-400, PPMU.
    pub fn exynos() -> Self {
        let board = FakeBoard::bare();
        for (number, address) in SENSORS {
            board.add_ina231(number, address);
        }
        let description = Description::load("exynos5422").unwrap();
        for counter in &description.counters {
            for &base in &counter.bases {
                board.add_registers(base, cci400::SIZE.max(ppmu::SIZE));
            }
        }
        board
    }

    pub fn add_ina231(&self, number: u32, address: u16) -> PathBuf {
        let device = format!("3-{address:04x}");
        let files =
            [("in1_input", "1000\n"), ("curr1_input", "500\n"), ("power1_input", "500000\n")];
        let directory = self.add_chip(number, "ina231", &device, &files);
        fs::write(directory.join("update_interval"), "35\n").unwrap();
        directory
    }

    pub fn add_chip(
        &self,
        number: u32,
        name: &str,
        device: &str,
        files: &[(&str, &str)],
    ) -> PathBuf {
        let directory = self.hwmon(number);
        fs::create_dir_all(&directory).unwrap();
        let device = self.roots.sysfs.join("devices").join(device);
        fs::create_dir_all(&device).unwrap();
        symlink(device, directory.join("device")).unwrap();
        fs::write(directory.join("name"), format!("{name}\n")).unwrap();
        for (file, text) in files {
            fs::write(directory.join(file), text).unwrap();
        }
        directory
    }

    pub fn add_registers(&self, base: u64, size: usize) {
        let (path, _) = self.roots.registers.locate(base);
        File::create(path).unwrap().set_len(size as u64).unwrap();
    }

    /// The A7s' PMU, on CPU 0, whose events are the kernel's software events: cpu-clock, task-clock,
    /// page faults, context switches, minor faults.
    pub fn add_software_pmu(&self) {
        let directory = self.roots.sysfs.join("bus/event_source/devices/armv7_cortex_a7");
        fs::create_dir_all(directory.join("events")).unwrap();
        fs::write(directory.join("type"), "1\n").unwrap();
        fs::write(directory.join("cpus"), "0\n").unwrap();
        let events = [
            ("cpu_cycles", 0),
            ("bus_access", 1),
            ("inst_retired", 2),
            ("l2d_cache_refill", 3),
            ("l2d_cache_wb", 5),
        ];
        for (name, code) in events {
            fs::write(directory.join("events").join(name), format!("event={code:#x}\n")).unwrap();
        }
    }

    /// A memory controller's PMU on CPU 0 whose events are the kernel's software events, with units
    /// of so many bytes: (name, code of the software event).
    pub fn add_uncore_pmu(&self, name: &str, bytes: u64, events: &[(&str, u64)]) {
        let directory = self.roots.sysfs.join("bus/event_source/devices").join(name);
        fs::create_dir_all(directory.join("events")).unwrap();
        fs::create_dir_all(directory.join("format")).unwrap();
        fs::write(directory.join("type"), "1\n").unwrap();
        fs::write(directory.join("cpumask"), "0\n").unwrap();
        fs::write(directory.join("format/event"), "config:0-7\n").unwrap();
        for (event, code) in events {
            let file = |suffix| directory.join(format!("events/{event}{suffix}"));
            fs::write(file(""), format!("event={code:#x}\n")).unwrap();
            fs::write(file(".unit"), "Bytes\n").unwrap();
            fs::write(file(".scale"), format!("{bytes}\n")).unwrap();
        }
    }

    pub fn add_cci550(&self) {
        self.add_registers(0xe810_0000, cci550::SIZE);
    }

    pub fn registers(&self, base: u64, size: usize) -> RegisterWindow {
        let (path, offset) = self.roots.registers.locate(base);
        RegisterWindow::open(&path, offset, size).unwrap()
    }

    pub fn hwmon(&self, number: u32) -> PathBuf {
        self.roots.sysfs.join(format!("class/hwmon/hwmon{number}"))
    }

    /// The directory of the sensor at an address.
    pub fn sensor(&self, address: u16) -> PathBuf {
        let (number, _) = SENSORS.into_iter().find(|(_, it)| *it == address).unwrap();
        self.hwmon(number)
    }

    pub fn interval(&self, address: u16) -> String {
        fs::read_to_string(self.sensor(address).join("update_interval")).unwrap()
    }

    pub fn bundle(&self) -> BundleWriter {
        BundleWriter::create(&self.directory.path().join("run"), &manifest(), false).unwrap()
    }

    pub fn rows<R: Row>(&self) -> Vec<R> {
        let reader = BundleReader::open(&self.directory.path().join("run")).unwrap();
        reader.table::<R>().unwrap().map(Result::unwrap).collect()
    }

    pub fn power(&self) -> Vec<PowerRow> {
        self.rows()
    }

    pub fn traffic(&self) -> Vec<TrafficRow> {
        self.rows()
    }

    pub fn events(&self) -> Vec<EventRow> {
        self.rows()
    }

    pub fn accounts(&self) -> Vec<AgentRow> {
        self.rows()
    }
}

pub fn exynos5422() -> Description {
    Description::load("exynos5422").unwrap()
}

pub fn manifest() -> Manifest {
    Manifest {
        schema: wattline_trace::SCHEMA_VERSION,
        wattline: "test".into(),
        board: BoardRecord { name: "fake".into(), model: "files".into(), emulated: true },
        kernel: "test".into(),
        command: Vec::new(),
        clock: ClockRecord { kind: ClockKind::Wall, utc_offset_ns: 0 },
        seed: 0,
        rails: Vec::new(),
        counters: Vec::new(),
        hardware_counters: Vec::new(),
        dram_source: None,
        components: Vec::new(),
        models: Vec::new(),
        coexecution: None,
        dither: None,
        inputs: None,
        complete: false,
        interrupted: false,
        failure: None,
    }
}

/// Writes a number into a file that a reader holds open, in one write, as a driver would show it.
pub fn show(path: &Path, value: u64) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(format!("{value:<8}\n").as_bytes(), 0).unwrap();
}

/// A world whose sensors convert every `window_ns` and whose counters count steadily.
#[derive(Debug)]
pub struct FilesWorld {
    pub window_ns: u64,
    /// What conversion `n` of a sensor shows, mA.
    pub milliamps: fn(u64) -> u64,
    currents: Vec<PathBuf>,
    blocks: Vec<RegisterWindow>,
    now_ns: u64,
}

impl FilesWorld {
    /// PPMU beats read a conversion, on each channel; written are half as many.
    pub const BEATS: u32 = 500_000_000;

    pub fn new(board: &FakeBoard, window_ns: u64, milliamps: fn(u64) -> u64) -> Arc<Mutex<Self>> {
        let currents =
            SENSORS.iter().map(|(_, it)| board.sensor(*it).join("curr1_input")).collect();
        let ppmu_blocks = exynos5422().counters[1].bases.clone();
        let blocks = ppmu_blocks.iter().map(|&base| board.registers(base, ppmu::SIZE)).collect();
        Arc::new(Mutex::new(FilesWorld { window_ns, milliamps, currents, blocks, now_ns: 0 }))
    }
}

impl World for FilesWorld {
    fn next_event_ns(&self) -> Option<u64> {
        Some((self.now_ns / self.window_ns + 1) * self.window_ns)
    }

    fn advance_to(&mut self, now_ns: u64) {
        let conversion = now_ns / self.window_ns;
        if conversion > self.now_ns / self.window_ns {
            for path in &self.currents {
                show(path, (self.milliamps)(conversion));
            }
            for block in &self.blocks {
                for (counter, beats) in [(0, Self::BEATS), (1, Self::BEATS / 2)] {
                    let count = block.read(ppmu::count(counter)).wrapping_add(beats);
                    block.write(ppmu::count(counter), count);
                }
            }
        }
        self.now_ns = now_ns;
    }

    fn is_done(&self, _: JobId) -> bool {
        true
    }
}

/// A thread that gives each sensor a new voltage and current every `period`, until dropped.
#[derive(Debug)]
pub struct Updater {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Updater {
    pub fn start(board: &FakeBoard, period: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let open = |path| OpenOptions::new().write(true).open(path).unwrap();
        let volts = SENSORS.map(|(_, it)| open(board.sensor(it).join("in1_input")));
        let amps = SENSORS.map(|(_, it)| open(board.sensor(it).join("curr1_input")));
        let thread = std::thread::spawn(move || {
            for value in 0u64.. {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                for (volts, amps) in volts.iter().zip(&amps) {
                    let show = |file: &File, value| {
                        file.write_all_at(format!("{value:<8}\n").as_bytes(), 0).unwrap();
                    };
                    show(volts, 1000 + value % 100);
                    show(amps, 500 + value % 1000);
                }
                std::thread::sleep(period);
            }
        });
        Updater { stop, thread: Some(thread) }
    }
}

impl Drop for Updater {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}
