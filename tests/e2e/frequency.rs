//! Components held at frequencies, and put back as they were found.

use std::fs::{self, File};
use std::io::Read;

use nix::sys::signal::Signal;

use crate::bundle::Table;
use crate::place::Place;
use crate::running::Running;

const RUN: &str = "run --board emulated:exynos5422 --network squeezenet";

#[test]
fn a_component_runs_at_its_frequency_and_the_next_at_its_own() {
    let place = Place::new();
    let held = "--frequency a15=1GHz,gpu=420MHz --on a15,gpu,a7 --images 10 --clock virtual";
    place.wattline(&format!("{RUN} {held} --out held")).succeeded();
    let free = "--on a15,gpu,a7 --images 10 --clock virtual";
    place.wattline(&format!("{RUN} {free} --out free")).succeeded();
    place.wattline("analyze held free --out results --check-truth").succeeded();
    let summary = Table::read(&place.path("results/summary.csv"));
    let row = |bundle: &str, component: &str| {
        let row = summary
            .rows()
            .find(|row| row.text("bundle") == bundle && row.text("component") == component);
        row.unwrap()
    };
    let megahertz = |bundle, component| row(bundle, component).maybe("frequency_mhz");
    assert_eq!(megahertz("held", "a15"), Some(1000.0));
    assert_eq!(megahertz("held", "gpu"), Some(420.0));
    assert_eq!((megahertz("held", "a7"), megahertz("free", "a15")), (None, None));
    let ratio = |component, column: &str| {
        row("held", component).number(column) / row("free", component).number(column)
    };
    // Compute-bound for the most part, and not faster than its clock.
    assert!(
        (0.5..0.75).contains(&ratio("a15", "images_per_s")),
        "{}",
        ratio("a15", "images_per_s")
    );
    assert!(ratio("a15", "joules_per_image") < 0.9);
    assert!((ratio("a7", "images_per_s") - 1.0).abs() < 1e-6, "the A7 was left alone");
    for component in ["a15", "gpu", "a7"] {
        assert!(row("held", component).number("energy_error_pct").abs() < 1.0);
    }
    // The study's numbers are of the highest frequencies.
    place.wattline("report held --out report").succeeded();
    let study = Table::read(&place.path("report/study.csv"));
    assert!(study.rows().all(|row| row.text("engaged") == "a7"), "what is slower is not compared");
    let layers = Table::read(&place.path("results/layers.csv"));
    let at = |row: &crate::bundle::Row<'_>| {
        row.text("bundle") == "held" && row.text("component") == "a15"
    };
    assert!(layers.rows().filter(at).all(|row| row.number("frequency_mhz") == 1000.0));
}

#[test]
fn limits_are_put_back_when_the_run_is_interrupted() {
    let place = Place::new();
    let line = format!("{RUN} --on a15 --frequency a15=600MHz --images 10000");
    let mut run = Running::start(&place, &line);
    run.wait_for("spans.csv", ",image,squeezenet,a15,");
    let policy = run.home().join("sys/devices/system/cpu/cpu4/cpufreq");
    let read = |file: &str| fs::read_to_string(policy.join(file)).unwrap().trim().to_owned();
    assert_eq!(
        (read("scaling_min_freq"), read("scaling_max_freq")),
        ("600000".into(), "600000".into())
    );
    assert_eq!(read("scaling_cur_freq"), "600000");
    // The board's files go with it; what is open stays readable.
    let open = |file: &str| File::open(policy.join(file)).unwrap();
    let (min, max) = (open("scaling_min_freq"), open("scaling_max_freq"));
    run.signal(Signal::SIGINT);
    run.end().exited(130);
    for (mut file, found) in [(min, "200000"), (max, "2000000")] {
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text.trim(), found);
    }
}

#[test]
fn what_cannot_be_set_is_refused_with_what_can() {
    let place = Place::new();
    for (wish, expected) in [
        ("--on a15 --frequency a15=1234MHz", "200 MHz, 600 MHz, 1 GHz"),
        ("--on a15 --frequency a15=1234", "1200MHz"),
        ("--on a15 --frequency a99=1GHz", "exynos5422 has a15, a7, gpu"),
        ("--on a15 --frequency a15=1GHz,a15=2GHz", "names a15 twice"),
        ("--on a15,gpu --frequency a15=1GHz --policy steal --solo 0 --images 5", "leave it out"),
    ] {
        let answer = place.wattline(&format!("{RUN} {wish} --out trace"));
        assert_ne!(answer.code, Some(0), "{wish}");
        assert!(answer.stderr.contains(expected), "{wish}: {answer:?}");
        assert!(!place.path("trace/manifest.json").exists(), "{wish}");
    }
}

#[test]
fn a_sweep_is_a_bundle_at_each_frequency() {
    let place = Place::new();
    let line = "--on a7 --frequencies a7=600MHz/1.4GHz --images 3 --clock virtual --out sweep";
    place.wattline(&format!("{RUN} {line}")).succeeded();
    for (bundle, hz) in [("sweep/a7-600MHz", 600_000_000u64), ("sweep/a7-1400MHz", 1_400_000_000)] {
        let manifest = place.bundle(bundle).manifest();
        assert_eq!(manifest["components"][0]["frequency"]["hz"], hz);
        assert_eq!(manifest["components"][0]["frequency"]["highest_hz"], 1_400_000_000u64);
        let command: Vec<_> = manifest["command"].as_array().unwrap().iter().collect();
        assert!(command.iter().all(|word| *word != "--frequencies"), "{command:?}");
    }
}
