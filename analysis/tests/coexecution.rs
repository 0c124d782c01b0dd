//! Several components at once: whose joules are whose.

mod synthetic;

use proptest::prelude::*;
use synthetic::{MS, S, Scene, Tables, energy};
use wattline_analysis::{Analysis, RailRole, Split, SummaryRow};
use wattline_trace::rows::*;
use wattline_trace::{FaultRecord, ProfileRecord, Provenance};

const PARTS: [&str; 3] = ["big", "little", "gpu"];

fn scene(seed: u64) -> Scene {
    Scene::together(8_800_000, seed)
}

fn tables() -> Tables {
    scene(1).tables_together()
}

/// The row of a component in the co-execution, or of `all`.
fn part<'a>(analysis: &'a Analysis, component: &str) -> &'a SummaryRow {
    let mut rows = analysis.summary.iter();
    rows.find(|row| row.policy.is_some() && row.component == *component).unwrap()
}

/// Joules of a row, by what tables show.
fn joules(row: &SummaryRow, seconds: f64) -> f64 {
    energy(row).0 * row.images_per_s.unwrap() * seconds
}

fn assert_conserved(analysis: &Analysis) {
    for balance in &analysis.conservation {
        assert_eq!(balance.verdict.as_str(), "closed", "{balance:?}");
    }
    for rail in ["VDD_ARM", "VDD_KFC", "VDD_G3D", "VDD_MEM"] {
        let lane = |component: &str| {
            let mut rows = analysis.energy.iter().filter(|row| row.rail == *rail);
            // Runs alone stand first.
            rows.rfind(|row| row.component == *component).unwrap().active_joules
        };
        let parts: f64 = PARTS.iter().filter_map(|component| lane(component)).sum();
        let all = lane("all").unwrap();
        assert!((parts - all).abs() <= 1e-12 * all.abs().max(1.0), "{rail}: {parts} of {all}");
    }
}

#[test]
fn parts_add_up_and_are_those_of_the_truth() {
    for seed in 0..5 {
        let analysis = scene(seed).tables_together().analysis();
        assert_eq!(analysis.summary.len(), 7);
        assert_conserved(&analysis);
        let all = part(&analysis, "all");
        assert_eq!(all.images, 142);
        let told = all.truth.unwrap();
        assert!(told.energy_error_pct.unwrap().abs() < 0.5, "{told:?}");
        assert!(told.traffic_error_pct.unwrap().abs() < 0.01, "{told:?}");
        let sum: f64 = PARTS.iter().map(|part_| joules(part(&analysis, part_), 6.0)).sum();
        assert!((sum / joules(all, 6.0) - 1.0).abs() < 1e-12);
        for component in PARTS {
            let row = part(&analysis, component);
            let truth = row.truth.unwrap();
            let (found, half_width) = energy(row);
            let off = (found - truth.joules_per_image.unwrap()).abs();
            assert!(truth.energy_error_pct.unwrap().abs() < 2.0, "{component}: {truth:?}");
            assert!(off < half_width, "{component}: {off} ± {half_width}");
            assert!(half_width < 0.2 * found, "{component}: ± {half_width} of {found}");
            assert!(truth.traffic_error_pct.unwrap().abs() < 0.01, "{component}: {truth:?}");
            assert!(row.note().contains("estimated from runs alone"), "{}", row.note());
        }
    }
}

#[test]
fn rails_of_one_component_are_wholly_its_own() {
    let analysis = tables().analysis();
    let of = |component: &str, rail: &str| {
        let mut rows = analysis.energy.iter().filter(|row| row.rail == *rail);
        rows.rfind(|row| row.component == *component).unwrap()
    };
    let arm = of("big", "VDD_ARM");
    assert_eq!((arm.share, arm.split), (Some(1.0), Some(Split::Whole)));
    assert_eq!(arm.active_joules, of("all", "VDD_ARM").active_joules);
    assert_eq!(of("gpu", "VDD_MEM").split, Some(Split::SoloRuns));
    assert_eq!(of("big", "VDD_KFC").active_joules, None, "it does not list the rail");
    // The cluster computes itself: what driving cost alone is not in the measured joules.
    assert!(of("gpu", "VDD_KFC").share.unwrap() < 0.03, "{:?}", of("gpu", "VDD_KFC"));
}

