//! Are intervals what they say? Emulated boards with their usual noise, many seeds, and the truth.
//!
//! A 95 % interval that holds the truth in every case is as wrong as one that holds it in half of
//! them: of images both are tested for. The intervals of layers may hold it more often, for where
//! layers are merged they hold all that readings leave possible.

mod comparison;
mod recorded;
mod together;

use recorded::{Case, for_seeds};

/// Layers that count: those with at least this share of their network's joules.
const LEAST_SHARE: f64 = 0.02;

/// Errors of the layers that count, and how many of their intervals hold the truth.
/// Answers the share that do.
fn check_layers(case: &Case, seeds: u64, most_error: f64) -> f64 {
    let (mut cases, mut covered, mut wide) = (0u32, 0u32, 0u32);
    for (analysis, truth) in for_seeds(0..seeds, |seed| case.run(seed)) {
        for (row, &joules) in analysis.layers.iter().zip(&truth.layers) {
            if joules < LEAST_SHARE * truth.joules {
                continue;
            }
            let known = row.joules_per_image.zip(row.joules_per_image_ci95);
            let (found, half_width) = known.unwrap_or_else(|| panic!("refused: {row:?}"));
            let error = (found - joules).abs();
            assert!(error <= most_error * joules, "{} is off by {error} J: {row:?}", row.layer);
            cases += 1;
            wide += u32::from(half_width > 2.0 * most_error * joules);
            covered += u32::from(error <= half_width);
        }
    }
    let share = f64::from(covered) / f64::from(cases);
    eprintln!("{case}: {covered} of {cases} intervals of layers hold the truth");
    assert!(cases > 0);
    // Intervals that say nothing would be no feat; one where readings fell badly may be wide.
    assert!(wide * 100 <= cases, "{wide} intervals of {cases} are wide");
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

/// The same where one rail carries the whole board. Layers of its GPU and NPU take tenths of a conversion.
#[test]
fn layers_on_one_rail_for_all() {
    for component in ["a73", "a53", "gpu", "npu"] {
        let mut case = Case::new("kirin970", "squeezenet", component);
        case.images = 100;
        let share = check_layers(&case, 50, 0.05);
        assert!(share >= 0.9, "{share}");
    }
}

/// With pauses between images, as `run --dither` makes them.
#[test]
fn layers_of_images_that_pause() {
    for component in ["a73", "gpu", "npu"] {
        let mut case = Case::new("kirin970", "squeezenet", component);
        (case.images, case.dither_ns) = (100, 2_222_222);
        let share = check_layers(&case, 50, 0.05);
        assert!(share >= 0.9, "{share}");
    }
}

/// 28 conversions a second, ten times as long as the shortest layers that count: within 10 %.
#[test]
fn layers_under_a_slow_sensor() {
    for (board, component) in
        [("exynos5422", "a15"), ("exynos5422", "gpu"), ("kirin970", "gpu"), ("kirin970", "npu")]
    {
        let mut case = Case::new(board, "squeezenet", component);
        (case.images, case.update_interval_ms) = (500, 35);
        if board == "exynos5422" {
            let share = check_layers(&case, 10, 0.10);
            assert!(share >= 0.9, "{share}");
        }
        case.dither_ns = 35_200_000;
        let share = check_layers(&case, 10, 0.10);
        assert!(share >= 0.9, "{share}");
    }
}

/// Runs that intervals of images are tried on, unless `SEEDS` says how many.
const SEEDS: u64 = 400;

/// Joules per image lie in their interval 93 to 97 times in 100.
fn check_images(board: &str, components: &[&'static str]) {
    let seeds = std::env::var("SEEDS").map_or(SEEDS, |it| it.parse().unwrap());
    let cases: Vec<Case> = components
        .iter()
        .map(|component| {
            let mut case = Case::new(board, "squeezenet", component);
            case.layers = false;
            case
        })
        .collect();
    // Each with the half of its interval.
    let errors = for_seeds(0..seeds, |seed| {
        let (analysis, truth) = cases[seed as usize % cases.len()].run(seed);
        let row = &analysis.summary[0];
        let known = row.joules_per_image.zip(row.joules_per_image_ci95);
        let (found, half_width) = known.unwrap_or_else(|| panic!("refused: {row:?}"));
        (found - truth.joules, half_width)
    });
    let held = |errors: &[(f64, f64)]| errors.iter().filter(|it| it.0.abs() <= it.1).count();
    let root_mean_square = |values: &mut dyn Iterator<Item = f64>, count: usize| {
        (values.map(|value| value * value).sum::<f64>() / count as f64).sqrt()
    };
    for (place, component) in components.iter().enumerate() {
        let own: Vec<_> = errors.iter().skip(place).step_by(cases.len()).copied().collect();
        let count = own.len();
        eprintln!(
            "{board} {component}: {} of {count} intervals of images hold the truth; errors of {:.1} uJ \
             (mean {:+.1}) beside half widths of {:.1} uJ",
            held(&own),
            1e6 * root_mean_square(&mut own.iter().map(|it| it.0), count),
            1e6 * own.iter().map(|it| it.0).sum::<f64>() / count as f64,
            1e6 * root_mean_square(&mut own.iter().map(|it| it.1), count),
        );
    }
    let share = held(&errors) as f64 / seeds as f64;
    assert!((0.93..=0.97).contains(&share), "{board}: {share} of {seeds}");
}

#[test]
fn images_of_four_rails_lie_in_their_intervals_as_often_as_these_say() {
    check_images("exynos5422", &["a15", "a7", "gpu"]);
}

#[test]
fn images_of_one_rail_for_all_lie_in_their_intervals_as_often_as_these_say() {
    check_images("kirin970", &["a73", "a53", "gpu", "npu"]);
}
