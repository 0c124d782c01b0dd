//! The machine at hand as the board: what it has is measured, what it has not is said.

use crate::place::Place;

#[test]
fn images_are_timed_and_joules_refused() {
    let place = Place::new();
    let run = "run --board host --network squeezenet --on cpu --images 5 --idle 0.1 --out trace";
    place.wattline(run).succeeded();
    place.wattline("analyze trace --out results").succeeded();
    let summary = crate::bundle::Table::read(&place.path("results/summary.csv"));
    let row = summary.only("component", "cpu");
    assert_eq!(row.integer("images"), 5);
    assert!(row.number("images_per_s") > 0.0 && row.number("gop_per_s") > 0.0);
    assert_eq!(row.text("provenance"), "measured");
    for column in ["joules_per_image", "joules_per_image_ci95", "images_per_joule", "oi_empirical"]
    {
        assert_eq!(row.maybe(column), None, "{row:?}");
    }
    let note = row.text("note");
    assert!(note.contains("names no rails for cpu") && note.contains("DRAM"), "{note}");
    let spans = place.bundle("trace").table("spans.csv");
    assert_eq!(spans.with("kind", "image").len(), 5);
    assert!(spans.with("kind", "layer").len() > 5 * 20, "layers are timed too");
    assert!(!place.bundle("trace").path("truth.csv").exists(), "nobody knows the truth here");
    let check = place.wattline("analyze trace --out results --check-truth");
    check.refused(&["trace has no truth.csv", "--check-truth"]);
}

/// Without an OpenCL device there is nothing to run this on: then it says so, and in CI fails.
#[test]
fn a_gpu_is_timed_by_its_own_clock_and_named() {
    let place = Place::new();
    let run = "run --board host --network squeezenet --on gpu --images 3 --idle 0.1 --out trace";
    let answer = place.wattline(run);
    if answer.code != Some(0) && std::env::var_os("CI").is_none() {
        answer.refused(&["--on gpu", "host has cpu"]);
        eprintln!("SKIPPED: there is no OpenCL device");
        return;
    }
    answer.succeeded();
    let bundle = place.bundle("trace");
    let manifest = std::fs::read_to_string(bundle.path("manifest.json")).unwrap();
    assert!(manifest.contains("\"opencl on "), "{manifest}");
    let events = std::fs::read_to_string(bundle.path("events.csv")).unwrap();
    assert!(events.contains("timed by the device's clock"), "{events}");
    let spans = bundle.table("spans.csv");
    assert_eq!(spans.with("kind", "image").len(), 3);
    assert!(spans.with("kind", "layer").len() > 3 * 20);
    // A board's own GPU is not replaced by the CPU under another name.
    real_board(&place, "cpus = [0]");
    let run = "run --board mine.toml --network squeezenet --on gpu --images 1 --idle 0 --out board";
    let answer = place.wattline(run);
    if manifest.contains("(CPU)") {
        answer.refused(&["gpu of exynos5422 is a GPU", "(CPU)", "driver"]);
    }
}

/// The XU3's description with sensors at addresses where no machine has any, and a cluster of
/// CPU 0 or of one that is not there.
fn real_board(place: &Place, cpus: &str) {
    let text =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/board/descriptions/exynos5422.toml"));
    let text = text.replace("i2c_address = 0x4", "i2c_address = 0x7");
    place.write("mine.toml", text.replace("cpus = [0, 1, 2, 3]", cpus));
}

#[test]
fn a_board_without_its_sensors_is_told_each_and_what_to_do() {
    let place = Place::new();
    real_board(&place, "cpus = [0]");
    let run = "run --board mine.toml --network squeezenet --on a7 --images 1 --idle 0 --out trace";
    let answer = place.wattline(run).succeeded();
    for (rail, address) in
        [("VDD_ARM", "0x70"), ("VDD_MEM", "0x71"), ("VDD_G3D", "0x74"), ("VDD_KFC", "0x75")]
    {
        answer.says(&[&format!("missing rail {rail}: no ina231 at I2C address {address}")]);
    }
    answer.says(&["modprobe ina2xx", "no power sensor here", "joules are not"]);
    place.wattline("analyze trace --out results").succeeded().prints(&["VDD_KFC was not recorded"]);
}

#[test]
fn a_cluster_that_is_not_there() {
    let place = Place::new();
    real_board(&place, "cpus = [1000]");
    let run = "run --board mine.toml --network squeezenet --on a7 --images 1 --idle 0 --out trace";
    place.wattline(run).refused(&["a7 is CPUs [1000]", "not online here", "wattline probe"]);
    assert!(!place.path("trace").exists(), "nothing is run before all is known to fit");
}
