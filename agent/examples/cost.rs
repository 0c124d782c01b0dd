//! What the agent itself costs: four INA231, a CCI-400 and a PPMU made of files, 450 Hz.
//!
//! `cargo run --release -p wattline-agent --example cost [seconds]`. Run it as root to see the
//! lateness under SCHED_FIFO. The files of a temporary directory answer at once; a real INA231
//! takes about 0.1 ms of I²C a value, during which the sampler sleeps.

#[path = "../tests/fake/mod.rs"]
mod fake;

use std::sync::Arc;
use std::time::Duration;

use fake::{FakeBoard, Updater, exynos5422};
use wattline_agent::{Inventory, Recorder, Settings};
use wattline_board::clock::{Clock, WallClock, attend};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seconds = std::env::args().nth(1).map_or(Ok(10), |text| text.parse())?;
    let board = FakeBoard::exynos();
    let updater = Updater::start(&board, Duration::from_millis(2));
    let bundle = board.bundle();
    let clock: Arc<dyn Clock> = Arc::new(WallClock);
    let attendance = attend(&clock);
    let inventory = Inventory::discover(&exynos5422(), &board.roots);
    let recorder = Recorder::start(inventory, &clock, &bundle, &Settings::default())?;
    std::thread::sleep(Duration::from_secs(seconds));
    let report = recorder.stop(attendance);
    drop(updater);
    println!("{report}");
    drop(bundle);
    for event in board.events() {
        println!("{}: {}", event.source, event.detail);
    }
    Ok(())
}
