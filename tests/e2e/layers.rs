//! Joules and bytes of layers, checks, and what spreads readings over an image.

use crate::bundle::Table;
use crate::place::Place;

const RUN: &str =
    "run --board emulated:exynos5422 --network squeezenet --clock virtual --out trace";

fn close(a: f64, b: f64, share: f64) -> bool {
    (a - b).abs() <= share * b.abs()
}

#[test]
fn layers_have_joules_and_bytes_near_the_truth() {
    let place = Place::new();
    place.wattline(&format!("{RUN} --on gpu --images 40")).succeeded();
    let answer = place.wattline("analyze trace --out results --check-truth --layers").succeeded();
    answer.prints(&["mJ/image", "told apart", "of roof", "conv10"]);
    let layers = Table::read(&place.path("results/layers.csv"));
    let whole = Table::read(&place.path("results/summary.csv"))
        .only("component", "gpu")
        .number("joules_per_image");
    let mut sum = 0.0;
    for row in layers.rows() {
        sum += row.number("joules_per_image");
        if row.number("truth_joules") > 0.02 * whole {
            assert!(row.number("energy_error_pct").abs() < 5.0, "{row:?}");
            let off = (row.number("joules_per_image") - row.number("truth_joules")).abs();
            assert!(off <= row.number("joules_per_image_ci95"), "{row:?}");
        }
        assert_eq!(row.text("provenance"), "emulated");
        assert!(row.maybe("roof_fraction").is_none_or(|it| it < 1.05), "{row:?}");
    }
    assert!(close(sum, whole, 0.01), "layers add up to {sum} J of {whole}");
    let merged: Vec<_> =
        layers.rows().filter(|row| !row.text("joules_merged").is_empty()).collect();
    assert!(!merged.is_empty() && merged.len() < layers.rows().count(), "some are merged");
    let kinds = Table::read(&place.path("results/layer_kinds.csv"));
    let joules: f64 = kinds.rows().map(|row| row.number("joules_per_image")).sum();
    assert!(close(joules, whole, 1e-9), "kinds and what lies between add up to {joules}");
    let fits = Table::read(&place.path("results/layer_fits.csv"));
    assert_eq!(fits.rows().count(), 4, "three rails and the DRAM counter");
    assert!(fits.rows().all(|row| row.number("phase_coverage_pct") > 60.0));
}

/// Too few images to see how layers repeat: times, and why there is no more.
#[test]
fn few_images_give_no_joules_of_layers() {
    let place = Place::new();
    place.wattline(&format!("{RUN} --on a15 --images 3")).succeeded();
    place.wattline("analyze trace --out results").succeeded();
    for row in Table::read(&place.path("results/layers.csv")).rows() {
        assert_eq!(row.maybe("joules_per_image"), None);
        assert!(row.text("note").contains("run more images"), "{row:?}");
    }
}

#[test]
fn dither_spreads_images_and_is_written_down() {
    let place = Place::new();
    place.wattline(&format!("{RUN} --on gpu --images 40 --dither --seed 7")).succeeded();
    let bundle = place.bundle("trace");
    assert_eq!(bundle.manifest()["dither"]["longest_pause_ns"], 2_222_222);
    let spans = bundle.table("spans.csv");
    let images = spans.with("kind", "image");
    let pauses =
        images.windows(2).map(|pair| pair[1].integer("start_ns") - pair[0].integer("end_ns"));
    let pauses: Vec<u64> = pauses.collect();
    assert!(pauses.iter().all(|pause| *pause <= 2_222_222), "{pauses:?}");
    assert!(pauses.iter().max() > Some(&1_500_000) && pauses.iter().min() < Some(&700_000));
    let row = place.checked_summary("trace");
    let row = row.only("component", "gpu");
    assert!(row.number("energy_error_pct").abs() < 1.0 && row.text("note").contains("--dither"));
    let first = bundle.bytes("spans.csv");
    place
        .wattline(&format!("{RUN} --on gpu --images 40 --dither --seed 7 --overwrite"))
        .succeeded();
    assert!(first == bundle.bytes("spans.csv"), "the same seed gives the same pauses");
    place
        .wattline(&format!("{RUN} --on gpu,a15 --dither --policy steal"))
        .exited(2)
        .says(&["--dither"]);
}

/// On the wall clock and what really runs here, too.
#[test]
fn dither_on_this_machine() {
    let place = Place::new();
    let run =
        "run --board host --network squeezenet --on cpu --images 8 --idle 0 --dither --out trace";
    place.wattline(&format!("{run} --rate 100")).succeeded();
    let bundle = place.bundle("trace");
    assert!(bundle.manifest()["dither"]["longest_pause_ns"].as_u64() >= Some(10_000_000));
    let spans = bundle.table("spans.csv");
    let images = spans.with("kind", "image");
    let pause =
        |pair: &[crate::bundle::Row<'_>]| pair[1].integer("start_ns") - pair[0].integer("end_ns");
    let longest = images.windows(2).map(pause).max().unwrap();
    assert!(longest > 1_000_000, "seven pauses of up to 10 ms, and none above 1: {longest} ns");
}

#[test]
fn checks_are_listed_and_strict_fails_on_a_failed_one() {
    let place = Place::new();
    place.wattline(&format!("{RUN} --on a15,gpu --images 10")).succeeded();
    let answer = place.wattline("analyze trace --out results --strict").succeeded();
    answer.prints(&[
        "joules_conserved",
        "below_roof",
        "bytes_compulsory",
        "sampling_fast_enough",
        "pass",
    ]);
    let checks = Table::read(&place.path("results/checks.csv"));
    assert!(checks.rows().all(|row| row.text("outcome") == "pass"), "{checks:?}");
    // A recording that was cut off.
    place.bundle("trace").edit("manifest.json", |bytes| {
        let text = String::from_utf8(bytes).unwrap();
        text.replace("\"complete\": true", "\"complete\": false").into_bytes()
    });
    place.wattline("analyze trace --out cut").succeeded().prints(&["complete", "fail"]);
    place
        .wattline("analyze trace --out cut --strict")
        .refused(&["--strict", "complete (recording)"]);
    let checks = Table::read(&place.path("cut/checks.csv"));
    assert_eq!(checks.only("check", "complete").text("outcome"), "fail");
}
