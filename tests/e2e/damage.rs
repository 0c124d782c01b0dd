//! Bundles that something happened to: what is whole is used, what is wrong is named.

use crate::bundle::{Bundle, Table};
use crate::place::Place;

fn place_with_trace() -> (Place, Bundle) {
    let place = Place::new();
    let run = "run --board emulated:exynos5422 --network squeezenet --on gpu --images 8 \
               --clock virtual --out trace";
    place.wattline(run).succeeded();
    let bundle = place.bundle("trace");
    (place, bundle)
}

/// Replaces one field of a CSV file; `line` counts from 1, the header's.
fn put(bytes: &[u8], line: usize, column: usize, field: &str) -> Vec<u8> {
    let text = std::str::from_utf8(bytes).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut fields: Vec<&str> = lines[line - 1].split(',').collect();
    fields[column - 1] = field;
    lines[line - 1] = fields.join(",");
    (lines.join("\n") + "\n").into_bytes()
}

#[test]
fn a_torn_last_line_is_left_out_and_told() {
    let (place, bundle) = place_with_trace();
    bundle.edit("power.csv", |mut bytes| {
        bytes.truncate(bytes.len() - 5);
        bytes
    });
    let answer = place.wattline("analyze trace --out results --check-truth").succeeded();
    answer.prints(&["power.csv: the last line is torn"]);
    let summary = Table::read(&place.path("results/summary.csv"));
    assert!(summary.only("component", "gpu").number("energy_error_pct").abs() <= 1.0);
}

#[test]
fn a_field_that_is_no_number_is_named_by_line_and_column() {
    let (place, bundle) = place_with_trace();
    bundle.edit("power.csv", |bytes| put(&bytes, 100, 5, "a lot"));
    let answer = place.wattline("analyze trace --out results");
    answer.refused(&["power.csv:100: column 5 (watts) holds \"a lot\", expected"]);
    assert!(!place.path("results/summary.csv").exists(), "no number of it is trusted");
}

#[test]
fn a_row_of_another_width() {
    let (place, bundle) = place_with_trace();
    bundle.edit("traffic.csv", |bytes| put(&bytes, 50, 2, "ppmu,ppmu"));
    let answer = place.wattline("analyze trace --out results");
    answer.refused(&["traffic.csv:50: 8 fields, expected 7"]);
}

#[test]
fn another_header() {
    let (place, bundle) = place_with_trace();
    bundle.edit("spans.csv", |bytes| put(&bytes, 1, 3, "sort"));
    place.wattline("analyze trace --out results").refused(&["spans.csv:1: the header"]);
}

#[test]
fn a_clock_that_was_set_back() {
    let (place, bundle) = place_with_trace();
    bundle.edit("power.csv", |bytes| put(&bytes, 200, 1, "1"));
    place.wattline("analyze trace --out results").refused(&["power.csv", "row 199", "ascend"]);
}

#[test]
fn a_manifest_that_is_missing_or_damaged() {
    let (place, bundle) = place_with_trace();
    let whole = bundle.bytes("manifest.json");
    bundle.edit("manifest.json", |bytes| bytes[..100].to_vec());
    place.wattline("analyze trace --out results").refused(&["trace/manifest.json:"]);
    bundle.edit("manifest.json", |_| {
        String::from_utf8(whole).unwrap().replace("\"schema\": 2", "\"schema\": 999").into_bytes()
    });
    let answer = place.wattline("analyze trace --out results");
    answer.refused(&["schema version 999", "one as new"]);
    std::fs::remove_file(bundle.path("manifest.json")).unwrap();
    let answer = place.wattline("analyze trace --out results");
    answer.refused(&["trace/manifest.json", "is this the directory a run wrote?"]);
    place.wattline("analyze absent --out results").refused(&["absent"]);
}

/// A bad bundle among good ones leaves earlier results as they were.
#[test]
fn earlier_results_survive_a_failed_analysis() {
    let (place, bundle) = place_with_trace();
    place.wattline("analyze trace --out results").succeeded();
    let results = place.bundle("results");
    let before = results.bytes("summary.csv");
    bundle.edit("power.csv", |bytes| put(&bytes, 100, 4, "NaN"));
    place.wattline("analyze trace --out results").refused(&["power.csv:100: column 4 (amps)"]);
    assert_eq!(results.bytes("summary.csv"), before);
    let files = [
        "checks.csv",
        "conservation.csv",
        "energy.csv",
        "images.csv",
        "layer_fits.csv",
        "layer_kinds.csv",
        "layers.csv",
        "summary.csv",
    ];
    assert_eq!(results.files(), files, "these and no leftovers");
}