#[test]
fn gain_and_efficiency_are_those_of_the_runs_alone() {
    let analysis = tables().analysis();
    let all = part(&analysis, "all");
    let close = |found: Option<f64>, expected: f64| {
        assert!((found.unwrap() / expected - 1.0).abs() < 1e-3, "{found:?} {expected}");
    };
    // 142 images in 6 s; alone 10, 4 and 12 a second.
    close(all.images_per_s, 142.0 / 6.0);
    close(all.gain_pct, 100.0 * (142.0 / 6.0 / 12.0 - 1.0));
    close(all.efficiency_solo, 142.0 / 6.0 / 26.0);
    // The 142nd of the instants at which images would be done: 65 + 22 + ... by 5.5 s.
    close(all.efficiency_oracle, 5.5 / 6.0);
    assert_eq!(all.frames_pct, Some(100.0));
    close(part(&analysis, "gpu").frames_pct, 100.0 * 70.0 / 142.0);
    assert!(all.latency_p50_ms.unwrap() < all.latency_p99_ms.unwrap());
    let alone = analysis.summary.iter().find(|row| row.component == "gpu").unwrap();
    let gain = all.images_per_joule.unwrap() / alone.images_per_joule.unwrap();
    close(all.images_per_joule_gain_pct, 100.0 * (gain - 1.0));
    let table = analysis.table();
    assert!(table.contains("Co-execution of one stream"), "{table}");
}

#[test]
fn what_is_split_is_estimated() {
    let mut tables = tables();
    tables.manifest.board.emulated = false;
    tables.manifest.counters[0].provenance = Provenance::Measured;
    let analysis = tables.analysis();
    assert_eq!(part(&analysis, "all").provenance, Provenance::Measured);
    assert!(PARTS.iter().all(|it| part(&analysis, it).provenance == Provenance::Estimated));
}

/// Without the gpu's run alone, and all of them always busy.
#[test]
fn without_a_run_alone_the_interval_says_how_little_is_known() {
    let mut scene = scene(1);
    scene.jobs.remove(2);
    let analysis = scene.tables_together().analysis();
    assert_conserved(&analysis);
    let gpu = part(&analysis, "gpu");
    assert!(gpu.note().contains("by busy time"), "{}", gpu.note());
    assert_eq!((gpu.dram_bytes_per_image, part(&analysis, "all").gain_pct), (None, None));
    assert!(gpu.note().contains("gpu has no run of its own"), "{}", gpu.note());
    for component in PARTS {
        let row = part(&analysis, component);
        let (found, half_width) = energy(row);
        let off = (found - row.truth.unwrap().joules_per_image.unwrap()).abs();
        assert!(off < half_width, "{component}: {off} ± {half_width}");
    }
    // A profile tells of rates, and not of rails.
    let mut tables = scene.tables_together();
    tables.manifest.coexecution.as_mut().unwrap().profiles = vec![ProfileRecord {
        component: "gpu".into(),
        seconds_per_image: 1.0 / 12.0,
        joules_per_image: Some(0.2),
        from: "a file".into(),
    }];
    let gain = part(&tables.analysis(), "all").gain_pct.unwrap();
    assert!((gain - 100.0 * (142.0 / 72.0 - 1.0)).abs() < 0.1, "{gain}");
}

/// Components that take turns are told apart by the readings alone.
#[test]
fn turns_are_told_apart_by_regression() {
    let mut scene = scene(2);
    scene.jobs.drain(..3);
    for (place, job) in scene.jobs.iter_mut().enumerate() {
        // Two seconds each, and half a second together with the next.
        job.start += place as u64 * 1_500 * MS;
        job.end = job.start + 2 * S;
    }
    scene.jobs[2].watts.retain(|(rail, _)| *rail != "VDD_KFC");
    scene.jobs[2].watts.push(("VDD_KFC", 0.075));
    let analysis = scene.tables_together().analysis();
    assert_conserved(&analysis);
    let row = analysis.energy.iter().rfind(|row| row.component == *"gpu" && row.rail == *"VDD_MEM");
    assert_eq!(row.unwrap().split, Some(Split::Regression));
    for component in PARTS {
        let row = part(&analysis, component);
        let (found, half_width) = energy(row);
        let truth = row.truth.unwrap();
        let off = (found - truth.joules_per_image.unwrap()).abs();
        assert!(truth.energy_error_pct.unwrap().abs() < 2.0, "{component}: {truth:?}");
        assert!(off < half_width, "{component}: {off} ± {half_width}");
    }
}

