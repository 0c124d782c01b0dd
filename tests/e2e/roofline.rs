//! `wattline roofline`: modelled figures add up, measured ones can be kept.

use serde_json::Value;
use wattline_board::description::Description;
use wattline_inference::cost::{ElementType, graph_cost};
use wattline_inference::opencl::{self, DeviceChoice, DeviceKind};
use wattline_inference::zoo;

use crate::bundle::Table;
use crate::place::Place;

const NPU: &str = "roofline --board kirin970 --component npu";

#[test]
fn an_npus_reports_add_up() {
    let place = Place::new();
    for network in ["squeezenet", "alexnet"] {
        let answer = place.wattline(&format!("{NPU} --network {network} --out out")).succeeded();
        answer.prints(&["npu, emulated", "1920.0 GFLOP/s FP16", "6.50 GB/s", "ridge point 295.4"]);
        let graph = zoo::graph_structure(network).unwrap();
        let layers = graph.layers().len();

        let compute = Table::read(&place.path("out/compute_report.csv"));
        assert_eq!(compute.rows().count(), layers);
        for row in compute.rows() {
            let of = |column: &str| row.integer(column);
            assert_eq!(of("compute_cycles") + of("stall_cycles"), of("total_cycles"), "{row:?}");
        }
        let seconds: f64 =
            compute.rows().map(|row| row.number("total_cycles")).sum::<f64>() / 960e6;
        let npu = Description::load("kirin970").unwrap().component("npu").unwrap().clone();
        // The efficiency was fitted to this, and is written with five digits.
        let published = npu.calibration[network].images_per_s;
        assert!((seconds * published - 1.0).abs() < 1e-3, "{network}: {}", 1.0 / seconds);

        let bandwidth = Table::read(&place.path("out/bandwidth_report.csv"));
        let sum = |column: &str| bandwidth.rows().map(|row| row.number(column)).sum::<f64>();
        let cost = graph_cost(&graph, ElementType::F16);
        assert_eq!(sum("input_bytes"), cost.input_bytes as f64);
        assert_eq!(sum("weight_bytes"), cost.weight_bytes as f64);
        assert_eq!(sum("output_bytes"), cost.output_bytes as f64);
        assert!(sum("dram_read_bytes") >= cost.weight_bytes as f64);
        for row in bandwidth.rows() {
            assert!(row.number("average_bandwidth_gb_per_s") <= 6.5 * (1.0 + 1e-9), "{row:?}");
        }

        let roofline = Table::read(&place.path("out/roofline.csv"));
        assert_eq!(roofline.with("row", "ceiling").len(), 3);
        let points = roofline.with("row", "point");
        assert_eq!(points.len(), layers);
        for point in points {
            assert!(["compute", "bandwidth", "dispatch"].contains(&point.text("bound")));
            assert!(point.number("gflop_per_s") <= 1920.0);
            assert!(point.maybe("roof_pct").is_none_or(|share| share <= 100.0 + 1e-6), "{point:?}");
        }
        assert!(roofline.rows().all(|row| row.text("provenance") == "emulated"));
    }
}

#[test]
fn mobilenet_is_refused_by_name_of_its_node() {
    let place = Place::new();
    let line = format!("{NPU} --network mobilenet --out out");
    place.wattline(&line).refused(&["mobilenet on npu", "conv2/dw", "not supported"]);
    assert!(!place.path("out").exists());
    // Who asks for no component gets those that can, and hears of the one that cannot.
    let all = place.wattline("roofline --board emulated:kirin970 --network mobilenet").succeeded();
    all.prints(&["a73, emulated", "gpu, emulated"]);
    all.says(&["npu: left out", "conv2/dw"]);
}

/// This machine, as small as it goes: positive figures, and a description that loads again.
#[test]
fn what_is_measured_can_be_kept() {
    let place = Place::new();
    let line = "roofline --board host --quick --json --save mine.toml --out out";
    let answer = place.wattline(line).succeeded();
    answer.says(&["--quick", "--board mine.toml"]);
    let json: Value = serde_json::from_str(&answer.stdout).unwrap();
    let cpu = &json["measured"][0];
    for field in ["fp32_gflop_per_s", "read_gb_per_s", "write_gb_per_s", "copy_gb_per_s"] {
        assert!(cpu[field]["best"].as_f64().is_some_and(|best| best > 0.0), "{cpu}");
        assert!(cpu[field]["spread_pct"].as_f64().is_some_and(|spread| spread >= 0.0), "{cpu}");
    }
    assert!(cpu["ridge_flop_per_byte"].as_f64().is_some_and(|ridge| ridge > 0.0));
    assert_eq!(cpu["provenance"], "measured");
    assert_eq!(Table::read(&place.path("out/roofline.csv")).with("row", "ceiling").len(), 4);

    let text = std::fs::read_to_string(place.path("mine.toml")).unwrap();
    assert_eq!(text.matches("[measured by wattline roofline").count(), 2, "{text}");
    let mine = Description::parse(&text, &place.path("mine.toml")).unwrap();
    let kept = mine.components[0].bandwidth.unwrap().bytes_per_s() / 1e9;
    let found = cpu["bandwidth_gb_per_s"].as_f64().unwrap();
    assert!((kept - found).abs() <= 0.001, "{kept} {found}");
    // It is a board like any other, and can be measured and kept again.
    place.wattline("board show mine.toml").succeeded().prints(&["GFLOP/s", "GB/s"]);
    place.wattline("roofline --board mine.toml --quick --save mine.toml").succeeded();
    let again = std::fs::read_to_string(place.path("mine.toml")).unwrap();
    assert_eq!(again.matches("[measured by wattline roofline").count(), 2, "{again}");
    let table = place.wattline("roofline --quick --board mine.toml").succeeded();
    table.prints(&["FP32 GFLOP/s", "read GB/s", "copy GB/s", "ridge flop/B", "measured"]);
}

