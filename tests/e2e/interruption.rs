//! Runs that end early: Ctrl-C keeps what there is and clears up; a kill leaves what was flushed.

use nix::sys::signal::Signal;

use crate::bundle::Table;
use crate::place::Place;
use crate::running::Running;

#[test]
fn ctrl_c_ends_a_run_in_order() {
    let place = Place::new();
    let line = "run --board emulated:exynos5422 --network squeezenet --on gpu --images 10000";
    let mut run = Running::start(&place, line);
    run.wait_for("spans.csv", ",image,squeezenet,gpu,");
    let home = run.home();
    assert!(home.join("sys/class/hwmon").is_dir());
    run.signal(Signal::SIGINT);
    let answer = run.end().exited(130);
    answer.prints(&["interrupted; recorded so far: trace"]);
    assert!(!home.exists(), "{} is left behind", home.display());
    let manifest = place.bundle("trace").manifest();
    assert_eq!((&manifest["complete"], &manifest["interrupted"]), (&true.into(), &true.into()));
    let events = place.bundle("trace").table("events.csv");
    assert_eq!(events.with("kind", "interrupted").len(), 1);

    let analysis = place.wattline("analyze trace --out results --check-truth").succeeded();
    analysis.prints(&["interrupted by the user"]);
    let summary = Table::read(&place.path("results/summary.csv"));
    let row = summary.only("component", "gpu");
    let images = place.bundle("trace").table("spans.csv").with("kind", "image").len();
    assert_eq!(row.integer("images"), images as u64);
    assert!(row.number("images_per_s") > 0.0);
    // As much as there is may be too little for a number, but never makes a wrong one.
    match row.maybe("energy_error_pct") {
        Some(error) => assert!(error.abs() <= 1.0, "{row:?}"),
        None => assert!(!row.text("note").is_empty(), "{row:?}"),
    }
}

#[test]
fn a_second_ctrl_c_does_not_wait() {
    let place = Place::new();
    // The first Ctrl-C waits for the image in flight, of which the A7 does three in two seconds.
    let line = "run --board emulated:exynos5422 --network squeezenet --on a7 --images 10000";
    let mut run = Running::start(&place, line);
    run.wait_for("power.csv", "VDD_KFC");
    run.signal(Signal::SIGINT);
    run.signal(Signal::SIGINT);
    run.end().exited(130);
}

#[test]
fn after_a_kill_only_what_is_whole_has_numbers() {
    let place = Place::new();
    let line = "run --board emulated:exynos5422 --network squeezenet --on gpu,a15 --images 10 \
                --idle 0.5";
    let mut run = Running::start(&place, line);
    run.wait_for("spans.csv", ",image,squeezenet,a15,");
    run.signal(Signal::SIGKILL);
    assert_eq!(run.end().code, None);
    assert_eq!(place.bundle("trace").manifest()["complete"], false);

    let analysis = place.wattline("analyze trace --out results --check-truth").succeeded();
    analysis.prints(&["the recording is incomplete", "cut off"]);
    let summary = Table::read(&place.path("results/summary.csv"));
    let gpu = summary.only("component", "gpu");
    assert_eq!(gpu.integer("images"), 10);
    assert!(gpu.number("images_per_s") > 0.0);
    if let Some(error) = gpu.maybe("energy_error_pct") {
        assert!(error.abs() <= 1.0, "{gpu:?}");
    }
    let a15 = summary.only("component", "a15");
    for column in ["joules_per_image", "images_per_joule", "oi_empirical", "dram_bytes_per_image"] {
        assert_eq!(a15.maybe(column), None, "{a15:?}");
    }
    assert!(a15.text("note").contains("cut off"), "{a15:?}");
}
