//! A guest to test in, and what tests do in most of them.

use std::ops::{Deref, DerefMut};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use wattline_arm_tests::architecture::Architecture;
use wattline_arm_tests::board;
use wattline_arm_tests::guest::{Guest, Offset};
use wattline_arm_tests::machine::Blocks;
use wattline_arm_tests::truth;

use crate::analysis::{self, SummaryRow};

/// Guests run one after another: two would slow each other down more than they save.
static MACHINE: Mutex<()> = Mutex::new(());

/// A guest, and a folder here for what comes out of it.
#[derive(Debug)]
pub(crate) struct Place {
    architecture: Architecture,
    guest: Guest,
    folder: TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Deref for Place {
    type Target = Guest;
    fn deref(&self) -> &Guest {
        &self.guest
    }
}

impl DerefMut for Place {
    fn deref_mut(&mut self) -> &mut Guest {
        &mut self.guest
    }
}

/// What cargo builds, and `tests/arm/build` with it.
pub(crate) fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it lies in the target folder")
}

/// What the module is told at [`Blocks::Untold`].
pub(crate) fn parameters() -> String {
    let ppmu = board::PPMU.map(|base| format!("{base:#x}")).join(",");
    format!("cci400={:#x} cci550={:#x} ppmu={ppmu}", board::CCI400, board::CCI550)
}

/// Loads the module.
pub(crate) const INSERT: &str = "insmod /modules/wattline_cci.ko";

/// Gives the bus its four chips, as one would on a board whose device tree lacks them.
const INSTANTIATE: &str = "
bus=$(ls -d /sys/bus/i2c/devices/i2c-*)
for address in 0x40 0x41 0x44 0x45; do echo ina231 $address > $bus/new_device; done
";

/// Runs a test, and once more, which is told, if it failed because a processor of its guest hung.
pub(crate) fn unless_hung(test: impl Fn()) {
    let hung = wattline_arm_tests::guest::hung();
    if let Err(failure) = panic::catch_unwind(AssertUnwindSafe(&test)) {
        if wattline_arm_tests::guest::hung() == hung {
            panic::resume_unwind(failure);
        }
        println!("A PROCESSOR OF THE GUEST HUNG, see above; the test is run once more");
        test();
    }
}

impl Place {
    /// A guest that has just started.
    #[track_caller]
    pub(crate) fn boot(architecture: Architecture, blocks: Blocks) -> Self {
        let alone = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
        let guest = Guest::boot(architecture, blocks, target())
            .unwrap_or_else(|error| panic!("{architecture:?}: {error}"));
        Place { architecture, guest, folder: tempfile::tempdir().unwrap(), _alone: alone }
    }

    /// A guest with sensors and counters.
    #[track_caller]
    pub(crate) fn whole(architecture: Architecture) -> Self {
        let mut place = Place::boot(architecture, Blocks::Untold);
        place.sh(INSTANTIATE);
        place.sh(&format!("{INSERT} {}", parameters()));
        place
    }

    /// A guest with sensors alone.
    #[track_caller]
    pub(crate) fn with_sensors(architecture: Architecture) -> Self {
        let mut place = Place::boot(architecture, Blocks::Untold);
        place.sh(INSTANTIATE);
        place
    }

    /// Waits for a script that was started to ring for so many images; not for ever, for it may have
    /// failed, which [`Guest::finish`] will tell.
    pub(crate) fn wait_for_images(&self, count: u32) {
        const PATIENCE: Duration = Duration::from_secs(120);
        let began = Instant::now();
        while self.images() < count && began.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Fetches a bundle and answers where it is now.
    #[track_caller]
    pub(crate) fn bundle(&mut self, folder: &str) -> PathBuf {
        self.guest.fetch(folder, self.folder.path());
        self.folder.path().join(Path::new(folder).file_name().unwrap())
    }

    /// Fetches a bundle of one run, and has it analysed against what the board knows.
    #[track_caller]
    pub(crate) fn checked(&mut self, folder: &str, offset: Offset) -> (PathBuf, SummaryRow) {
        let bundle = self.bundle(folder);
        truth::write(&bundle, self.guest.board(), offset).unwrap();
        let row = analysis::of_one_run(self.architecture, &bundle);
        (bundle, row)
    }

    /// The kernel found nothing wrong with anybody.
    #[track_caller]
    pub(crate) fn check_kernel_log(&mut self) {
        const SIGNS: [&str; 8] = [
            "WARNING:",
            "BUG:",
            "Oops",
            "Call trace",
            "possible recursive locking",
            "KASAN",
            "UBSAN",
            "refcount_t",
        ];
        let log = self.sh("dmesg");
        let wrong = log.lines().position(|line| SIGNS.iter().any(|sign| line.contains(sign)));
        if let Some(at) = wrong {
            let from: Vec<_> = log.lines().skip(at.saturating_sub(3)).take(60).collect();
            panic!("the kernel complains:\n{}", from.join("\n"));
        }
    }
}
