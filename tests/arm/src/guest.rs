//! A guest that runs: told what to do by shell scripts, its board known from outside.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use wattline_arm_bell::{NO_MORE, PAGE, PAGE_BYTES, word};
use wattline_board::RegisterSource;
use wattline_board::clock::{Clock, WallClock};
use wattline_board::emulated::EmulatedBoard;
use wattline_board::registers::RegisterWindow;
use wattline_trace::ClockKind;

use crate::architecture::Architecture;
use crate::board::{self, MEMORY_ORIGIN};
use crate::i2c::{self, Bus};
use crate::machine::{Blocks, Machine};
use crate::work::Follower;

/// A kernel that has not started by then never will, on however busy a machine.
const MOST_TO_BOOT: Duration = Duration::from_secs(240);

/// No script of a test takes longer.
const MOST_TO_ANSWER: Duration = Duration::from_secs(300);

/// Guests that answered no more, and whose kernel had found a processor that stood still.
static HUNG: AtomicU64 = AtomicU64::new(0);

/// How many guests of this process hung: no fault of what ran in them, as far as is known. Emulated
/// processors did that once in some three hundred guests, in an interrupt that did not end.
pub fn hung() -> u64 {
    HUNG.load(Relaxed)
}

/// A guest.
#[derive(Debug)]
pub struct Guest {
    board: Arc<EmulatedBoard>,
    bus: Arc<Bus>,
    page: Arc<RegisterWindow>,
    machine: Machine,
    control: BufReader<UnixStream>,
    qemu: Child,
    _follower: Follower,
    _folder: TempDir,
}

/// How a script ended, and what it printed.
#[derive(Debug, Clone)]
pub struct Said {
    /// Its exit status.
    pub status: i32,
    /// What it printed, on either stream.
    pub bytes: Vec<u8>,
}

impl Said {
    /// What it printed.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// By how much the guest's clock is ahead of ours, and how sure that is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Offset {
    /// Guest's time less ours, in nanoseconds.
    pub ns: i64,
    /// It lies no farther from that.
    pub error_ns: i64,
}

impl Offset {
    /// A time of the guest's, by our clock.
    pub fn ours(&self, guest_ns: u64) -> u64 {
        guest_ns.saturating_add_signed(-self.ns)
    }

    /// A span of the guest's, by our clock.
    pub fn our_span(&self, guest_ns: Range<u64>) -> Range<u64> {
        self.ours(guest_ns.start)..self.ours(guest_ns.end)
    }
}

impl Guest {
    /// Boots one. `target` is the folder of what cargo builds.
    ///
    /// # Errors
    /// If it does not come up; the message ends with what its kernel said last.
    pub fn boot(architecture: Architecture, blocks: Blocks, target: &Path) -> io::Result<Self> {
        let memory = Path::new("/dev/shm");
        remove_orphans(memory);
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(memory)?;
        let machine = Machine::new(architecture, folder.path())?;
        let registers =
            RegisterSource::GuestMemory { file: machine.memory(), origin: MEMORY_ORIGIN };
        let seed = 1;
        let started =
            EmulatedBoard::start_with(board::parsed(), ClockKind::Wall, seed, Some(registers));
        let board = Arc::new(started.map_err(io::Error::other)?);
        board.keep_history();
        let bus = Arc::new(Bus::new(Arc::clone(&board)));
        i2c::serve(Arc::clone(&bus), &machine.i2c_socket())?;
        let page = RegisterWindow::open(&machine.memory(), PAGE - MEMORY_ORIGIN, PAGE_BYTES)?;
        let page = Arc::new(page);
        let follower = Follower::start(Arc::clone(&board), Arc::clone(&page));
        let mut qemu = machine.start(blocks, target)?;
        let control = match connect(&machine, &mut qemu) {
            Ok(control) => control,
            Err(error) => {
                let _ = qemu.kill();
                let _ = qemu.wait();
                let said = [machine.complaint(), tail(&machine.console())].concat();
                return Err(io::Error::new(error.kind(), format!("{error}\n{said}")));
            }
        };
        Ok(Guest { board, bus, page, machine, control, qemu, _follower: follower, _folder: folder })
    }

    /// The board that its sensors and counters show.
    pub fn board(&self) -> &EmulatedBoard {
        &self.board
    }

    /// The bus that its sensors are on.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// What the kernel printed on its console.
    pub fn console(&self) -> String {
        self.machine.console()
    }

    /// Puts a component to work, by its place in the description, or none, as the guest itself does
    /// while it follows a program.
    pub fn put_to_work(&self, component: Option<u32>) {
        self.page.write(word::AT_WORK, component.map_or(0, |place| place + 1));
    }

    /// Images that the guest rang for.
    pub fn images(&self) -> u32 {
        self.page.read(word::IMAGES)
    }

    /// Runs a script and answers what became of it.
    ///
    /// # Panics
    /// If the guest is no more; the message ends with what its kernel said last.
    #[track_caller]
    pub fn run(&mut self, script: &str) -> Said {
        self.start(script);
        self.finish()
    }

