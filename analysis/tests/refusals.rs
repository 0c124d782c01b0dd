//! Bad input: a reason, never a wrong number, never a panic.

mod synthetic;

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use synthetic::{MS, S, Scene, Tables, energy};
use wattline_analysis::{Analysis, AnalysisError, Options, Refusal, SummaryRow, Verdict, analyze};
use wattline_trace::rows::*;
use wattline_trace::{Outcome, Provenance};

fn tables() -> Tables {
    Scene::usual(35_200_000, 1).tables()
}

fn refused(row: &SummaryRow) -> String {
    let cells = [row.joules_per_image, row.joules_per_image_ci95, row.images_per_joule];
    assert_eq!(cells, [None; 3], "{}", row.note());
    row.note()
}

fn failure(tables: &Tables) -> String {
    tables.try_analysis().unwrap_err().to_string()
}

#[test]
fn a_rail_that_vanishes_in_mid_run() {
    let mut tables = tables();
    tables.power.retain(|row| row.rail != "VDD_MEM" || row.t_ns < 10 * S);
    let analysis = tables.analysis();
    energy(&analysis.summary[0]);
    let note = refused(&analysis.summary[1]);
    assert!(note.contains("rail VDD_MEM: readings stop 30"), "{note}");
    assert!(analysis.summary[1].images_per_s.is_some(), "speed needs no sensor");
}

#[test]
fn a_rail_that_appears_in_mid_run() {
    let mut tables = tables();
    tables.power.retain(|row| row.t_ns > 3 * S);
    let note = refused(&tables.analysis().summary[0]);
    assert!(note.contains("readings begin"), "{note}");
}

#[test]
fn a_rail_without_readings_or_not_recorded_at_all() {
    let mut tables = tables();
    tables.power.retain(|row| row.rail != "VDD_ARM");
    let note = refused(&tables.analysis().summary[0]);
    assert!(note.contains("rail VDD_ARM has no readings"), "{note}");
    tables.manifest.rails.retain(|rail| rail.name != "VDD_ARM");
    let note = refused(&tables.analysis().summary[0]);
    assert!(note.contains("rail VDD_ARM was not recorded"), "{note}");
    tables.manifest.components.clear();
    let note = refused(&tables.analysis().summary[0]);
    assert!(note.contains("names no rails for big"), "{note}");
}

#[test]
fn no_idle_time() {
    let mut tables = tables();
    let busy =
        |t: u64| (1_500 * MS..6_501 * MS).contains(&t) || (8_000 * MS..13_001 * MS).contains(&t);
    tables.power.retain(|row| busy(row.t_ns) || row.t_ns > 14_450 * MS);
    let row = &tables.analysis().summary[0];
    let note = refused(row);
    assert!(note.contains("begin") || note.contains("idle gaps"), "{note}");
}

#[test]
fn a_lost_stretch_within_a_run() {
    let mut small = tables();
    small.power.retain(|row| !(3_000 * MS..3_150 * MS).contains(&row.t_ns));
    let scene = Scene::usual(35_200_000, 1);
    let (joules, half_width) = energy(&small.analysis().summary[0]);
    let (_, before) = energy(&tables().analysis().summary[0]);
    assert!(half_width > before, "a hole widens the interval");
    assert!((joules - scene.true_joules_per_image(0)).abs() < half_width);
    let mut large = tables();
    large.power.retain(|row| !(3_000 * MS..3_800 * MS).contains(&row.t_ns));
    let note = refused(&large.analysis().summary[0]);
    assert!(note.contains("no reading for") && note.contains("on end"), "{note}");
    let mut scattered = tables();
    scattered.power.retain(|row| !(row.t_ns / (200 * MS)).is_multiple_of(2));
    let note = refused(&scattered.analysis().summary[0]);
    assert!(note.contains("covered by no reading"), "{note}");
}

#[test]
fn a_run_too_short_for_its_sensor() {
    let mut scene = Scene::usual(35_200_000, 1);
    scene.jobs[0].end = scene.jobs[0].start + 120 * MS;
    let note = refused(&scene.tables().analysis().summary[0]);
    assert!(note.contains("lasts 3.4 windows"), "{note}");
    scene.jobs[0].end = scene.jobs[0].start + 280 * MS;
    let note = refused(&scene.tables().analysis().summary[0]);
    assert!(note.contains("readings in the run, at least 10"), "{note}");
}