/// Two components each run a part of every frame.
#[test]
fn a_pipeline_shares_frames_by_their_work() {
    let mut tables = tables();
    tables.spans.retain(|row| row.start_ns < 20 * S || row.component != *"little");
    tables.frames.retain(|row| row.component == *"big");
    for row in tables.spans.iter_mut().filter(|it| it.start_ns > 20 * S) {
        let Some(number) = row.image else { continue };
        row.image = Some(number / 100);
        row.flops = if row.component == *"big" { Some(750_000_000) } else { Some(250_000_000) };
    }
    tables.frames.iter_mut().for_each(|row| row.image /= 100);
    let keep = |row: &SpanRow| row.start_ns < 20 * S || row.image.is_none_or(|it| it < 54);
    let ids: Vec<u64> = tables.spans.iter().filter(|it| !keep(it)).map(|it| it.id).collect();
    tables
        .spans
        .retain(|row| !ids.contains(&row.id) && row.parent.is_none_or(|it| !ids.contains(&it)));
    let analysis = tables.analysis();
    assert_eq!(part(&analysis, "all").images, 54);
    let [big, gpu] = ["big", "gpu"].map(|it| part(&analysis, it));
    assert_eq!((big.images, gpu.images), (54, 54));
    assert!((big.frames_pct.unwrap() - 75.0).abs() < 1e-9);
    assert!((gpu.images_per_s.unwrap() - 54.0 / 4.0 / 6.0).abs() < 1e-9);
    let sum = joules(big, 6.0) + joules(gpu, 6.0);
    assert!((sum / joules(part(&analysis, "all"), 6.0) - 1.0).abs() < 1e-12);
}

fn all_refused(tables: &Tables, why: &str) {
    let analysis = tables.analysis();
    for row in analysis.summary.iter().filter(|row| row.policy.is_some()) {
        assert_eq!((row.joules_per_image, row.dram_bytes_per_image), (None, None), "{row:?}");
        assert!(row.note().contains(why), "{}", row.note());
    }
    for row in analysis.summary.iter().filter(|row| row.policy.is_none()).take(3) {
        energy(row);
    }
    assert!(!analysis.table().is_empty());
}

#[test]
fn spans_that_contradict_each_other_are_refused() {
    let change = |change: fn(&mut SpanRow)| {
        let mut tables = tables();
        let lane = |row: &&mut SpanRow| {
            row.kind == SpanKind::Run && row.parent.is_some() && row.component == *"gpu"
        };
        change(tables.spans.iter_mut().find(lane).unwrap());
        tables
    };
    all_refused(&change(|row| row.component = "big".into()), "big runs in it twice");
    all_refused(&change(|row| row.end_ns += MS), "gpu runs outside of it");
    all_refused(&change(|row| row.name = "resnet50".into()), "gpu runs resnet50, not alexnet");
    let mut image = tables();
    image.spans.push(SpanRow {
        id: 77,
        parent: Some(900_000_000),
        kind: SpanKind::Image,
        image: Some(7_777),
        ..image.spans.last().unwrap().clone()
    });
    all_refused(&image, "images that belong to no component");
    let mut empty = tables();
    empty.spans.retain(|row| row.start_ns < 20 * S || row.component == *"all");
    all_refused(&empty, "no component has a run in it");
    // Overlap with work that is no part of it.
    let mut overlap = tables();
    overlap.spans.push(SpanRow {
        id: 78,
        parent: None,
        component: "npu".into(),
        ..overlap.spans.last().unwrap().clone()
    });
    all_refused(&overlap, "alexnet on npu overlaps");
    let mut twice = tables();
    twice.spans.push(twice.spans.last().unwrap().clone());
    let error = twice.try_analysis().unwrap_err().to_string();
    assert!(error.contains("a second span has the id"), "{error}");
}

#[test]
fn a_coexecution_that_was_cut_off() {
    let mut tables = tables();
    tables.spans.retain(|row| row.component != *"all");
    let analysis = tables.analysis();
    let notes: Vec<String> = analysis.summary[3..].iter().map(SummaryRow::note).collect();
    assert_eq!(notes.len(), 3);
    assert!(
        notes.iter().all(|note| note.contains("span of the co-execution is missing")),
        "{notes:?}"
    );
    assert!(analysis.summary[3..].iter().all(|row| row.joules_per_image.is_none()));
    energy(&analysis.summary[0]);
}

#[test]
fn frames_that_are_missing_or_wrong() {
    let mut missing = tables();
    missing.frames.clear();
    let analysis = missing.analysis();
    let all = part(&analysis, "all");
    assert_eq!((all.images, all.latency_p50_ms), (142, None));
    assert!(analysis.table().contains("frames.csv is missing"), "{}", analysis.table());

    let mut fewer = tables();
    fewer.frames.truncate(100);
    let analysis = fewer.analysis();
    assert_eq!(part(&analysis, "all").images, 100);
    let note = part(&analysis, "all").note();
    assert!(note.contains("42 images ran and were not delivered"), "{note}");

    let mut unknown = tables();
    unknown.frames[3].image = 99_999;
    unknown.frames[3].component = "tpu".into();
    let note = part(&unknown.analysis(), "all").note();
    assert!(note.contains("1 of 142 delivered images have no span"), "{note}");
    assert!(note.contains("tpu delivered images and has no run"), "{note}");

    let mut twice = tables();
    twice.frames.push(twice.frames[0].clone());
    let error = twice.try_analysis().unwrap_err().to_string();
    assert!(error.contains("frames.csv: data row 143: image 3 was delivered a second"), "{error}");
    let mut backwards = tables();
    backwards.frames[0].delivered_ns = 5;
    let error = backwards.try_analysis().unwrap_err().to_string();
    assert!(error.contains("was not first received"), "{error}");
    let mut outside = tables();
    outside.frames[0].start_ns = outside.frames[0].arrival_ns;
    outside.frames[0].arrival_ns = 5;
    outside.frames[0].start_ns = 6;
    let table = outside.analysis().table();
    assert!(table.contains("1 rows of frames.csv belong to no co-execution"), "{table}");
}

