//! Two bundles held against each other.

mod synthetic;

use std::path::PathBuf;

use synthetic::{Scene, Tables};
use tempfile::TempDir;
use wattline_analysis::{
    AnalysisError, Compare, CompareOptions, CompareRow, Comparison, Differs, Options, SameBoard,
    SensorTolerances, compare,
};
use wattline_trace::{ClockKind, Outcome, Provenance};

/// A recording in which `big` draws `watts` on its rail.
fn tables(watts: f64, seed: u64) -> Tables {
    let mut scene = Scene::usual(8_800_000, seed);
    scene.jobs[0].watts[0].1 = watts;
    let mut tables = scene.tables();
    tables.manifest.board.unit = Some("one".into());
    tables
}

/// Bundles on disk, by side.
struct Sides {
    _home: TempDir,
    a: Vec<PathBuf>,
    b: Vec<PathBuf>,
}

impl Sides {
    fn write(a: &[Tables], b: &[Tables]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let write = |letter: char, all: &[Tables]| {
            let place = |(index, tables): (usize, &Tables)| {
                let directory = home.path().join(format!("{letter}{index}"));
                tables.write(&directory, Outcome::Completed);
                directory
            };
            all.iter().enumerate().map(place).collect::<Vec<_>>()
        };
        let (a, b) = (write('a', a), write('b', b));
        Sides { _home: home, a, b }
    }

    fn compared(&self, options: &CompareOptions) -> Comparison {
        compare(&self.a, &self.b, options).unwrap()
    }
}

fn compared(a: Tables, b: Tables) -> Comparison {
    Sides::write(&[a], &[b]).compared(&CompareOptions::default())
}

fn row<'a>(comparison: &'a Comparison, component: &str, quantity: Compare) -> &'a CompareRow {
    let mut rows = comparison.rows.iter();
    rows.find(|row| row.component == *component && row.quantity == quantity).unwrap()
}

fn width(row: &CompareRow) -> f64 {
    row.to_pct.unwrap() - row.from_pct.unwrap()
}

#[test]
fn what_differs_is_found_and_what_does_not_is_not() {
    let comparison = compared(tables(3.0, 1), tables(2.9, 2));
    let joules = row(&comparison, "big", Compare::JoulesPerImage);
    // 3.7 W with the memory's 0.7.
    let expected = 100.0 * (3.6 / 3.7 - 1.0);
    assert_eq!(joules.differs, Differs::Less);
    assert!((joules.difference_pct.unwrap() - expected).abs() < 0.2, "{joules:?}");
    assert!(joules.from_pct.unwrap() < expected && expected < joules.to_pct.unwrap(), "{joules:?}");
    assert!(
        joules.says.starts_with("B takes 2.") && joules.says.ends_with("%) less"),
        "{}",
        joules.says
    );
    let gpu = row(&comparison, "gpu", Compare::JoulesPerImage);
    assert_eq!(gpu.differs, Differs::No, "{gpu:?}");
    assert!(gpu.says.starts_with("no difference that the readings show"), "{}", gpu.says);
    for quantity in [Compare::ImagesPerS, Compare::DramBytesPerImage, Compare::OiEmpirical] {
        let same = row(&comparison, "big", quantity);
        assert_eq!(same.differs, Differs::No, "{same:?}");
        assert!(width(same) < 0.1, "{same:?}");
    }
    let table = comparison.table();
    assert!(table.contains("B takes 2.") && table.contains("B − A %"), "{table}");
    assert!(comparison.worse_by_more_than(0.01).is_empty());
}

#[test]
fn a_worse_one_is_worse_by_as_much() {
    let comparison = compared(tables(2.8, 1), tables(3.0, 2));
    let worse = comparison.worse_by_more_than(0.05);
    assert_eq!(worse.len(), 1, "{worse:?}");
    assert!(worse[0].contains("alexnet on big, J/image: B takes 5."), "{worse:?}");
    assert!(comparison.worse_by_more_than(0.06).is_empty());
}

