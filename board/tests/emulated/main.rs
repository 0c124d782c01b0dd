//! The emulated board seen from outside: through its files, its registers and its books.

mod counters;
mod frequencies;
mod runs;
mod sensors;

use std::path::Path;
use std::sync::Arc;

use wattline_board::description::Description;
use wattline_board::emulated::EmulatedBoard;
use wattline_board::emulated::work::{LayerWork, Work};
use wattline_trace::ClockKind;

/// A built-in board whose sensors err by nothing but their registers' steps.
fn quiet(name: &str) -> Description {
    let text = match name {
        "exynos5422" => include_str!("../../descriptions/exynos5422.toml"),
        _ => include_str!("../../descriptions/kirin970.toml"),
    };
    let noise = "[noise]\nshunt = \"0 uV\"\nbus = \"0 mV\"\nconversion_clock = 0.0\n";
    Description::parse(&format!("{text}\n{noise}"), Path::new("quiet.toml")).unwrap()
}

/// A board on the virtual clock.
fn start(description: Description) -> EmulatedBoard {
    EmulatedBoard::start(description, ClockKind::Virtual, 1).unwrap()
}

/// Lets virtual time go by.
fn pass(board: &EmulatedBoard, milliseconds: f64) {
    let clock = board.clock();
    clock.sleep_until(clock.now_ns() + (milliseconds * 1e6) as u64);
}

/// Layers of (milliseconds of computing, bytes read, bytes written).
fn work(layers: &[(f64, f64, f64)]) -> Arc<Work> {
    let layers = layers
        .iter()
        .enumerate()
        .map(|(index, &(milliseconds, read_bytes, write_bytes))| LayerWork {
            name: format!("layer{index}").as_str().into(),
            kilohertz: None,
            dispatch_s: 20e-6,
            compute_s: milliseconds * 1e-3,
            read_bytes,
            write_bytes,
        })
        .collect();
    Arc::new(Work { network: "network".into(), layers })
}
