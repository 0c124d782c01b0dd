//! Joules of a co-execution and of each of its components, against what the emulated board knows.

use crate::bundle::{Row, Table};
use crate::place::Place;

/// Co-executes and analyses; the rows of the co-execution alone.
fn coexecute(place: &Place, board: &str, on: &str, policy: &str) -> Table {
    let run = format!(
        "run --board emulated:{board} --network squeezenet --on {on} --policy {policy} \
         --images 200 --solo 20 --clock virtual --out trace"
    );
    place.wattline(&run).succeeded();
    place.checked_summary("trace")
}

fn together<'a>(summary: &'a Table) -> Vec<Row<'a>> {
    summary.rows().filter(|row| !row.text("policy").is_empty()).collect()
}

/// The whole within 1 %, each component within `percent`, the interval around the truth, and the
/// parts together the whole.
#[track_caller]
fn check(summary: &Table, components: usize, percent: f64) {
    let rows = together(summary);
    assert_eq!(rows.len(), components + 1);
    let (all, parts) = rows.split_last().unwrap();
    assert_eq!((all.text("component"), all.integer("images")), ("all", 200));
    assert!(all.number("energy_error_pct").abs() < 1.0, "{all:?}");
    let watts = |row: &Row<'_>| row.number("joules_per_image") * row.number("images_per_s");
    let sum: f64 = parts.iter().map(watts).sum();
    assert!((sum / watts(all) - 1.0).abs() < 1e-9, "{sum} of {}", watts(all));
    for row in parts {
        let off = row.number("joules_per_image") - row.number("truth_joules_per_image");
        assert!(row.number("energy_error_pct").abs() < percent, "{row:?}");
        assert!(off.abs() <= row.number("joules_per_image_ci95"), "{row:?}");
        assert!(row.number("traffic_error_pct").abs() < 0.5, "{row:?}");
    }
}

#[test]
fn rails_of_their_own_tell_components_apart() {
    let place = Place::new();
    let summary = coexecute(&place, "exynos5422", "a15,a7,gpu", "steal-tail");
    check(&summary, 3, 3.0);
    let all = *together(&summary).last().unwrap();
    assert!(all.number("gain_pct") > 50.0 && all.number("efficiency_oracle") <= 1.0 + 1e-6);
    assert!(all.number("latency_p99_ms") >= all.number("latency_p50_ms"));
    let solo = summary.rows().filter(|row| row.text("policy").is_empty()).count();
    assert_eq!(solo, 3, "each component alone");
    let energy = Table::read(&place.path("results/energy.csv"));
    assert_eq!(energy.with("split", "solo_runs").len(), 3 + 2, "memory's rail and the A7's");
}

#[test]
fn one_rail_for_all_is_split_within_its_interval() {
    let place = Place::new();
    check(&coexecute(&place, "kirin970", "a73,a53,gpu,npu", "steal-tail"), 4, 5.0);
}

/// A pipeline's components each run a part of every image.
#[test]
fn parts_of_a_pipeline_add_up() {
    let place = Place::new();
    let summary = coexecute(&place, "exynos5422", "a15,gpu", "pipeline");
    let rows = together(&summary);
    let pct: f64 = rows[..2].iter().map(|row| row.number("frames_pct")).sum();
    assert!((pct - 100.0).abs() < 1e-9);
    let watts = |row: &Row<'_>| row.number("joules_per_image") * row.number("images_per_s");
    let sum = watts(&rows[0]) + watts(&rows[1]);
    assert!((sum / watts(&rows[2]) - 1.0).abs() < 1e-9);
    assert!(rows[2].number("energy_error_pct").abs() < 1.0, "{:?}", rows[2]);
}

/// What components did alone is taken for a policy's profile, whatever they did together.
#[test]
fn a_profile_is_of_components_alone() {
    let place = Place::new();
    coexecute(&place, "exynos5422", "a15,gpu", "steal");
    let run = "run --board emulated:exynos5422 --network squeezenet --on a15,gpu --policy steal \
               --images 20 --solo 0 --profile results/summary.csv --clock virtual --out again";
    place.wattline(run).succeeded();
    // Without runs alone the split goes by readings or busy time, and gains are the profile's.
    place.wattline("analyze again --out results").succeeded().prints(&["share of VDD_MEM"]);
    let summary = Table::read(&place.path("results/summary.csv"));
    assert!(summary.only("component", "all").number("gain_pct") > 0.0);
}
