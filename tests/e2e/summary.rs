//! What `analyze` writes and prints of whole bundles.

use serde_json::Value;

use crate::bundle::Table;
use crate::place::Place;

const COLUMNS: &str = "network,component,images,images_per_s,joules_per_image,\
    joules_per_image_ci95,images_per_joule,gop_per_s,oi_theoretical,oi_empirical,\
    dram_bytes_per_image,provenance,policy,frames_pct,latency_p50_ms,latency_p99_ms,gain_pct,\
    efficiency_solo,efficiency_oracle,images_per_joule_gain_pct,board,\
    frequency_mhz";
const TRUTH: &str =
    "truth_joules_per_image,energy_error_pct,truth_dram_bytes_per_image,traffic_error_pct";

fn exynos(place: &Place) {
    let run = "run --board emulated:exynos5422 --network squeezenet --on a15,gpu --images 8 \
               --clock virtual --out exynos";
    place.wattline(run).succeeded();
}

fn kirin(place: &Place) {
    let run = "run --board emulated:kirin970 --network squeezenet --on npu --images 20 \
               --clock virtual --out kirin";
    place.wattline(run).succeeded();
}

#[test]
fn the_header_is_a_promise() {
    let place = Place::new();
    exynos(&place);
    place.wattline("analyze exynos --out plain").succeeded();
    place.wattline("analyze exynos --out checked --check-truth").succeeded();
    let header = |out: &str| Table::read(&place.path(out).join("summary.csv")).header().join(",");
    assert!(header("plain").starts_with(&format!("{COLUMNS},bundle")), "{}", header("plain"));
    let checked = format!("{COLUMNS},{TRUTH},bundle");
    assert!(header("checked").starts_with(&checked), "{}", header("checked"));
}

#[test]
fn emulated_numbers_are_called_so_everywhere() {
    let place = Place::new();
    exynos(&place);
    let answer = place.wattline("analyze exynos --out out").succeeded();
    let title = answer.stdout.lines().next().unwrap();
    assert!(title.contains("emulated") && title.contains("Odroid XU3"), "{title}");
    let summary = Table::read(&place.path("out/summary.csv"));
    assert_eq!(summary.rows().count(), 2);
    assert!(summary.rows().all(|row| row.text("provenance") == "emulated"));
    let manifest = place.bundle("exynos").manifest();
    assert_eq!(manifest["board"]["emulated"], true);
    for list in ["rails", "counters", "components"] {
        let records = manifest[list].as_array().unwrap();
        assert!(!records.is_empty(), "{list}");
        assert!(records.iter().all(|it| it["provenance"] == "emulated"), "{list}: {records:?}");
    }
}

/// Cells of one row follow from one another.
#[test]
fn cells_agree() {
    let place = Place::new();
    exynos(&place);
    let summary = place.checked_summary("exynos");
    let close = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-9;
    for row in summary.rows() {
        let number = |column| row.number(column);
        assert!(close(number("images_per_joule"), 1.0 / number("joules_per_image")));
        let flops = number("gop_per_s") * 1e9 / number("images_per_s");
        assert!(close(number("oi_empirical"), flops / number("dram_bytes_per_image")));
        let error = 100.0 * (number("joules_per_image") / number("truth_joules_per_image") - 1.0);
        assert!((number("energy_error_pct") - error).abs() < 1e-6, "{row:?}");
    }
    let conservation = Table::read(&place.path("results/conservation.csv"));
    assert_eq!(conservation.rows().count(), 4, "one row for each rail");
    for row in conservation.rows() {
        let number = |column| row.number(column);
        let parts = ["attributed_joules", "idle_joules", "unattributed_joules"].map(number);
        let sum: f64 = parts.iter().sum();
        assert!((sum / number("integral_joules") - 1.0).abs() < 1e-6, "{row:?}");
    }
    let images = Table::read(&place.path("results/images.csv"));
    assert_eq!(images.rows().count(), 16);
}

#[test]
fn two_bundles_at_once() {
    let place = Place::new();
    exynos(&place);
    kirin(&place);
    let answer = place.wattline("analyze exynos kirin --out both").succeeded();
    answer.prints(&["Odroid XU3", "HiKey 970"]);
    let summary = Table::read(&place.path("both/summary.csv"));
    let cells: Vec<_> =
        summary.rows().map(|row| (row.text("bundle"), row.text("component"))).collect();
    assert_eq!(cells, [("exynos", "a15"), ("exynos", "gpu"), ("kirin", "npu")]);
    // The numbers are those that each has on its own.
    place.wattline("analyze kirin --out one").succeeded();
    let alone = Table::read(&place.path("one/summary.csv"));
    let npu = |table: &Table| table.only("component", "npu").text("joules_per_image").to_owned();
    assert_eq!(npu(&alone), npu(&summary));
    place.wattline("analyze kirin ./kirin --out twice").refused(&["kirin is named twice"]);
}

#[test]
fn json_says_what_the_tables_say() {
    let place = Place::new();
    exynos(&place);
    let answer = place.wattline("analyze exynos --out out --json").succeeded();
    let json: Value = serde_json::from_str(&answer.stdout).unwrap();
    let summary = Table::read(&place.path("out/summary.csv"));
    for (row, object) in summary.rows().zip(json["summary"].as_array().unwrap()) {
        assert_eq!(object["component"], row.text("component"));
        // As text: a parser may be off by the last bit.
        let joules = format!("\"joules_per_image\": {}", row.text("joules_per_image"));
        assert!(answer.stdout.contains(&joules) && object["joules_per_image"].is_f64(), "{joules}");
        assert_eq!(object["provenance"], "emulated");
    }
}
