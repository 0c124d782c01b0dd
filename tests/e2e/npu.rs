//! The NPU emulator beside what really runs: on any machine, with the NPU of another board.

use crate::bundle::Table;
use crate::place::Place;

const RUN: &str =
    "run --board host --npu-from kirin970 --network squeezenet --idle 0.1 --out trace";

#[test]
fn an_npu_beside_real_cpus_is_called_emulated() {
    let place = Place::new();
    let answer = place.wattline(&format!("{RUN} --on cpu,npu --images 6")).succeeded();
    answer.says(&["computed in FP16", "npu: emulated: 6 images", "of one core"]);
    let bundle = place.bundle("trace");
    let manifest = bundle.manifest();
    let record = |name: &str| {
        let mut components = manifest["components"].as_array().unwrap().iter();
        components.find(|it| it["name"] == name).unwrap().clone()
    };
    assert_eq!(record("cpu")["provenance"], "measured");
    assert!(record("cpu").get("stand_in").is_none());
    let npu = record("npu");
    assert_eq!(npu["provenance"], "emulated");
    assert!(npu["executor"].as_str().unwrap().starts_with("emulated"), "{npu}");
    assert_eq!(npu["stand_in"]["moves_bytes"], false);
    let events = bundle.table("events.csv");
    let of_npu = events.with("source", "npu");
    assert!(of_npu.iter().any(|row| row.text("detail").contains("6 images")), "{of_npu:?}");
    let outputs = events.with("source", "outputs");
    let error = |text: &str| -> f64 {
        let (_, rest) = text.split_once("at most ").unwrap();
        rest.split_whitespace().next().unwrap().parse().unwrap()
    };
    let of_fp16 = outputs.iter().map(|row| row.text("detail")).find(|it| it.contains("FP16"));
    let error = error(of_fp16.unwrap());
    assert!(error > 0.0 && error <= 1e-2, "{error}");

    place.wattline("analyze trace --out results").succeeded().prints(&["emulated", "measured"]);
    let summary = Table::read(&place.path("results/summary.csv"));
    assert_eq!(summary.only("component", "cpu").text("provenance"), "measured");
    let row = summary.only("component", "npu");
    assert_eq!((row.text("provenance"), row.integer("images")), ("emulated", 6));
    for column in ["joules_per_image", "images_per_joule", "dram_bytes_per_image", "oi_empirical"] {
        assert_eq!(row.maybe(column), None, "{row:?}");
    }
    let note = row.text("note");
    assert!(
        note.contains("no sensor read its energy") && note.contains("moved no bytes"),
        "{note}"
    );
    // Half the bytes of FP32, and so twice the intensity.
    let intensity = |name| summary.only("component", name).number("oi_theoretical");
    assert!((intensity("npu") / intensity("cpu") - 2.0).abs() < 1e-9);
}

/// A rail that a machine happens to have is the CPUs', not the emulator's, and a layer takes what
/// the model gives it, whatever else the machine does.
#[test]
fn layers_take_the_time_of_the_model() {
    let place = Place::new();
    place.wattline(&format!("{RUN} --on npu --images 3")).succeeded();
    let model = "roofline --board kirin970 --component npu --network squeezenet --out roofline";
    place.wattline(model).succeeded();
    let clock_hz = 960e6;
    let compute = Table::read(&place.path("roofline/compute_report.csv"));
    let model: Vec<f64> =
        compute.rows().map(|row| row.number("total_cycles") / clock_hz * 1e9).collect();
    let spans = place.bundle("trace").table("spans.csv");
    let layers = spans.with("kind", "layer");
    assert_eq!(layers.len(), 3 * model.len());
    for (span, model_ns) in layers.iter().zip(model.iter().cycle()) {
        let took_ns = span.number("end_ns") - span.number("start_ns");
        // Cycles and nanoseconds are rounded.
        assert!((took_ns - model_ns).abs() <= 2.0, "{span:?}: {model_ns}");
    }
}

#[test]
fn its_bytes_are_moved_or_the_run_is_marked() {
    let place = Place::new();
    let run = format!("{RUN} --on npu --images 5 --npu-traffic");
    let answer = place.wattline(&run).succeeded();
    answer.says(&["npu: emulated: 5 images", "moved ", " MB, ", "GB/s while layers move bytes"]);
    let manifest = place.bundle("trace").manifest();
    let npu = &manifest["components"][0];
    assert_eq!(npu["stand_in"]["moves_bytes"], true);
    assert!(npu["executor"].as_str().unwrap().contains("moving real bytes"), "{npu}");
    // A busy machine may not keep pace: then it is said here, there and in the table.
    let behind = npu["stand_in"]["behind"].as_str();
    assert_eq!(answer.stderr.contains("did not keep pace"), behind.is_some());
    place.wattline("analyze trace --out results").succeeded();
    let summary = Table::read(&place.path("results/summary.csv"));
    let note = summary.only("component", "npu").text("note");
    assert_eq!(note.contains("did not keep pace"), behind.is_some(), "{note}");
    assert!(!note.contains("moved no bytes"), "{note}");
}

#[test]
fn what_cannot_be_emulated_is_refused() {
    let place = Place::new();
    let host = "run --board host --images 1 --out trace";
    for (wish, parts) in [
        ("--npu-from kirin970 --network mobilenet --on npu", ["conv2/dw", "not supported"]),
        (
            "--npu-from exynos5422 --network squeezenet --on cpu",
            ["exynos5422", "no component of kind npu"],
        ),
        ("--network squeezenet --on cpu --npu-traffic", ["--npu-traffic", "--on"]),
    ] {
        place.wattline(&format!("{host} {wish}")).refused(&parts);
    }
    let own = "run --board emulated:kirin970 --npu-from kirin970 --network squeezenet --on npu --out trace";
    place.wattline(own).refused(&["--npu-from", "emulated"]);
    let twice =
        "run --board kirin970 --npu-from kirin970 --network squeezenet --on npu --out trace";
    place.wattline(twice).refused(&["--npu-from kirin970", "npu itself"]);
    assert!(!place.path("trace").exists());
}
