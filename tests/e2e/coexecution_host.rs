//! Co-execution on the machine at hand: a GPU or an emulated NPU beside the CPUs, photographs as
//! the stream, and a machine that stops for a while.

use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::bundle::{Bundle, Table};
use crate::coexecution::{check_frames, check_spans, images_of_all, two_clusters};
use crate::images::photographs;
use crate::place::{Answer, Place};
use crate::running::Running;

/// The row of `all` that a run with `--json` prints.
fn all(answer: &Answer) -> Value {
    let rows: Value = serde_json::from_str(&answer.stdout).unwrap();
    rows.as_array().unwrap().iter().find(|row| row["component"] == "all").unwrap().clone()
}

/// The first `images` of the stream left in order, each of them run once and by one component.
#[track_caller]
fn check_stream(bundle: &Bundle, images: u64) {
    assert_eq!(check_frames(bundle), Vec::from_iter(0..images));
    let spans = check_spans(bundle);
    let mut ran: Vec<_> = images_of_all(&spans).iter().map(|it| it.integer("image")).collect();
    ran.sort_unstable();
    assert_eq!(ran, Vec::from_iter(0..images));
}

/// What is said of the whole follows from what was recorded, however good or bad that is: a GPU
/// that is the CPU by another name may well make it slower.
#[track_caller]
fn check_figures(bundle: &Bundle, all: &Value, images: u64) {
    let frames = bundle.table("frames.csv");
    let instants =
        |column: &str| -> Vec<u64> { frames.rows().map(|row| row.integer(column)).collect() };
    let start_ns = instants("arrival_ns")[0];
    let seconds = (instants("delivered_ns").last().unwrap() - start_ns) as f64 * 1e-9;
    let throughput = images as f64 / seconds;
    let number = |key: &str| all[key].as_f64().unwrap();
    assert_eq!(all["images"], images);
    assert!((number("images_per_s") / throughput - 1.0).abs() < 0.02, "{throughput} of {all}");
    let rates: Vec<f64> = bundle.manifest()["coexecution"]["profiles"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["seconds_per_image"].as_f64().unwrap().recip())
        .collect();
    let expected = number("images_per_s") / rates.iter().sum::<f64>();
    assert!((number("efficiency_solo") / expected - 1.0).abs() < 1e-6, "{expected}: {all}");
    let best = rates.iter().copied().fold(0.0, f64::max);
    let gain = 100.0 * (number("images_per_s") / best - 1.0);
    assert!((number("gain_pct") - gain).abs() < 1e-6, "{gain}: {all}");
}

/// Without an OpenCL device there is nothing to run this on: then it says so, and in CI fails.
#[test]
fn cpus_and_an_opencl_device_share_a_stream() {
    let place = Place::new();
    let probe = "run --board host --network squeezenet --on gpu --images 1 --idle 0 --out probe";
    let answer = place.wattline(probe);
    if answer.code != Some(0) && std::env::var_os("CI").is_none() {
        answer.refused(&["--on gpu", "host has cpu"]);
        eprintln!("SKIPPED: there is no OpenCL device");
        return;
    }
    answer.succeeded();
    let line = "run --board host --network squeezenet --on cpu,gpu --policy steal-tail --images 8 \
                --solo 2 --idle 0.1 --json";
    let mut run = Running::start(&place, line);
    // Both want the same cores: a stream that comes to a halt is told from one that is slow.
    run.wait_for("frames.csv", "\n7,");
    let answer = run.end().succeeded();
    let bundle = place.bundle("trace");
    check_stream(&bundle, 8);
    check_figures(&bundle, &all(&answer), 8);
    assert_eq!(bundle.manifest()["coexecution"]["faults"], serde_json::json!([]));
}

