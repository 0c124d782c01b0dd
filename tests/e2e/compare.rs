//! `wattline compare`: two recordings of emulated boards.

use serde_json::Value;

use crate::bundle::Table;
use crate::place::Place;

fn record(place: &Place, out: &str, seed: u64, board: &str) {
    let run = format!(
        "run --board emulated:{board} --network squeezenet --on a15,gpu --images 20 --clock virtual \
         --seed {seed} --out {out}"
    );
    place.wattline(&run).succeeded();
}

/// The exynos5422, its A15 taking so many watts.
fn board(place: &Place, name: &str, watts: &str) {
    let described = include_str!("../../board/descriptions/exynos5422.toml");
    let changed =
        described.replace("dynamic_power = \"5.0 W\"", &format!("dynamic_power = \"{watts} W\""));
    place.write(name, changed);
}

#[test]
fn a_difference_is_told_and_one_that_is_none_is_not() {
    let place = Place::new();
    board(&place, "before.toml", "5.0");
    board(&place, "after.toml", "5.6");
    record(&place, "before", 1, "before.toml");
    record(&place, "after", 2, "after.toml");
    let answer = place.wattline("compare before after --out tables").succeeded();
    answer
        .prints(&["emulated numbers: a model's, and of no chip", "A: before (emulated Odroid XU3"]);
    let table = Table::read(&place.path("tables/compare.csv"));
    let row = |component: &str, quantity: &str| {
        let mut rows = table.rows();
        rows.find(|row| row.text("component") == component && row.text("quantity") == quantity)
            .unwrap()
    };
    let a15 = row("a15", "joules_per_image");
    assert_eq!(a15.text("differs"), "more");
    assert!(a15.number("from_pct") > 11.5 && a15.number("to_pct") < 12.5, "{a15:?}");
    assert_eq!(row("gpu", "joules_per_image").text("differs"), "no");
    assert_eq!(row("a15", "images_per_s").text("differs"), "no");
    assert!(table.rows().all(|row| row.text("provenance_b") == "emulated"));
    answer.prints(&[a15.text("says"), "no difference that the readings show"]);

    place.wattline("compare before after --fail-above 13%").succeeded();
    let worse = place.wattline("compare before after --fail-above 5%").exited(3);
    worse.says(&["--fail-above 5 %", "squeezenet on a15, J/image: B takes 1"]);
    worse.prints(&["J/image"]);
    place.wattline("compare after before --fail-above 5%").succeeded();

    let json = place.wattline("compare before after --json --layers").succeeded();
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    let rows = json["rows"].as_array().unwrap();
    assert!(rows.iter().any(|row| row["layer"] == "conv1"), "{rows:?}");
    assert!(rows.iter().all(|row| row["says"].is_string() && row["provenance_a"] == "emulated"));
}

#[test]
fn directories_of_bundles_are_sets_of_runs() {
    let place = Place::new();
    for (seed, out) in [(1, "a/one"), (2, "a/two"), (3, "b/one"), (4, "b/two")] {
        record(&place, out, seed, "exynos5422");
    }
    let answer = place.wattline("compare a b").succeeded();
    answer.prints(&["A: a/one, a/two (", "runs of A"]);
    place.wattline("compare a/one,a/two b/one --fail-above 1%").succeeded();
    place.wattline("compare a a").refused(&["a/one is named twice"]);
}

#[test]
fn what_cannot_be_compared() {
    let place = Place::new();
    record(&place, "a", 1, "exynos5422");
    place.wattline("compare a nothing").refused(&["nothing"]);
    for (wish, part) in
        [("--fail-above 5", "5%"), ("--sensor-tolerance x", "0.5%"), ("--board c", "same")]
    {
        let answer = place.wattline(&format!("compare a b {wish}")).exited(2);
        answer.says(&[part]);
    }
    std::fs::create_dir(place.path("empty")).unwrap();
    place.wattline("compare a empty").refused(&["empty is no bundle, and there is none in it"]);
    // The gpu is not on the other side.
    let run = "run --board emulated:exynos5422 --network squeezenet --on a15 --images 20 --clock virtual \
               --out less";
    place.wattline(run).succeeded();
    place.wattline("compare a less").succeeded().prints(&["Only in A", "squeezenet on gpu"]);
    let lost = place.wattline("compare a less --fail-above 50%").exited(3);
    lost.says(&["squeezenet on gpu is missing in B"]);
}

/// A tolerance is in the interval, whichever rail it is of, and is not in it twice.
#[test]
fn a_tolerance_widens_intervals_and_is_told_apart() {
    let place = Place::new();
    record(&place, "a", 1, "exynos5422");
    place.wattline("analyze a --out exact").succeeded();
    let line = "analyze a --out off --sensor-tolerance 2% --sensor-tolerance VDD_MEM=1%";
    place.wattline(line).succeeded();
    let energy = |out: &str| Table::read(&place.path(out).join("energy.csv"));
    for (exact, off) in energy("exact").rows().zip(energy("off").rows()) {
        assert_eq!(exact.text("active_joules"), off.text("active_joules"));
        if exact.text("role") != "counted" {
            continue;
        }
        assert_eq!(exact.number("tolerance_ci95"), 0.0);
        let share = if off.text("rail") == "VDD_MEM" { 0.01 } else { 0.02 };
        let expected = 1.96 * share / 3f64.sqrt() * off.number("active_joules");
        assert!((off.number("tolerance_ci95") / expected - 1.0).abs() < 0.02, "{off:?}");
        let squares =
            ["sampling_ci95", "idle_ci95", "quantisation_ci95", "tolerance_ci95", "clock_ci95"]
                .map(|term| off.number(term).powi(2));
        let sum = squares.iter().sum::<f64>().sqrt() + off.number("split_ci95");
        assert!((sum / off.number("active_joules_ci95") - 1.0).abs() < 1e-9, "{off:?}");
        // A few hundredths of a joule on the memory's rail are read no better than that.
        if off.text("rail") != "VDD_MEM" {
            assert_eq!(off.text("largest_term"), "tolerance", "{off:?}");
        }
    }
    let error = place.wattline("analyze a --out x --sensor-tolerance VDD_X=1%");
    error.refused(&["VDD_X", "VDD_ARM"]);
}