    /// Runs a script that must succeed, and answers what it printed.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn sh(&mut self, script: &str) -> String {
        let said = self.run(script);
        let text = said.text();
        assert!(said.status == 0, "{script}\nexit status {}:\n{}", said.status, tail(&text));
        text
    }

    /// Starts a script; nothing else can be run until [`Guest::finish`].
    ///
    /// # Panics
    /// If the guest is no more.
    #[track_caller]
    pub fn start(&mut self, script: &str) {
        let sent = write!(self.control.get_mut(), "{script}\n--- run ---\n");
        self.check(sent);
    }

    /// Waits for the script that was started.
    ///
    /// # Panics
    /// If the guest is no more.
    #[track_caller]
    pub fn finish(&mut self) -> Said {
        let said = read_answer(&mut self.control);
        self.check(said)
    }

    /// Measures by how much its clock is ahead: the answers to many questions, each of which says
    /// between which times of ours one of its own lay. Both clocks count the same seconds.
    ///
    /// # Panics
    /// If the guest does not answer, or its clock and ours do not agree that the offset is one.
    #[track_caller]
    pub fn clock_offset(&mut self) -> Offset {
        const QUESTIONS: u32 = 400;
        let first = self.page.read(word::CLOCK_ANSWERED).wrapping_add(1) % (1 << 30);
        self.page.write(word::CLOCK_ASKED, first);
        self.start("bell clock");
        let mut bounds = (i64::MIN, i64::MAX);
        for question in first..first + QUESTIONS {
            let asked_ns = WallClock.now_ns();
            self.page.write(word::CLOCK_ASKED, question);
            let patience = Instant::now();
            while self.page.read(word::CLOCK_ANSWERED) != question {
                assert!(
                    patience.elapsed() < MOST_TO_BOOT,
                    "the guest does not say what time it is"
                );
                std::hint::spin_loop();
            }
            let answered_ns = WallClock.now_ns();
            // The first question is answered when the program starts, and with no time.
            if question > first {
                let [low, high] = [word::CLOCK_LOW, word::CLOCK_HIGH].map(|it| self.page.read(it));
                let guest_ns = i64::from(high) << 32 | i64::from(low);
                bounds.0 = bounds.0.max(guest_ns - answered_ns as i64);
                bounds.1 = bounds.1.min(guest_ns - asked_ns as i64);
            }
        }
        self.page.write(word::CLOCK_ASKED, NO_MORE);
        let said = self.finish();
        assert_eq!(said.status, 0, "{}", said.text());
        self.page.write(word::CLOCK_ASKED, 0);
        let (least, most) = bounds;
        // Nanoseconds are rounded on either side.
        assert!(least <= most + 1000, "the guest's clock drifts: {least} to {most}");
        Offset { ns: least.midpoint(most), error_ns: (most - least) / 2 + 1 }
    }

    /// Fetches a folder, such as a run bundle.
    ///
    /// # Panics
    /// If it cannot be packed, or unpacked here.
    #[track_caller]
    pub fn fetch(&mut self, folder: &str, into: &Path) {
        let (parent, name) = folder.rsplit_once('/').unwrap_or((".", folder));
        let packed = self.run(&format!("tar -c -C '{parent}/' '{name}'"));
        assert_eq!(packed.status, 0, "{}", packed.text());
        let mut tar = std::process::Command::new("tar")
            // The guest's clock is not quite ours: files from the future would be told of.
            .args(["--extract", "--no-same-owner", "--touch", "--directory"])
            .arg(into)
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("tar runs");
        let sent = tar.stdin.take().map(|mut pipe| pipe.write_all(&packed.bytes));
        assert!(matches!(sent, Some(Ok(()))) && tar.wait().is_ok_and(|it| it.success()));
    }

    #[track_caller]
    fn check<T>(&self, result: io::Result<T>) -> T {
        match result {
            Ok(value) => value,
            Err(error) => {
                let console = self.console();
                if console.contains("detected stalls on CPUs") {
                    HUNG.fetch_add(1, Relaxed);
                }
                panic!(
                    "the guest does not answer: {error}\n{}{}",
                    self.machine.complaint(),
                    tail(&console)
                )
            }
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // There is nothing in it to keep.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// Behind this comes the number of the process.
const PREFIX: &str = "wattline-guest-";

/// Removes what tests that were killed left behind: each a guest's memory.
fn remove_orphans(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
        if process.is_some_and(|id| !Path::new("/proc").join(id).exists()) {
            // Another run may be removing it right now.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn connect(machine: &Machine, qemu: &mut Child) -> io::Result<BufReader<UnixStream>> {
    let began = Instant::now();
    let control = loop {
        if let Ok(control) = UnixStream::connect(machine.control_socket()) {
            break control;
        }
        if let Some(status) = qemu.try_wait()? {
            return Err(io::Error::other(format!("QEMU ended at once, {status}")));
        }
        if began.elapsed() > MOST_TO_BOOT {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "QEMU opens no control port"));
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    control.set_read_timeout(Some(MOST_TO_BOOT))?;
    let mut control = BufReader::new(control);
    let mut line = String::new();
    control.read_line(&mut line)?;
    if line.trim() != "ready" {
        return Err(io::Error::other(format!("the guest did not start: it said {line:?}")));
    }
    control.get_ref().set_read_timeout(Some(MOST_TO_ANSWER))?;
    Ok(control)
}

fn read_answer(control: &mut BufReader<UnixStream>) -> io::Result<Said> {
    let mut line = String::new();
    control.read_line(&mut line)?;
    let numbers = line.trim().split_once(' ');
    let numbers = numbers.and_then(|(status, length)| {
        Some((status.parse::<i32>().ok()?, length.parse::<usize>().ok()?))
    });
    let Some((status, length)) = numbers else {
        return Err(io::Error::other(format!("it said {line:?}")));
    };
    let mut bytes = vec![0; length];
    control.read_exact(&mut bytes)?;
    Ok(Said { status, bytes })
}

/// The end of a long text.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}