#[test]
fn a_run_that_draws_nothing() {
    let mut scene = Scene::usual(35_200_000, 1);
    scene.jobs[0].watts = vec![("VDD_ARM", 0.0001), ("VDD_MEM", 0.0)];
    let note = refused(&scene.tables().analysis().summary[0]);
    assert!(note.contains("not told apart from nothing"), "{note}");
}

#[test]
fn idle_power_that_is_not_idle() {
    // Far more in the gaps than during the first run: what is called idle is no idle.
    let mut tables = tables();
    for row in &mut tables.power {
        if row.rail == "VDD_ARM" && row.t_ns < 6_000 * MS && row.t_ns > 2_000 * MS {
            row.watts = -30.0;
        }
    }
    tables.manifest.components[0].rails = vec!["VDD_MEM".into()];
    tables.manifest.components[1].rails = vec!["VDD_ARM".into(), "VDD_MEM".into()];
    let analysis = tables.analysis();
    let balance = analysis.conservation.iter().find(|b| b.rail == "VDD_ARM").unwrap();
    assert_eq!(balance.verdict, Verdict::Overdrawn);
    assert!(refused(&analysis.summary[1]).contains("not conserved"));
    assert!(analysis.table().contains("BROKEN"), "{}", analysis.table());
}

#[test]
fn numbers_beyond_all_measure() {
    let mut tables = tables();
    tables.power.iter_mut().for_each(|row| row.watts = f64::MAX);
    let analysis = tables.analysis();
    assert!(refused(&analysis.summary[0]).contains("not conserved (broken)"));
    assert!(analysis.conservation.iter().all(|balance| balance.verdict == Verdict::Broken));
    let mut tables = self::tables();
    tables.spans.iter_mut().for_each(|row| row.flops = Some(u64::MAX));
    let row = &tables.analysis().summary[0];
    let flops = u64::MAX as f64 * row.images_per_s.unwrap() * 1e-9;
    assert!((row.gop_per_s.unwrap() / flops - 1.0).abs() < 1e-9, "sums do not wrap");
    let mut tables = self::tables();
    tables.shift(u64::MAX - 20 * S);
    energy(&tables.analysis().summary[0]);
}

#[test]
fn clocks_and_counters_that_go_backwards() {
    let mut backwards = tables();
    backwards.power.swap(100, 200);
    assert!(failure(&backwards).contains("must ascend"), "{}", failure(&backwards));
    let mut twice = tables();
    let row = twice.power[5].clone();
    twice.power.insert(6, row);
    let error = failure(&twice);
    assert!(error.contains("power.csv: data row 7: the time of rail"), "{error}");
    let mut counter = tables();
    counter.traffic[200].total_bytes = 3;
    let error = failure(&counter);
    assert!(
        error.contains("traffic.csv: data row 201: ppmu port dmc0 total_bytes goes from"),
        "{error}"
    );
    let mut agent = tables();
    agent.agent[1].ticks = 0;
    assert!(failure(&agent).contains("ticks"));
    let mut span = tables();
    span.spans[3].end_ns = span.spans[3].start_ns - 1;
    assert!(failure(&span).contains("before it starts"));
    let mut ids = tables();
    ids.spans[3].id = ids.spans[4].id;
    assert!(failure(&ids).contains("a second span has the id"));
    let mut window = tables();
    window.power[9].window_ns = 0;
    assert!(failure(&window).contains("window of 0 ns"));
    let mut rail = tables();
    rail.power[9].rail = "VDD_X".into();
    assert!(failure(&rail).contains("VDD_X is not in the manifest"));
}

#[test]
fn windows_longer_than_the_manifest_says() {
    let mut tables = tables();
    tables.manifest.rails[0].window_ns /= 2;
    let note = refused(&tables.analysis().summary[0]);
    assert!(note.contains("the manifest says 17.600 ms"), "{note}");
}

