//! Sensors that fail in mid-run: the rest is recorded, and no joule is made up.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use crate::bundle::{Bundle, Row};
use crate::place::Place;
use crate::running::Running;

/// The A7's rail, which the GPU hangs on too, and the A15 does not.
const RAIL: &str = "VDD_KFC";

/// Runs the GPU, then the A15, does `harm` to the sensor of [`RAIL`] once its first readings are
/// on disk, which is about when the GPU begins, and hands the summary's rows of both to `check`.
fn harmed(harm: impl FnOnce(&Path), check: impl FnOnce(&Bundle, Row<'_>, Row<'_>)) {
    let place = Place::new();
    let line = "run --board emulated:exynos5422 --network squeezenet --on gpu,a15 --images 12 \
                --idle 0.5";
    let mut run = Running::start(&place, line);
    run.wait_for("power.csv", RAIL);
    harm(&run.bundle().sensor(RAIL));
    run.end().succeeded();
    let bundle = place.bundle("trace");
    assert_eq!(bundle.manifest()["complete"], true);
    // The other rails were read to the end: past the A15's last image.
    let power = bundle.table("power.csv");
    let spans = bundle.table("spans.csv");
    let end = spans.with("kind", "run").iter().map(|row| row.integer("end_ns")).max().unwrap();
    for rail in ["VDD_ARM", "VDD_MEM", "VDD_G3D"] {
        let last = power.with("rail", rail).last().unwrap().integer("t_ns");
        assert!(last >= end, "{rail} ends at {last}, the work at {end}");
    }
    let summary = place.checked_summary("trace");
    let [gpu, a15] = ["gpu", "a15"].map(|component| summary.only("component", component));
    for row in [gpu, a15] {
        assert!(row.number("images_per_s") > 0.0, "times do not hang on sensors: {row:?}");
        right_or_refused(row);
    }
    assert!(!a15.text("note").contains(RAIL), "the A15 has nothing to do with it: {a15:?}");
    check(&bundle, gpu, a15);
}

/// Joules are within 1 % of the truth, or there are none and there is a reason.
#[track_caller]
fn right_or_refused(row: Row<'_>) {
    match row.maybe("energy_error_pct") {
        Some(error) => assert!(error.abs() <= 1.0, "{row:?}"),
        None => {
            assert_eq!(row.maybe("joules_per_image"), None, "{row:?}");
            assert!(!row.text("note").is_empty(), "{row:?}");
        }
    }
}

/// The GPU's joules are refused, and the reason names the rail.
#[track_caller]
fn refused(gpu: Row<'_>) {
    for column in ["joules_per_image", "joules_per_image_ci95", "images_per_joule"] {
        assert_eq!(gpu.maybe(column), None, "{gpu:?}");
    }
    assert!(gpu.text("note").contains(&format!("rail {RAIL}")), "{gpu:?}");
}

/// Events of `kind` are of the rail, and one says `detail`.
#[track_caller]
fn told(bundle: &Bundle, kind: &str, detail: &str) {
    let events = bundle.table("events.csv");
    let events = events.with("kind", kind);
    assert!(events.iter().all(|row| row.text("source") == RAIL), "{events:?}");
    assert!(events.iter().any(|row| row.text("detail").contains(detail)), "{kind}: {events:?}");
}

/// Does something to a file again and again, for many of its conversions.
fn again_and_again(mut action: impl FnMut()) {
    for _ in 0..400 {
        action();
        sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_rail_that_vanishes() {
    harmed(
        |sensor| std::fs::remove_dir_all(sensor).unwrap(),
        |bundle, gpu, _| {
            told(bundle, "channel_gone", "the device was removed");
            refused(gpu);
        },
    );
}

/// More than the board's next conversion writes over: the file holds no number from now on.
#[test]
fn garbage_that_stays() {
    harmed(
        |sensor| std::fs::write(sensor.join("curr1_input"), "this is no number\n").unwrap(),
        |bundle, gpu, _| {
            told(bundle, "sensor_error", "the file holds no number");
            told(bundle, "channel_gone", "failures in a row");
            refused(gpu);
        },
    );
}

#[test]
fn garbage_now_and_then() {
    harmed(
        |sensor| {
            let file = OpenOptions::new().write(true).open(sensor.join("in1_input")).unwrap();
            again_and_again(|| file.write_all_at(b"garbage\n", 0).unwrap());
        },
        |bundle, _, _| told(bundle, "sensor_error", "the file holds no number"),
    );
}

#[test]
fn a_value_file_that_is_emptied_now_and_then() {
    harmed(
        |sensor| {
            let file = OpenOptions::new().write(true).open(sensor.join("curr1_input")).unwrap();
            again_and_again(|| file.set_len(0).unwrap());
        },
        |bundle, _, _| told(bundle, "sensor_error", "the file is empty"),
    );
}
