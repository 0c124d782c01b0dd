//! Is a difference one as often as it is said to be?

use wattline_analysis::{
    Compare, CompareOptions, CompareRow, Differs, Options, SameBoard, SensorTolerances, analyze,
    compare,
};
use wattline_board::quantity::{Power, Tolerance};

use crate::recorded::{Case, for_seeds, in_memory};

/// Whether an interval held the truth without and with a tolerance, and whether boards seemed to differ
/// taken for one and for two.
type Held = ([bool; 2], [bool; 2]);

/// Records each case, and compares the second with the first; answers the rows, and the true difference
/// of joules in percent.
fn compared(cases: [&Case; 2], seed: u64) -> (Vec<CompareRow>, f64) {
    let home = in_memory();
    let place = |side: usize| home.path().join(["a", "b"][side]);
    // As far apart as seeds of other tests are.
    let truth = [0, 1].map(|side| cases[side].record(2 * seed + side as u64, &place(side)));
    let comparison = compare(&[place(0)], &[place(1)], &CompareOptions::default()).unwrap();
    assert!(comparison.only_in_a.is_empty() && comparison.incomparable.is_none());
    (comparison.rows, 100.0 * (truth[1].joules / truth[0].joules - 1.0))
}

fn of(rows: &[CompareRow], quantity: Compare) -> &CompareRow {
    rows.iter().find(|row| row.quantity == quantity).unwrap()
}

fn case(component: &'static str) -> Case {
    let mut case = Case::new("exynos5422", "squeezenet", component);
    case.layers = false;
    case
}

/// 200 pairs of runs of one board that differ by their noise alone: 5 in 100 seem to differ.
#[test]
fn runs_of_the_same_differ_as_seldom_as_they_say() {
    let cases = ["a15", "a7", "gpu"].map(case);
    let rows = for_seeds(0..200, |seed| {
        let case = &cases[seed as usize % cases.len()];
        compared([case, case], 10_000 + seed).0
    });
    let differ =
        |quantity| rows.iter().filter(|rows| of(rows, quantity).differs != Differs::No).count();
    let joules = differ(Compare::JoulesPerImage);
    eprintln!("{joules} of 200 pairs of the same seem to differ in joules");
    assert!((3..=17).contains(&joules), "{joules} of 200");
    for quantity in [Compare::ImagesPerS, Compare::DramBytesPerImage, Compare::OiEmpirical] {
        assert!(differ(quantity) <= 17, "{quantity:?}: {}", differ(quantity));
    }
}

/// Three percent less are found, and lie in the interval.
#[test]
fn three_percent_are_found() {
    for component in ["a15", "a7", "gpu"] {
        let before = case(component);
        let mut after = before.clone();
        let own = after.board.components.iter_mut().find(|it| it.name() == component).unwrap();
        // A little more of it, for the memory's part stays what it is.
        own.dynamic_power = Power::new(0.968 * own.dynamic_power.watts());
        let found = for_seeds(0..40, |seed| {
            let (rows, truth) = compared([&before, &after], 20_000 + seed);
            let row = of(&rows, Compare::JoulesPerImage);
            assert_eq!(row.differs, Differs::Less, "{component}: {truth} {row:?}");
            (row.from_pct.unwrap()..=row.to_pct.unwrap()).contains(&truth)
        });
        let held = found.iter().filter(|held| **held).count();
        eprintln!("{component}: {held} of 40 intervals hold the true difference");
        assert!(held >= 35, "{component}: {held} of 40");
    }
}

/// Boards whose sensors' gains lie off by up to 2 %, each its own way: the tolerance says so, and only
/// that.
#[test]
fn gains_that_lie_off_are_in_the_interval_that_knows_of_them() {
    const GAIN: f64 = 0.02;
    let mut case = case("a15");
    case.board.noise.gain = Tolerance::new(GAIN);
    let knowing = Options {
        tolerances: SensorTolerances { all: Some(GAIN), rails: vec![] },
        ..Options::default()
    };
    let runs = for_seeds(0..60, |seed| {
        let home = in_memory();
        let place = |side: &str| home.path().join(side);
        let truth = case.record(30_000 + 2 * seed, &place("a")).joules;
        case.record(30_001 + 2 * seed, &place("b"));
        let held = [Options::default(), knowing.clone()].map(|options| {
            let analysis = analyze(&[place("a")], &options).unwrap();
            let row = &analysis.summary[0];
            let known = row.joules_per_image.zip(row.joules_per_image_ci95).unwrap();
            (known.0 - truth).abs() <= known.1
        });
        let differ = [SameBoard::Yes, SameBoard::No].map(|same_board| {
            let options = CompareOptions {
                analysis: knowing.clone(),
                same_board,
                ..CompareOptions::default()
            };
            let comparison = compare(&[place("a")], &[place("b")], &options).unwrap();
            of(&comparison.rows, Compare::JoulesPerImage).differs != Differs::No
        });
        (held, differ)
    });
    let count = |of: &dyn Fn(&Held) -> bool| runs.iter().filter(|it| of(it)).count();
    assert!(
        count(&|it| it.0[0]) < 15,
        "an interval that knows of no gain holds {}",
        count(&|it| it.0[0])
    );
    assert!(count(&|it| it.0[1]) >= 57, "{} of 60", count(&|it| it.0[1]));
    // Two boards that draw the same: taken for one they differ, taken for two they do not.
    assert!(count(&|it| it.1[0]) > 45, "{} of 60", count(&|it| it.1[0]));
    assert!(count(&|it| it.1[1]) <= 6, "{} of 60", count(&|it| it.1[1]));
}