#[test]
fn runs_that_overlap() {
    let mut scene = Scene::usual(35_200_000, 1);
    scene.jobs[1].start = scene.jobs[0].end - 100 * MS;
    let analysis = scene.tables().analysis();
    let note = refused(&analysis.summary[0]);
    assert!(note.contains("alexnet on gpu overlaps"), "{note}");
    assert!(analysis.summary.iter().all(|row| row.dram_bytes_per_image.is_none()));
}

#[test]
fn an_image_outside_its_run() {
    let mut tables = tables();
    let place = tables.spans.iter().position(|s| s.kind == SpanKind::Image).unwrap();
    tables.spans[place].start_ns -= 10 * MS;
    let row = &tables.analysis().summary[0];
    assert!(refused(row).contains("image 0 lies outside its run"));
    assert_eq!((row.images_per_s, row.dram_bytes_per_image, row.gop_per_s), (None, None, None));
}

/// What a run says it is, its images say too: where they do not, nobody knows whose joules these are.
#[test]
fn a_run_whose_images_are_of_another_network_or_component() {
    for (name, component) in [("0.000001", "gpu"), ("alexnet", "big")] {
        let mut tables = tables();
        let of_gpu = |row: &&mut SpanRow| row.kind == SpanKind::Run && row.component == *"gpu";
        let run = tables.spans.iter_mut().find(of_gpu).unwrap();
        (run.name, run.component) = (name.into(), component.into());
        let warnings = tables.analysis().warnings.join("\n");
        assert!(warnings.contains("50 of the run's 50 images say"), "{warnings}");
        assert!(warnings.contains("spans.csv"), "{warnings}");
    }
}

#[test]
fn a_run_without_images_and_a_run_cut_off() {
    let mut empty = tables();
    empty.spans.retain(|s| s.kind == SpanKind::Run || s.component != *"gpu");
    assert!(refused(&empty.analysis().summary[1]).contains("no image spans"));
    let mut cut = tables();
    cut.spans.retain(|s| s.kind != SpanKind::Run || s.component != *"gpu");
    let directory = tempfile::tempdir().unwrap();
    cut.write(directory.path(), Outcome::Failed("the power went".into()));
    let bundles = [directory.path().to_owned()];
    let analysis = analyze(&bundles, &Options::default()).unwrap();
    let (joules, _) = energy(&analysis.summary[0]);
    let truth = Scene::usual(35_200_000, 1).true_joules_per_image(0);
    assert!((joules / truth - 1.0).abs() < 0.01, "the run before is still good");
    assert!(refused(&analysis.summary[1]).contains("incomplete"));
    assert!(analysis.table().contains("the recording is incomplete: the power went"));
}

#[test]
fn runs_without_a_gap_share_their_edge_at_a_price() {
    let mut scene = Scene::usual(35_200_000, 1);
    scene.jobs[1].start = scene.jobs[0].end;
    let analysis = scene.tables().analysis();
    for job in 0..2 {
        let (joules, half_width) = energy(&analysis.summary[job]);
        let error = joules - scene.true_joules_per_image(job);
        assert!(error.abs() < half_width, "{error} ± {half_width}");
    }
    let (_, flanked) = energy(&tables().analysis().summary[0]);
    assert!(energy(&analysis.summary[0]).1 > flanked);
}

#[test]
fn traffic_that_is_not_known() {
    let mut no_source = tables();
    no_source.manifest.dram_source = None;
    let row = &no_source.analysis().summary[0];
    assert!(
        row.dram_bytes_per_image.is_none() && row.note().contains("no counter that sees all DRAM"),
        "{}",
        row.note()
    );
    energy(row);
    let mut lost_port = tables();
    lost_port.traffic.retain(|row| row.port != "dmc1");
    assert!(lost_port.analysis().summary[0].note().contains("dmc1 is in the manifest"));
    let mut vanishes = tables();
    vanishes.traffic.retain(|row| row.t_ns < 10 * S);
    let analysis = vanishes.analysis();
    assert!(analysis.summary[0].dram_bytes_per_image.is_some());
    assert!(
        analysis.summary[1].note().contains("was not read near the end"),
        "{}",
        analysis.summary[1].note()
    );
    let mut edge = tables();
    edge.traffic.retain(|row| !(1_300 * MS..1_700 * MS).contains(&row.t_ns));
    assert!(edge.analysis().summary[0].note().contains("near the start"));
    let mut none = tables();
    none.traffic.clear();
    assert!(none.analysis().summary[0].oi_empirical.is_none());
}