/// The OpenCL device of this machine, which may be its CPU once more and then says so.
#[test]
fn a_gpu_is_measured_by_its_own_clock() {
    let device = match opencl::choose(&DeviceChoice::Best) {
        Ok(device) => device,
        Err(error) if std::env::var_os("CI").is_some() => panic!("in CI: {error}"),
        Err(error) => return eprintln!("SKIPPED, no GPU's roofline was tested: {error}"),
    };
    let place = Place::new();
    let line = "roofline --board host --component gpu --quick --json --save mine.toml --out out";
    let answer = place.wattline(line).succeeded();
    let json: Value = serde_json::from_str(&answer.stdout).unwrap();
    let gpu = &json["measured"][0];
    assert_eq!((&gpu["component"], &gpu["provenance"]), (&"gpu".into(), &"measured".into()));
    assert_eq!(gpu["device"], device.to_string());
    let mut fields = vec!["fp32_gflop_per_s", "read_gb_per_s", "write_gb_per_s", "copy_gb_per_s"];
    match device.fp16 {
        true => fields.push("fp16_gflop_per_s"),
        false => answer.says(&["FP16 not measured", "cl_khr_fp16"]),
    }
    for field in &fields {
        assert!(gpu[field]["best"].as_f64().is_some_and(|best| best > 0.0), "{gpu}");
    }
    let ceilings = Table::read(&place.path("out/roofline.csv"));
    assert_eq!(ceilings.with("row", "ceiling").len(), fields.len());
    assert!(gpu["array_bytes"].as_u64().unwrap() >= 4 * device.cache_bytes);
    if device.kind == DeviceKind::Cpu {
        answer.says(&["a CPU device", &device.name]);
    }

    // What was kept is a board with that GPU, and is measured like any other.
    let text = std::fs::read_to_string(place.path("mine.toml")).unwrap();
    assert_eq!(text.matches(&device.to_string()).count(), 2, "{text}");
    let mine = Description::parse(&text, &place.path("mine.toml")).unwrap();
    let kept = mine.component("gpu").unwrap().bandwidth.unwrap().bytes_per_s() / 1e9;
    assert!((kept - gpu["bandwidth_gb_per_s"].as_f64().unwrap()).abs() <= 0.001, "{kept}");
    let table = place.wattline("roofline --quick --board mine.toml --component gpu").succeeded();
    table.prints(&["OpenCL mad", "FP16 GFLOP/s", &format!("gpu is {device}")]);
}

/// A cluster of CPU 0 on a board with sources and comments: only what was measured is replaced.
#[test]
fn the_rest_of_a_description_stays_as_it_is() {
    let place = Place::new();
    let text =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/board/descriptions/exynos5422.toml"));
    // Room for any machine's memory.
    let text = text
        .replace("cpus = [0, 1, 2, 3]", "cpus = [0]")
        .replace("bandwidth = \"13.2 GB/s\"", "bandwidth = \"9000 GB/s\"")
        .lines()
        .map(|line| if line.starts_with("sustained") { "sustained = \"8000 GB/s\"" } else { line })
        .collect::<Vec<_>>()
        .join("\n");
    place.write("mine.toml", &text);
    place
        .wattline("roofline --board mine.toml --component a7 --quick --save kept.toml")
        .succeeded();
    let kept = std::fs::read_to_string(place.path("kept.toml")).unwrap();
    let changed = kept.lines().zip(text.lines()).filter(|(kept, before)| kept != before);
    let changed: Vec<_> = changed.map(|(kept, _)| kept.split(' ').next().unwrap()).collect();
    assert_eq!(changed, ["peak", "bandwidth"]);
    // A machine that moves more than the memory is said to carry.
    let slow = text
        .replace("\"8000 GB/s\"", "\"50 MB/s\"")
        .replace("idle_traffic = ", "# idle_traffic = ")
        .replace("\"3.44 GB/s\"", "\"2 MB/s\"")
        .replace("\"0.49 GB/s\"", "\"2 MB/s\"")
        .replace("\"6.15 GB/s\"", "\"2 MB/s\"");
    place.write("slow.toml", slow);
    let line = "roofline --board slow.toml --component a7 --quick --save kept.toml";
    place.wattline(line).refused(&["contradicts the rest", "memory.sustained"]);
    assert_eq!(std::fs::read_to_string(place.path("kept.toml")).unwrap(), kept);
}

#[test]
fn what_cannot_be_measured_or_kept_is_said() {
    let place = Place::new();
    for (line, parts) in [
        ("roofline --board exynos5422 --component gpu", ["gpu: not measured", "OpenCL"]),
        ("roofline --board host --component npu", ["--component npu", "has cpu"]),
        ("roofline --board host --network squeezenet", ["--network", "emulated board"]),
        ("roofline --board emulated:exynos5422 --save mine.toml", ["--save", "nothing here is"]),
        ("roofline --board host --quick --save mine.txt", ["mine.txt", ".toml"]),
    ] {
        place.wattline(line).refused(&parts);
    }
}
