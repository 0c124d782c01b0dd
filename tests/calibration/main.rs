//! Are intervals what they say? Emulated boards with their usual noise, many seeds, and the truth.
//!
//! A 95 % interval that holds the truth in every case is as wrong as one that holds it in half of
//! them: of images both are tested for. The intervals of layers may hold it more often, for where
//! layers are merged they hold all that readings leave possible.

mod comparison;
mod recorded;
mod together;

use recorded::{Case, for_seeds};

const COMPONENTS: [&str; 3] = ["a15", "a7", "gpu"];
/// Layers that count: those with at least this share of their network's joules.
const LEAST_SHARE: f64 = 0.02;

/// Errors of the layers that count, and how many of their intervals hold the truth.
/// Answers the share that do.
fn check_layers(case: &Case, seeds: u64, most_error: f64) -> f64 {
    let (mut cases, mut covered) = (0u32, 0u32);
    for (analysis, truth) in for_seeds(0..seeds, |seed| case.run(seed)) {
        for (row, &joules) in analysis.layers.iter().zip(&truth.layers) {
            if joules < LEAST_SHARE * truth.joules {
                continue;
            }
            let known = row.joules_per_image.zip(row.joules_per_image_ci95);
            let (found, half_width) = known.unwrap_or_else(|| panic!("refused: {row:?}"));
            let error = (found - joules).abs();
            assert!(error <= most_error * joules, "{} is off by {error} J: {row:?}", row.layer);
            // An interval that says nothing would be no feat.
            assert!(half_width <= 2.0 * most_error * joules, "± {half_width} J: {row:?}");
            cases += 1;
            covered += u32::from(error <= half_width);
        }
    }
    let share = f64::from(covered) / f64::from(cases);
    eprintln!("{case}: {covered} of {cases} intervals of layers hold the truth");
    assert!(cases > 0);
    share
}

/// 454 conversions a second: every layer that counts within 5 %.
#[test]
fn layers_under_a_fast_sensor() {
    for (network, component) in
        [("squeezenet", "a15"), ("squeezenet", "a7"), ("squeezenet", "gpu"), ("mobilenet", "gpu")]
    {
        let mut case = Case::new("exynos5422", network, component);
        case.images = if component == "a7" { 40 } else { 100 };
        let share = check_layers(&case, 50, 0.05);
        assert!(share >= 0.9, "{share}");
    }
}

/// 28 conversions a second, ten times as long as the shortest layers that count: within 10 %.
#[test]
fn layers_under_a_slow_sensor() {
    for component in ["a15", "gpu"] {
        let mut case = Case::new("exynos5422", "squeezenet", component);
        (case.images, case.update_interval_ms) = (500, 35);
        check_layers(&case, 10, 0.10);
        case.dither_ns = 35_200_000;
        check_layers(&case, 10, 0.10);
    }
}

/// 400 runs: joules per image lie in their interval 93 to 97 times in 100.
#[test]
fn images_lie_in_their_intervals_as_often_as_these_say() {
    let cases = COMPONENTS.map(|component| {
        let mut case = Case::new("exynos5422", "squeezenet", component);
        case.layers = false;
        case
    });
    let held = for_seeds(0..400, |seed| {
        let (analysis, truth) = cases[seed as usize % cases.len()].run(seed);
        let row = &analysis.summary[0];
        let known = row.joules_per_image.zip(row.joules_per_image_ci95);
        let (found, half_width) = known.unwrap_or_else(|| panic!("refused: {row:?}"));
        (found - truth.joules).abs() <= half_width
    });
    let count = held.iter().filter(|held| **held).count();
    for (place, component) in COMPONENTS.iter().enumerate() {
        let own: Vec<_> = held.iter().skip(place).step_by(COMPONENTS.len()).collect();
        let count = own.iter().filter(|held| ***held).count();
        eprintln!("{component}: {count} of {} intervals of images hold the truth", own.len());
    }
    assert!((372..=388).contains(&count), "{count} of 400");
}
