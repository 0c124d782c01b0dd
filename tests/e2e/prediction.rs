//! `wattline simulate`: co-execution predicted.

use std::path::Path;

use crate::bundle::{Row, Table};
use crate::place::Place;

fn summary(place: &Place, directory: &str) -> Table {
    Table::read(&place.path(&Path::new(directory).join("summary.csv").display().to_string()))
}

/// A row for each component and one named `all`, which they add up to.
#[test]
fn components_add_up_to_all() {
    let place = Place::new();
    for policy in ["steal", "steal-tail", "pipeline", "best-single"] {
        let line = format!(
            "simulate --board kirin970 --network squeezenet --on a73,a53,gpu,npu \
             --policy {policy} --images 300 --out out"
        );
        let answer = place.wattline(&line).succeeded();
        answer.prints(&["emulated", policy, "one stream of 300 images"]);
        let table = summary(&place, "out");
        let all = table.only("component", "all");
        let parts: Vec<_> = table.rows().filter(|row| row.text("component") != "all").collect();
        assert_eq!(parts.len(), 4);
        let sum = |column| parts.iter().filter_map(|row| row.maybe(column)).sum::<f64>();
        assert!((sum("frames_pct") - 100.0).abs() < 1e-6, "{policy}");
        assert!((sum("images_per_s") / all.number("images_per_s") - 1.0).abs() < 1e-6, "{policy}");
        let joules: f64 = parts
            .iter()
            .filter_map(|row| Some(row.maybe("joules_per_image")? * row.number("images_per_s")))
            .sum();
        let total = all.number("joules_per_image") * all.number("images_per_s");
        assert!((joules / total - 1.0).abs() < 1e-6, "{policy}: {joules} of {total}");
        assert_eq!(all.integer("images"), 300);
        assert!(all.number("latency_p99_ms") >= all.number("latency_p50_ms"));
        assert!(table.rows().all(|row| row.text("provenance") == "emulated"));
    }
}

/// Without a length it is the mean over streams as long as the study's, which lies between the
/// shortest and the longest of them, and whose parts still add up.
#[test]
fn without_a_length_it_is_the_study_s() {
    let place = Place::new();
    let simulate = "simulate --board exynos5422 --network resnet50 --on a15,a7,gpu --out out";
    place.wattline(simulate).succeeded().prints(&["mean over streams of 46 to 70 images"]);
    let table = summary(&place, "out");
    let mean = table.only("component", "all");
    assert_eq!(mean.integer("images"), 58);
    let parts: Vec<_> = table.rows().filter(|row| row.text("component") != "all").collect();
    for column in ["frames_pct", "images_per_s"] {
        let sum: f64 = parts.iter().map(|row| row.number(column)).sum();
        assert!((sum / mean.number(column) - 1.0).abs() < 1e-9, "{column}: {sum}");
    }
    let watts = |row: &Row<'_>| row.number("joules_per_image") * row.number("images_per_s");
    let sum: f64 = parts.iter().map(watts).sum();
    assert!((sum / watts(&mean) - 1.0).abs() < 1e-9, "{sum} W");
    // Every length on its own, and their mean.
    let lengths = 46..=70;
    let count = lengths.clone().count() as f64;
    for column in ["images_per_s", "latency_p50_ms", "latency_p99_ms", "efficiency_oracle"] {
        let one = |images: u64| {
            place.wattline(&format!("{simulate} --images {images}")).succeeded();
            summary(&place, "out").only("component", "all").number(column)
        };
        let expected = lengths.clone().map(one).sum::<f64>() / count;
        assert!((mean.number(column) / expected - 1.0).abs() < 1e-9, "{column}: {expected}");
    }
}

/// A component that has the stream to itself does what Table I says, and all together do more.
#[test]
fn one_alone_is_table_one_and_all_do_more() {
    let place = Place::new();
    let simulate = |on: &str| {
        let line = format!("simulate --board exynos5422 --network squeezenet --on {on} --out out");
        place.wattline(&line).succeeded();
        let table = summary(&place, "out");
        table.only("component", "all").number("images_per_s")
    };
    let gpu = simulate("gpu");
    assert!((gpu / 8.0 - 1.0).abs() < 0.02, "{gpu}");
    assert!(simulate("a15,a7,gpu") > 1.5 * gpu);
}

/// MobileNet is refused where the NPU is named, and leaves it out where it is not.
#[test]
fn sweeps_cover_boards_networks_and_policies() {
    let place = Place::new();
    let line = "simulate --board kirin970 --network alexnet --sweep boards,networks,policies \
                --fps 5 --images 50 --out out";
    place.wattline(line).succeeded();
    let table = summary(&place, "out");
    assert_eq!(table.with("component", "all").len(), 2 * 5 * 5);
    assert_eq!(table.with("component", "npu").len(), 4 * 5, "MobileNet leaves the NPU out");
    let refused = "simulate --board kirin970 --network mobilenet --on gpu,npu";
    place.wattline(refused).refused(&["mobilenet on npu", "not supported"]);
}

#[test]
fn what_cannot_be_predicted_is_refused() {
    let place = Place::new();
    let simulate = "simulate --network squeezenet";
    for (rest, parts) in [
        ("--board host", ["host", "lacks"]),
        ("--board kirin970 --on tpu", ["--on tpu", "a73, a53, gpu, npu"]),
        ("--board kirin970 --policy energy", ["energy", "frame rate"]),
        ("--board kirin970 --fps 0 --policy steal", ["rate", "above 0"]),
        ("--board kirin970 --on gpu --sweep boards", ["--sweep", "--on"]),
    ] {
        place.wattline(&format!("{simulate} {rest}")).refused(&parts);
    }
}

/// What is predicted can be put beside what was measured: the columns are the same.
#[test]
fn predictions_and_measurements_have_the_same_columns() {
    let place = Place::new();
    let on = "--network squeezenet --on a15,gpu --images 8";
    place.wattline(&format!("simulate --board exynos5422 {on} --out predicted")).succeeded();
    let run = format!("run --board emulated:exynos5422 {on} --clock virtual --out trace");
    place.wattline(&run).succeeded();
    place.wattline("analyze trace --out measured").succeeded();
    let [predicted, measured] = ["predicted", "measured"].map(|it| summary(&place, it));
    assert_eq!(predicted.header(), measured.header());
    assert!(predicted.rows().all(|row| row.text("board") == "exynos5422"));
}