/// The gain of one sensor is in both; of two boards each has its own.
#[test]
fn a_tolerance_cancels_on_one_board_and_not_on_two() {
    let sides = Sides::write(&[tables(3.0, 1)], &[tables(3.0, 2)]);
    let with = |same_board| {
        let tolerances = SensorTolerances { all: Some(0.02), rails: vec![] };
        let analysis = Options { tolerances, ..Options::default() };
        sides.compared(&CompareOptions { analysis, same_board, ..CompareOptions::default() })
    };
    let of = |comparison: &Comparison| width(row(comparison, "big", Compare::JoulesPerImage));
    let plain = of(&sides.compared(&CompareOptions::default()));
    assert!(of(&with(SameBoard::AsRecorded)) < 1.05 * plain);
    assert!(of(&with(SameBoard::Yes)) < 1.05 * plain);
    let two = of(&with(SameBoard::No));
    // Two rails, each read by a sensor of its own on either board.
    let shares = (3.0f64 / 3.7).hypot(0.7 / 3.7);
    let expected = 2.0 * 1.96 * 2.0 / 3f64.sqrt() * 2f64.sqrt() * shares;
    assert!((two / expected - 1.0).abs() < 0.05, "{two} {expected}");
    // Nobody knows of which board: it may be another.
    let mut unknown = [tables(3.0, 1), tables(3.0, 2)];
    unknown.iter_mut().for_each(|it| {
        it.manifest.board.unit = None;
        it.manifest.rails.iter_mut().for_each(|rail| rail.tolerance = Some(0.02));
    });
    let [a, b] = unknown;
    assert!((of(&compared(a, b)) / expected - 1.0).abs() < 0.05);
}

#[test]
fn sets_of_runs_know_how_runs_differ() {
    // Runs differ by up to 4 %, sets by nothing.
    let set = |seed: u64, watts: [f64; 4]| {
        (seed..).zip(watts).map(|(seed, watts)| tables(watts, seed)).collect::<Vec<_>>()
    };
    let (a, b) = (set(1, [3.0, 3.1, 2.95, 3.04]), set(10, [3.05, 2.97, 3.09, 3.02]));
    let sides = Sides::write(&a, &b);
    let of_sets = sides.compared(&CompareOptions::default());
    let joules = row(&of_sets, "big", Compare::JoulesPerImage);
    assert_eq!(
        (joules.differs, joules.runs_a, joules.images_a),
        (Differs::No, 4, 200),
        "{joules:?}"
    );
    assert!(width(joules) > 3.0, "{joules:?}");
    let single = Sides::write(&a[..1], &b[..1]).compared(&CompareOptions::default());
    assert_eq!(row(&single, "big", Compare::JoulesPerImage).differs, Differs::More);
    assert!(of_sets.table().contains("runs of A"), "{}", of_sets.table());
}

#[test]
fn what_one_side_lacks_is_named() {
    let mut scene = Scene::usual(8_800_000, 2);
    scene.jobs.truncate(1);
    let comparison = compared(tables(3.0, 1), scene.tables());
    assert_eq!(comparison.only_in_a, ["alexnet on gpu"]);
    assert!(comparison.only_in_b.is_empty());
    assert!(comparison.rows.iter().all(|row| row.component == *"big"));
    let worse = comparison.worse_by_more_than(1.0);
    assert_eq!(worse, ["alexnet on gpu is missing in B"]);
    // A number that is refused on one side is not known, and why is told.
    let mut b = tables(3.0, 2);
    b.power.retain(|row| row.rail != *"VDD_ARM");
    let comparison = compared(tables(3.0, 1), b);
    let joules = row(&comparison, "big", Compare::JoulesPerImage);
    assert_eq!((joules.differs, joules.b), (Differs::Unknown, None));
    assert_eq!(joules.says, "not known of B: see the notes");
    let notes = comparison.notes.join("\n");
    assert!(notes.contains("B: alexnet on big: rail VDD_ARM has no readings"), "{notes}");
    let worse = comparison.worse_by_more_than(1.0);
    assert!(worse[0].contains("J/image: not known of B"), "{worse:?}");
    let mut other = tables(3.0, 2);
    other.spans.iter_mut().for_each(|row| {
        if row.kind != wattline_trace::rows::SpanKind::Layer {
            row.name = "resnet50".into();
        }
    });
    let comparison = compared(tables(3.0, 1), other);
    assert!(comparison.rows.is_empty());
    assert_eq!(comparison.only_in_b, ["resnet50 on big", "resnet50 on gpu"]);
    assert!(comparison.table().contains("nothing is on both sides"), "{}", comparison.table());
}