/// An emulator takes no power that a sensor could read: its joules are refused, and with them
/// those of all.
#[test]
fn an_emulated_npu_shares_a_stream_and_no_joules_are_given() {
    let place = Place::new();
    let run = "run --board host --npu-from kirin970 --network squeezenet --on cpu,npu \
               --policy steal-tail --images 12 --solo 2 --idle 0.1 --json --out trace";
    let answer = place.wattline(run).succeeded();
    let bundle = place.bundle("trace");
    check_stream(&bundle, 12);
    check_figures(&bundle, &all(&answer), 12);
    place.wattline("analyze trace --out results").succeeded();
    let summary = Table::read(&place.path("results/summary.csv"));
    let together: Vec<_> = summary.rows().filter(|row| !row.text("policy").is_empty()).collect();
    let named = |name: &str| together.iter().find(|row| row.text("component") == name).unwrap();
    for (component, provenance) in [("npu", "emulated"), ("all", "emulated")] {
        let row = named(component);
        for column in ["joules_per_image", "images_per_joule", "images_per_joule_gain_pct"] {
            assert_eq!(row.maybe(column), None, "{row:?}");
        }
        assert_eq!(row.text("provenance"), provenance, "{row:?}");
        assert!(row.text("note").contains("no sensor read its energy"), "{row:?}");
    }
    assert_eq!(named("all").integer("images"), 12);
    assert_eq!(named("cpu").integer("images") + named("npu").integer("images"), 12);
    assert!(named("npu").integer("images") > 0, "an NPU of 49 images/s takes its part");
}

/// The stream goes round the directory, and the classes are those of each photograph.
#[test]
fn photographs_are_a_stream_s_source() {
    let place = photographs();
    two_clusters(&place);
    for (board, on, clock) in
        [("two.toml", "core0,core1", "wall"), ("emulated:kirin970", "a73,gpu,npu", "virtual")]
    {
        let run = format!(
            "run --board {board} --network squeezenet --on {on} --policy steal-tail \
             --images photographs --count 7 --solo 1 --idle 0.1 --clock {clock} --out trace \
             --overwrite"
        );
        place.wattline(&run).succeeded();
        let bundle = place.bundle("trace");
        check_stream(&bundle, 7);
        let manifest = bundle.manifest();
        let files = serde_json::json!(["a.jpg", "b.png", "c.PNG"]);
        assert_eq!(manifest["inputs"]["files"], files, "{board}");
        assert_eq!(manifest["coexecution"]["source"]["images"], 7, "{board}");
    }
}

/// The whole machine stops, as one that is suspended does. When it goes on, a component that was
/// at an image has not been done for far longer than it may take: that is said everywhere, its
/// image runs elsewhere, and nothing is lost.
#[test]
fn a_component_that_stalls_is_told_of_and_its_image_is_not_lost() {
    let place = Place::new();
    two_clusters(&place);
    let line = "run --board two.toml --network squeezenet --on core0,core1 --policy steal \
                --images 0 --solo 3 --idle 0.1";
    let mut run = Running::start(&place, line);
    run.wait_for("frames.csv", ",core1,");
    // Components are given eight times what they took alone and the last one ten times that, and
    // it may be done before anybody looks: stop it again, longer.
    let mut stop = Duration::from_secs(1);
    let events = run.bundle().path("events.csv");
    let told = || std::fs::read_to_string(&events).is_ok_and(|it| it.contains("component_fault"));
    while !told() {
        assert!(stop < Duration::from_secs(30), "it never stalled");
        run.signal(Signal::SIGSTOP);
        sleep(stop);
        run.signal(Signal::SIGCONT);
        sleep(Duration::from_secs(1));
        stop = stop * 3 / 2;
    }
    run.signal(Signal::SIGINT);
    let answer = run.end().exited(130);
    answer.says(&["stalled: not done after", "others go on", "not every component was sound"]);
    let bundle = place.bundle("trace");
    let manifest = bundle.manifest();
    let faults = manifest["coexecution"]["faults"].as_array().unwrap();
    let stalled = faults.iter().find(|it| it["what"].as_str().unwrap().starts_with("stalled"));
    let stalled = stalled.unwrap_or_else(|| panic!("{faults:?}"));
    let events = bundle.table("events.csv");
    let of_component = events.with("source", stalled["component"].as_str().unwrap());
    let detail = format!("(at image {})", stalled["image"]);
    assert!(of_component.iter().any(|it| it.text("detail").contains(&detail)), "{faults:?}");
    let delivered = check_frames(&bundle);
    assert!(delivered.iter().copied().eq(0..delivered.len() as u64), "nothing is lost");
    assert!(delivered.contains(&stalled["image"].as_u64().unwrap()), "it ran elsewhere");
}