#[test]
fn a_component_without_images_and_faults() {
    let mut tables = tables();
    let gpu: Vec<u64> = tables
        .spans
        .iter()
        .filter(|row| row.start_ns > 20 * S && row.component == *"gpu" && row.image.is_some())
        .map(|row| row.id)
        .collect();
    tables
        .spans
        .retain(|row| !gpu.contains(&row.id) && row.parent.is_none_or(|it| !gpu.contains(&it)));
    tables.frames.retain(|row| row.component != *"gpu");
    tables.manifest.coexecution.as_mut().unwrap().faults = vec![FaultRecord {
        t_ns: 22 * S,
        component: "gpu".into(),
        image: 5,
        what: "stalled for 1.000 s".into(),
    }];
    let analysis = tables.analysis();
    let row = part(&analysis, "gpu");
    assert_eq!((row.images, row.joules_per_image), (0, None));
    assert!(row.note().contains("no image spans"), "{}", row.note());
    assert_eq!(part(&analysis, "all").images, 72);
    assert!(analysis.table().contains("gpu at image 5: stalled for 1.000 s"));
    assert_conserved(&analysis);
}

/// One component lists a rail inside another's: both are on the outer one, which counts once.
#[test]
fn a_rail_inside_another_components_is_counted_once() {
    let mut tables = tables();
    for component in &mut tables.manifest.components {
        component.rails = vec!["VDD_MEM".into()];
    }
    for rail in &mut tables.manifest.rails {
        rail.inside = (rail.name != "VDD_MEM").then(|| "VDD_MEM".into());
    }
    tables.manifest.components[0].rails = vec!["VDD_ARM".into()];
    let analysis = tables.analysis();
    let sum: f64 = PARTS.iter().map(|it| joules(part(&analysis, it), 6.0)).sum();
    assert!((sum / joules(part(&analysis, "all"), 6.0) - 1.0).abs() < 1e-12);
    let counted = |component: &str| {
        let mut rows = analysis.energy.iter().filter(|row| row.component == *component);
        rows.rfind(|row| row.role == RailRole::Counted).unwrap().rail.clone()
    };
    assert_eq!(counted("big"), "VDD_MEM", "the outermost rail is counted, once");
}

/// A board with one sensor on its supply, where driving and contention cannot be seen apart.
#[test]
fn on_a_single_rail_the_interval_holds_the_truth() {
    for seed in 0..5 {
        let mut scene = scene(seed);
        scene.sensors.retain(|(rail, _)| *rail == "VDD_MEM");
        for job in &mut scene.jobs {
            let watts = job.watts.iter().map(|(_, watts)| watts).sum();
            job.watts = vec![("VDD_MEM", watts)];
        }
        let mut tables = scene.tables_together();
        tables.manifest.components.iter_mut().for_each(|it| it.rails = vec!["VDD_MEM".into()]);
        let analysis = tables.analysis();
        for component in PARTS {
            let row = part(&analysis, component);
            let (found, half_width) = energy(row);
            let off = (found - row.truth.unwrap().joules_per_image.unwrap()).abs();
            assert!(off < half_width, "{component}: {off} ± {half_width} of {found}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever each component really drew, no joule is lost or made.
    #[test]
    fn joules_are_conserved_over_any_split(
        watts in prop::collection::vec(0.0..5.0f64, 12),
        seed in 0..1000u64,
        without in prop::option::of(0..3usize),
        ends in prop::collection::vec(2_000..6_000u64, 3),
    ) {
        let mut scene = scene(seed);
        for (job, watts) in scene.jobs[3..].iter_mut().zip(watts.chunks(4)) {
            let rails = ["VDD_ARM", "VDD_KFC", "VDD_G3D", "VDD_MEM"];
            job.watts = rails.into_iter().zip(watts.iter().copied()).collect();
        }
        for (job, end) in scene.jobs[3..].iter_mut().zip(&ends) {
            job.end = job.start + end * MS;
        }
        if let Some(without) = without {
            scene.jobs.remove(without);
        }
        assert_conserved(&scene.tables_together().analysis());
    }
}
