//! Runs: what the board knows of them adds up, on either clock.

use std::sync::Arc;

use wattline_board::clock::{Clock, WallClock, attend};
use wattline_board::emulated::EmulatedBoard;
use wattline_board::emulated::fluid::Spent;
use wattline_board::emulated::work::Work;
use wattline_trace::rows::{SpanKind, TruthQuantity, TruthRow};
use wattline_trace::{
    BoardRecord, BundleReader, BundleWriter, ClockKind, ClockRecord, Manifest, Outcome,
    SCHEMA_VERSION,
};

use crate::{pass, quiet, start, work};

fn manifest() -> Manifest {
    Manifest {
        schema: SCHEMA_VERSION,
        wattline: "0".into(),
        board: BoardRecord {
            name: "test".into(),
            model: "test".into(),
            emulated: true,
            unit: None,
        },
        kernel: "test".into(),
        command: vec![],
        clock: ClockRecord { kind: ClockKind::Virtual, utc_offset_ns: 0 },
        seed: 1,
        rails: vec![],
        counters: vec![],
        hardware_counters: Vec::new(),
        dram_source: None,
        components: vec![],
        models: vec![],
        coexecution: None,
        dither: None,
        inputs: None,
        complete: false,
        interrupted: false,
        failure: None,
    }
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1e-6)
}

/// A network of layers bound by computing, by memory, and by neither for long.
fn network() -> Arc<Work> {
    work(&[(4.0, 1e6, 2e6), (0.1, 9e6, 1e6), (2.0, 0.0, 0.0), (0.0, 5e5, 5e5)])
}

#[test]
fn a_run_is_the_sum_of_its_images_and_an_image_of_its_layers() {
    let directory = tempfile::tempdir().unwrap();
    let bundle = BundleWriter::create(directory.path(), &manifest(), false).unwrap();
    let board = start(quiet("exynos5422"));
    let _here = attend(board.clock());
    board.write_truth_to(bundle.table::<TruthRow>().unwrap());
    board.begin_run("gpu", "network");
    let flights: Vec<_> = (0..5).map(|image| board.submit("gpu", image, &network())).collect();
    for flight in flights {
        board.wait(flight).unwrap();
    }
    board.end_run("gpu").unwrap();
    bundle.finish(manifest(), Outcome::Completed).unwrap();

    let reader = BundleReader::open(directory.path()).unwrap();
    let rows: Vec<TruthRow> = reader.table().unwrap().map(Result::unwrap).collect();
    let sum = |scope, quantity, subject: &str| -> f64 {
        let of = |row: &&TruthRow| {
            row.scope == scope && row.quantity == quantity && row.subject == *subject
        };
        rows.iter().filter(of).map(|row| row.value).sum()
    };
    let bytes = TruthQuantity::DramBytes;
    let active = TruthQuantity::ActiveJoules;
    for (quantity, subject) in
        [(active, "VDD_G3D"), (active, "VDD_KFC"), (active, "VDD_MEM"), (bytes, "gpu")]
    {
        let [run, images, layers] = [SpanKind::Run, SpanKind::Image, SpanKind::Layer]
            .map(|scope| sum(scope, quantity, subject));
        assert!(run > 0.0, "{subject}");
        assert!(close(run, images) && close(images, layers), "{subject}: {run} {images} {layers}");
    }
    assert!(close(sum(SpanKind::Run, bytes, "gpu"), 5.0 * network().dram_bytes()));
    assert_eq!(sum(SpanKind::Run, active, "VDD_ARM"), 0.0, "the A15 took no part");
    let total = TruthQuantity::TotalJoules;
    let [run, images] = [SpanKind::Run, SpanKind::Image].map(|scope| sum(scope, total, "VDD_ARM"));
    assert!(run > 0.0 && close(run, images), "its rail drew what it draws when idle");
    let images = |row: &&TruthRow| row.scope == SpanKind::Image && row.quantity == bytes;
    assert!(rows.iter().filter(images).map(|row| row.image).eq((0..5).map(Some)));
}