#[test]
fn a_rail_inside_another_is_counted_once() {
    let mut tables = tables();
    let mem = tables.manifest.rails.iter_mut().find(|rail| rail.name == "VDD_MEM").unwrap();
    mem.inside = Some("VDD_ARM".into());
    let analysis = tables.analysis();
    let (joules, _) = energy(&analysis.summary[0]);
    assert!((joules * 50.0 / (3.0 * 5.000_775) - 1.0).abs() < 0.01, "{joules}");
    tables.manifest.rails[0].inside = Some("VDD_MEM".into());
    assert!(failure(&tables).contains("lies inside itself"));
}

#[test]
fn missing_files_are_named() {
    for (file, fatal) in [
        ("manifest.json", true),
        ("power.csv", true),
        ("spans.csv", true),
        ("traffic.csv", true),
        ("truth.csv", true),
        ("agent.csv", false),
        ("events.csv", false),
        ("counters.csv", false),
    ] {
        let directory = tempfile::tempdir().unwrap();
        tables().write(directory.path(), Outcome::Completed);
        fs::remove_file(directory.path().join(file)).unwrap();
        let bundles = [directory.path().to_owned()];
        let answer = analyze(&bundles, &Options { check_truth: true, ..Options::default() });
        assert_eq!(answer.is_err(), fatal, "{file}");
        if let Err(error) = answer {
            assert!(error.to_string().contains(file), "{error}");
        }
    }
    assert!(matches!(analyze(&[], &Options::default()), Err(AnalysisError::NoBundles)));
}

#[test]
fn a_torn_line_is_told() {
    let directory = tempfile::tempdir().unwrap();
    tables().write(directory.path(), Outcome::Completed);
    let path = directory.path().join("power.csv");
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend_from_slice(b"14999999,VDD");
    fs::write(&path, bytes).unwrap();
    let analysis = analyze(&[directory.path().to_owned()], &Options::default()).unwrap();
    energy(&analysis.summary[1]);
    assert!(analysis.table().contains("torn after 12 bytes"), "{}", analysis.table());
}

#[test]
fn several_bundles_at_once() {
    let mut directories: Vec<PathBuf> = Vec::new();
    let parent = tempfile::tempdir().unwrap();
    for (index, model) in ["Odroid XU3", "HiKey 970"].into_iter().enumerate() {
        let mut tables = tables();
        tables.manifest.board.model = model.into();
        tables.manifest.board.emulated = index == 0;
        tables.events.push(EventRow {
            t_ns: 5,
            kind: EventKind::Drop,
            source: "power".into(),
            detail: "queue full".into(),
            count: 3,
        });
        directories.push(parent.path().join(model));
        tables.write(&directories[index], Outcome::Completed);
    }
    let analysis = analyze(&directories, &Options::default()).unwrap();
    assert_eq!(analysis.summary.len(), 4);
    assert_eq!(analysis.summary[0].provenance, Provenance::Emulated);
    assert_eq!(analysis.summary[3].provenance, Provenance::Estimated);
    let table = analysis.table();
    assert!(table.starts_with("emulated Odroid XU3, HiKey 970: "), "{table}");
    assert!(table.contains("readings were lost because a queue was full (3 ×"), "{table}");
    let out = parent.path().join("out/deep");
    analysis.write(&out).unwrap();
    let summary = fs::read_to_string(out.join("summary.csv")).unwrap();
    assert!(summary.starts_with("network,component,images,images_per_s,joules_per_image,joules_per_image_ci95,images_per_joule,gop_per_s,oi_theoretical,oi_empirical,dram_bytes_per_image,provenance,policy,frames_pct,latency_p50_ms,latency_p99_ms,gain_pct,efficiency_solo,efficiency_oracle,images_per_joule_gain_pct,board,frequency_mhz,bundle,note\n"), "{summary}");
    assert_eq!(summary.lines().count(), 5);
    assert_eq!(fs::read_to_string(out.join("energy.csv")).unwrap().lines().count(), 13);
    assert_eq!(fs::read_to_string(out.join("conservation.csv")).unwrap().lines().count(), 7);
    assert_eq!(fs::read_to_string(out.join("images.csv")).unwrap().lines().count(), 201);
    // One layer in each image; its kind, which the manifest lacks, and what lies beside it.
    assert_eq!(fs::read_to_string(out.join("layers.csv")).unwrap().lines().count(), 5);
    let kinds = fs::read_to_string(out.join("layer_kinds.csv")).unwrap();
    assert_eq!(kinds.lines().count(), 9);
    assert_eq!(kinds.matches(",unknown,").count(), 4, "{kinds}");
    assert_eq!(fs::read_dir(&out).unwrap().count(), 8, "nothing half written is left");
    directories.push(directories[0].clone());
    let twice = analyze(&directories, &Options::default()).unwrap_err();
    assert!(matches!(twice, AnalysisError::NamedTwice { .. }));
}

