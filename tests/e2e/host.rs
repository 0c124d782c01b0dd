//! The machine at hand as the board: what it has is measured, what it has not is said.

use crate::place::{Answer, Place};

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

/// What a layer's span does not say, the manifest does; and layers lie in their image one after
/// another, and fill it.
#[test]
fn layers_have_kinds_and_shapes_and_fill_their_image() {
    let place = Place::alone();
    let run = "run --board host --network mobilenet --on cpu --images 20 --idle 0 --out trace";
    place.wattline(run).succeeded().says(&["no power sensor here"]);
    let bundle = place.bundle("trace");
    let manifest = bundle.manifest();
    let records = manifest["models"][0]["layers"].as_array().unwrap();
    assert_eq!(records[0]["name"], "conv1");
    assert_eq!(records[0]["kind"], "conv2d");
    assert_eq!(records[0]["inputs"], serde_json::json!([[1, 3, 224, 224]]));
    assert_eq!(records[0]["output"], serde_json::json!([1, 32, 112, 112]));
    assert_eq!(manifest["components"][0]["threads"], thread_count());
    let spans = bundle.table("spans.csv");
    let layers = spans.with("kind", "layer");
    let mut shares = Vec::new();
    for image in spans.with("kind", "image") {
        let (start, end) = (image.integer("start_ns"), image.integer("end_ns"));
        let own: Vec<_> =
            layers.iter().filter(|layer| layer.text("parent") == image.text("id")).collect();
        assert_eq!(own.len(), records.len());
        let mut last = start;
        let mut sum = 0;
        for (layer, record) in own.iter().zip(records) {
            assert_eq!(record["name"], layer.text("name"));
            let (begun, ended) = (layer.integer("start_ns"), layer.integer("end_ns"));
            assert!(last <= begun && begun <= ended && ended <= end, "{layer:?}");
            assert!(layer.integer("flops") > 0 && layer.integer("bytes_theoretical") > 0);
            (last, sum) = (ended, sum + (ended - begun));
        }
        shares.push(sum as f64 / (end - start) as f64);
    }
    // A thread that is held up between two layers holds up one image, not most of them.
    shares.sort_by(f64::total_cmp);
    let median = shares[shares.len() / 2];
    assert!(median > 0.98, "layers are {median} of their image");

    let answer = place.wattline("analyze trace --out results --layers").succeeded();
    answer.prints(&["conv2/dw", "depthwise_conv2d", "between_layers", "OI_t flop/B"]);
    let table = crate::bundle::Table::read(&place.path("results/layers.csv"));
    assert_eq!(table.rows().count(), records.len());
    for row in table.rows() {
        assert!(row.number("gop_per_s") > 0.0 && row.number("oi_theoretical") > 0.0, "{row:?}");
        assert_eq!((row.integer("images"), row.text("provenance")), (20, "measured"));
    }
    let kinds = crate::bundle::Table::read(&place.path("results/layer_kinds.csv"));
    let shares: f64 = kinds.rows().map(|row| row.number("share_pct")).sum();
    assert!((shares - 100.0).abs() < 1e-6, "{shares}");
}

fn thread_count() -> usize {
    std::thread::available_parallelism().unwrap().get()
}

#[test]
fn threads_are_the_users_choice() {
    let place = Place::new();
    let run = "run --network squeezenet --on cpu --images 1 --idle 0 --out trace --threads";
    place.wattline(&format!("{run} 1 --board host")).succeeded();
    assert_eq!(place.bundle("trace").manifest()["components"][0]["threads"], 1);
    let many = format!("{run} {} --board host --overwrite", thread_count() + 1);
    place.wattline(&many).succeeded().says(&["wait for each other"]);
    place.wattline(&format!("{run} 0 --board host")).exited(2).says(&["--threads"]);
    let emulated = format!("{run} 2 --board emulated:exynos5422").replace("cpu", "a15");
    place.wattline(&emulated).refused(&["--threads", "calibrated"]);
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

/// No OpenCL is no failure to link: whoever asks for the GPU is told what is missing.
#[test]
fn without_an_opencl_device_it_is_said_why_there_is_no_gpu() {
    let place = Place::new();
    for line in [
        "run --board host --network squeezenet --on gpu --out trace",
        "roofline --board host --component gpu",
    ] {
        let mut command = place.command(line);
        let output = command.env("OCL_ICD_VENDORS", place.path("no-drivers")).output().unwrap();
        let parts = ["gpu: host has cpu, and no OpenCL device", "install the device's driver"];
        Answer::new(line, output).refused(&parts);
    }
}