/// Components that run at once each have a run of their own in the truth.
#[test]
fn runs_at_once_are_summed_apart() {
    let directory = tempfile::tempdir().unwrap();
    let bundle = BundleWriter::create(directory.path(), &manifest(), false).unwrap();
    let board = start(quiet("exynos5422"));
    let _here = attend(board.clock());
    board.write_truth_to(bundle.table::<TruthRow>().unwrap());
    for component in ["gpu", "a15", "a7"] {
        board.begin_run(component, "network");
    }
    let flights = [("gpu", 0), ("a15", 1), ("gpu", 2), ("gpu", 3), ("a15", 4)]
        .map(|(component, image)| board.submit(component, image, &network()));
    for flight in flights {
        board.wait(flight).unwrap();
    }
    for component in ["a15", "a7", "gpu"] {
        board.end_run(component).unwrap();
    }
    bundle.finish(manifest(), Outcome::Completed).unwrap();

    let reader = BundleReader::open(directory.path()).unwrap();
    let rows: Vec<TruthRow> = reader.table().unwrap().map(Result::unwrap).collect();
    let runs = |row: &&TruthRow| row.scope == SpanKind::Run && row.subject == row.component;
    let runs: Vec<_> = rows.iter().filter(runs).collect();
    let bytes = network().dram_bytes();
    let [a15, gpu] = runs[..] else { panic!("the a7 ran nothing: {runs:?}") };
    assert_eq!((a15.component.as_str(), gpu.component.as_str()), ("a15", "gpu"));
    assert!(close(a15.value, 2.0 * bytes) && close(gpu.value, 3.0 * bytes), "{runs:?}");
    assert!(a15.start_ns < gpu.end_ns && gpu.start_ns < a15.end_ns, "they ran at once");
    let active = |scope, component: &str, rail: &str| -> f64 {
        let of = |row: &&TruthRow| {
            (row.scope, row.quantity) == (scope, TruthQuantity::ActiveJoules)
                && row.component == *component
                && row.subject == *rail
        };
        rows.iter().filter(of).map(|row| row.value).sum()
    };
    for (component, rail) in [("a15", "VDD_ARM"), ("a15", "VDD_MEM"), ("gpu", "VDD_G3D")] {
        let [run, images] =
            [SpanKind::Run, SpanKind::Image].map(|scope| active(scope, component, rail));
        assert!(run > 0.0 && close(run, images), "{component} on {rail}: {run} {images}");
    }
}

/// Joules above idle of everything that ran, by rail.
fn active(spent: &[Spent], rail: usize) -> f64 {
    spent.iter().map(|spent| spent.active_joules[rail]).sum()
}

#[test]
fn a_rail_spends_its_idle_power_and_what_the_work_causes() {
    let board = start(quiet("exynos5422"));
    let _here = attend(board.clock());
    pass(&board, 3.0);
    // Alone: over its own interval a rail's total is idle and active.
    let alone = board.wait(board.submit("gpu", 0, &network())).unwrap();
    for spent in alone.layers.iter().chain([&alone.image]) {
        let seconds = (spent.end_ns - spent.start_ns) as f64 * 1e-9;
        for (rail, description) in board.description().rails.iter().enumerate() {
            let expected = description.idle_power.watts() * seconds + spent.active_joules[rail];
            assert!(close(spent.total_joules[rail], expected), "{}", description.name());
        }
    }
    // Together: over an interval that one image spans, so do idle and the work of both.
    let long = board.submit("a15", 0, &work(&[(50.0, 20e6, 10e6)]));
    let short = board.submit("gpu", 1, &network());
    let short = board.wait(short).unwrap().image;
    let long = board.wait(long).unwrap().image;
    assert!(long.start_ns <= short.start_ns && short.end_ns <= long.end_ns);
    let seconds = (long.end_ns - long.start_ns) as f64 * 1e-9;
    let both = [long, short];
    for (rail, description) in board.description().rails.iter().enumerate() {
        let expected = description.idle_power.watts() * seconds + active(&both, rail);
        assert!(close(both[0].total_joules[rail], expected), "{}", description.name());
    }
}

/// On the wall clock images end when planned and follow each other without a gap; nobody is told
/// before it is so.
#[test]
fn the_wall_clock_keeps_to_the_plan() {
    let board = EmulatedBoard::start(quiet("exynos5422"), ClockKind::Wall, 1).unwrap();
    let image = work(&[(100.0, 10e6, 10e6), (1.0, 200e6, 0.0)]);
    let planned_s = image.solo_seconds(board.description().component("a15").unwrap());
    let began_ns = WallClock.now_ns();
    let flights = [0, 1].map(|number| board.submit("a15", number, &image));
    let submitted_ns = WallClock.now_ns();
    let done = flights.map(|flight| {
        let done = board.wait(flight).unwrap().image;
        assert!(done.end_ns <= WallClock.now_ns(), "told too early");
        done
    });
    assert!((began_ns..=submitted_ns).contains(&done[0].start_ns));
    assert_eq!(done[0].end_ns, done[1].start_ns, "no gap");
    for done in &done {
        let seconds = (done.end_ns - done.start_ns) as f64 * 1e-9;
        assert!((seconds / planned_s - 1.0).abs() < 0.01, "{seconds} s, planned {planned_s} s");
    }
}

#[test]
fn boards_do_not_clash_and_leave_nothing_behind() {
    let boards = [ClockKind::Wall, ClockKind::Virtual, ClockKind::Wall]
        .map(|clock| EmulatedBoard::start(quiet("kirin970"), clock, 1).unwrap());
    let homes = boards.each_ref().map(|board| board.roots().sysfs.parent().unwrap().to_owned());
    assert!(homes[0] != homes[1] && homes[1] != homes[2] && homes[0] != homes[2]);
    let bytes = std::thread::scope(|scope| {
        let runs = boards.each_ref().map(|board| {
            scope.spawn(|| {
                let _here = attend(board.clock());
                let flights = [0, 1].map(|image| board.submit("npu", image, &network()));
                flights.map(|flight| board.wait(flight).unwrap().image.dram_bytes)
            })
        });
        runs.map(|run| run.join().unwrap())
    });
    assert_eq!(bytes, [[network().dram_bytes(); 2]; 3]);
    assert!(homes.iter().all(|home| home.is_dir()));
    drop(boards);
    assert!(!homes.iter().any(|home| home.exists()), "{homes:?}");
}