#[test]
fn the_table_reads_well() {
    let table = tables().analysis().table();
    assert!(table.starts_with("emulated Odroid XU3: "), "{table}");
    let agent = table.lines().last().unwrap();
    assert!(agent.starts_with("agent: 2.0 % of one core (virtual clock: the emulated board's too) over 14.5 s, 8.0 MB resident"), "{agent}");
    assert!(!table.contains('\u{1b}'), "no colours");
    assert!(table.contains("error %"), "{table}");
}

#[test]
fn a_refusal_serialises() {
    fn serialises<T: serde::Serialize>(_: &T) {}
    serialises(&Refusal::CutOff);
    serialises(&Analysis::default());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Any bytes anywhere, any cut: an answer, and numbers only where they are finite.
    #[test]
    fn damage_never_panics(
        file in prop::sample::select(vec!["power.csv", "spans.csv", "traffic.csv", "agent.csv", "events.csv", "truth.csv", "frames.csv", "manifest.json"]),
        damage in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![any::<u8>(), b'0'..=b'9']), 0..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
        check_truth: bool,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let mut scene = Scene::together(140_000_000, 7);
        scene.jobs.iter_mut().for_each(|job| job.images = 5);
        scene.tables_together().write(directory.path(), Outcome::Completed);
        let path = directory.path().join(file);
        let mut bytes = fs::read(&path).unwrap();
        for (index, byte) in damage {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        fs::write(&path, bytes).unwrap();
        if let Ok(analysis) = analyze(&[directory.path().to_owned()], &Options { check_truth, ..Options::default() }) {
            for row in &analysis.summary {
                let cells = [row.images_per_s, row.joules_per_image, row.joules_per_image_ci95, row.images_per_joule, row.gop_per_s, row.oi_empirical, row.oi_theoretical, row.dram_bytes_per_image, row.frames_pct, row.latency_p50_ms, row.gain_pct, row.efficiency_solo, row.efficiency_oracle, row.images_per_joule_gain_pct];
                prop_assert!(cells.iter().flatten().all(|value| value.is_finite()), "{row:?}");
            }
            prop_assert!(!analysis.table().is_empty());
            analysis.write(&directory.path().join("out")).unwrap();
        }
    }
}

/// A program that was only watched says when its images ran, and not what they computed.
#[test]
fn work_that_nobody_knows_has_no_intensity() {
    let mut tables = tables();
    let before = tables.analysis();
    let image = tables.spans.iter_mut().find(|row| row.kind == SpanKind::Image).unwrap();
    (image.flops, image.bytes_theoretical) = (None, None);
    let (component, analysis) = (image.component.clone(), tables.analysis());
    let row = |analysis: &wattline_analysis::Analysis| {
        analysis.summary.iter().find(|row| row.component == component).unwrap().clone()
    };
    let (row, before) = (row(&analysis), row(&before));
    assert_eq!((row.gop_per_s, row.oi_theoretical, row.oi_empirical), (None, None, None));
    assert!(row.note().contains("no floating-point operations are known"), "{}", row.note());
    assert_eq!(row.joules_per_image, before.joules_per_image);
    assert!(row.joules_per_image.is_some());
    assert!(analysis.images.rows().any(|image| image.flops.is_none()));
}