#[test]
fn emulated_and_measured_are_not_comparable_and_conditions_are_told() {
    let mut real = tables(3.0, 2);
    real.manifest.board.emulated = false;
    real.manifest.clock.kind = ClockKind::Wall;
    real.manifest.components[0].executor = "another".into();
    real.manifest.rails[0].window_ns = 8_900_000;
    let comparison = compared(tables(3.0, 1), real);
    let table = comparison.table();
    assert!(table.starts_with("NOT COMPARABLE: A is emulated, B is of a real board"), "{table}");
    let conditions = comparison.conditions.join("\n");
    for told in [
        "clock: virtual in A, wall in B",
        "executor of big: test in A, another in B",
        "window of rail VDD_ARM: 8.8 ms in A, 8.9 ms in B",
    ] {
        assert!(conditions.contains(told), "{conditions}");
    }
    let joules = row(&comparison, "big", Compare::JoulesPerImage);
    assert_eq!(joules.provenance_a, Provenance::Emulated);
    assert!(comparison.worse_by_more_than(1.0)[0].contains("what a model makes"));
    let same = compared(tables(3.0, 1), tables(3.0, 2));
    assert!(same.conditions.is_empty() && same.incomparable.is_none(), "{:?}", same.conditions);
    assert!(same.table().contains("emulated numbers: a model's, and of no chip"));
}

#[test]
fn layers_are_compared_where_they_are_wanted() {
    let sides = Sides::write(&[tables(3.0, 1)], &[tables(2.7, 2)]);
    let options = CompareOptions { layers: true, ..CompareOptions::default() };
    let comparison = sides.compared(&options);
    let layer = comparison.rows.iter().find(|row| row.layer == "conv1" && row.component == *"big");
    let layer = layer.unwrap();
    assert_eq!(
        (layer.quantity, layer.differs),
        (Compare::JoulesPerImage, Differs::Less),
        "{layer:?}"
    );
    assert!((layer.difference_pct.unwrap() + 8.1).abs() < 0.5, "{layer:?}");
    assert!(sides.compared(&CompareOptions::default()).rows.iter().all(|row| row.layer.is_empty()));
    // Of layers nothing is held against B: there are too many of them.
    let back = Sides { a: sides.b.clone(), b: sides.a.clone(), ..sides }.compared(&options);
    assert!(back.worse_by_more_than(0.05).iter().all(|why| !why.contains("conv1")));
}

#[test]
fn files_and_errors() {
    let sides = Sides::write(&[tables(3.0, 1)], &[tables(2.9, 2)]);
    let comparison = sides.compared(&CompareOptions::default());
    let out = tempfile::tempdir().unwrap();
    comparison.write(out.path()).unwrap();
    let csv = std::fs::read_to_string(out.path().join("compare.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + comparison.rows.len());
    assert!(
        csv.starts_with("network,component,policy,layer,quantity,a,a_ci95,b,b_ci95,difference_pct")
    );
    assert!(csv.contains("alexnet,big,alone,,joules_per_image,"), "{csv}");
    let twice = compare(&sides.a, &sides.a, &CompareOptions::default());
    assert!(matches!(twice, Err(AnalysisError::NamedTwice { .. })));
    let tolerances = SensorTolerances { all: None, rails: vec![("VDD_X".into(), 0.01)] };
    let analysis = Options { tolerances, ..Options::default() };
    let unknown = CompareOptions { analysis, ..CompareOptions::default() };
    let error = compare(&sides.a, &sides.b, &unknown).unwrap_err().to_string();
    assert!(error.contains("VDD_X") && error.contains("VDD_ARM, VDD_G3D, VDD_MEM"), "{error}");
}
