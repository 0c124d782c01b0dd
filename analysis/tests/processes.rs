//! Other processes on the CPUs of a run: whose joules are whose.

mod synthetic;

use proptest::prelude::*;
use synthetic::accounts::{Load, accounts};
use synthetic::{MS, Scene, Tables, energy};
use wattline_analysis::{Analysis, CheckOutcome, EnergyRow, Split};
use wattline_trace::Provenance;
use wattline_trace::rows::*;

/// `big` from 1.5 s to 6.5 s: the target is busy on it all the time, others for `others` of it; and for
/// `always` of all time, gaps too. On `VDD_ARM` are 3 W above idle, whoever draws them.
fn tables(others: f64, always: f64, khz: Option<u32>) -> Tables {
    let scene = Scene::usual(8_800_000, 1);
    let mut tables = scene.tables();
    tables.manifest.board.emulated = false;
    tables.manifest.components[0].cpus = vec![0, 1];
    tables.manifest.counters[0].provenance = Provenance::Measured;
    let (start, end) = (scene.jobs[0].start, scene.jobs[0].end);
    let busy = 1.0 - always - others;
    tables.cpu = accounts(
        &[
            Load { from: 0, target: 0.0, others: always, khz },
            Load { from: start, target: busy, others: others + always, khz },
            Load { from: end, target: 0.0, others: always, khz },
        ],
        scene.end,
    );
    tables
}

fn on_rail<'a>(analysis: &'a Analysis, component: &str, rail: &str) -> &'a EnergyRow {
    let mut rows = analysis.energy.iter();
    rows.find(|row| row.component == *component && row.rail == *rail).unwrap()
}

fn alone(analysis: &Analysis) -> Vec<(CheckOutcome, &str)> {
    let checks = analysis.checks.iter().filter(|row| row.check.as_str() == "alone_on_cpus");
    checks.map(|row| (row.outcome, row.detail.as_str())).collect()
}

#[track_caller]
fn assert_conserved(analysis: &Analysis) {
    for row in &analysis.conservation {
        let parts =
            [row.attributed_joules, row.other_joules, row.idle_joules, row.unattributed_joules];
        let sum: f64 = parts.iter().sum();
        assert!((sum - row.integral_joules).abs() <= 1e-9 * row.integral_joules.abs(), "{row:?}");
        assert_eq!(row.verdict.as_str(), "closed");
    }
}

#[test]
fn others_joules_are_taken_out_of_the_clusters_rail() {
    let analysis = tables(0.25, 0.0, Some(1_000_000)).analysis();
    assert_conserved(&analysis);
    let arm = on_rail(&analysis, "big", "VDD_ARM");
    let of = |row: &EnergyRow| row.active_joules.unwrap();
    assert!((of(arm) / (3.0 * 5.0 * 0.75) - 1.0).abs() < 0.01, "{arm:?}");
    assert_eq!((arm.split, arm.largest_term), (Some(Split::CpuTime), Some("split")));
    assert!((arm.share.unwrap() - 0.75).abs() < 0.005);
    // If a cycle of others cost half as much: 0.75 of 0.875.
    let most = 15.0 * 0.75 / 0.875;
    let (from, to) =
        (of(arm) - arm.active_joules_ci95.unwrap(), of(arm) + arm.active_joules_ci95.unwrap());
    assert!(from < 15.0 * 0.75 / 1.25 && to > most && to < 1.15 * most, "{from} {to}");
    // The memory's rail feeds others too: nobody knows what of it is whose.
    assert_eq!(on_rail(&analysis, "big", "VDD_MEM").split, Some(Split::Whole));
    let balance = analysis.conservation.iter().find(|row| row.rail == *"VDD_ARM").unwrap();
    assert!((balance.other_joules / 3.75 - 1.0).abs() < 0.02, "{balance:?}");
    let row = &analysis.summary[0];
    assert_eq!(row.provenance, Provenance::Estimated);
    assert!(row.note().contains("25.0 % of the CPU time on VDD_ARM"), "{}", row.note());
    assert!(row.note().contains("by CPU time and clock frequency"), "{}", row.note());
    let [(CheckOutcome::Warn, detail)] = alone(&analysis)[..] else {
        panic!("{:?}", alone(&analysis))
    };
    assert!(detail.contains("what they drew on VDD_ARM is taken out"), "{detail}");
    // The gpu's run lists no rail of the cluster.
    assert_eq!(analysis.summary[1].provenance, Provenance::Measured);
}

#[test]
fn what_always_goes_on_is_idle_power() {
    let analysis = tables(0.0, 0.3, Some(1_000_000)).analysis();
    let arm = on_rail(&analysis, "big", "VDD_ARM");
    assert_eq!(arm.split, Some(Split::Whole), "{arm:?}");
    let [(CheckOutcome::Warn, detail)] = alone(&analysis)[..] else {
        panic!("{:?}", alone(&analysis))
    };
    assert!(
        detail.contains("30.0 % of CPU time") && detail.contains("idle power has it"),
        "{detail}"
    );
    let quiet = tables(0.0, 0.01, Some(1_000_000)).analysis();
    assert!(matches!(alone(&quiet)[..], [(CheckOutcome::Pass, _)]), "{:?}", alone(&quiet));
}

/// The target takes the CPUs of others that work in idle gaps: idle power is not all theirs then.
#[test]
fn others_that_make_way_leave_idle_power_to_the_run() {
    let scene = Scene::usual(8_800_000, 1);
    let with = |others_in_gaps: f64| {
        let mut tables = tables(0.0, 0.0, None);
        let load = |from, target, others| Load { from, target, others, khz: Some(1_000_000) };
        let (start, end) = (scene.jobs[0].start, scene.jobs[0].end);
        let loads =
            [load(0, 0.0, others_in_gaps), load(start, 1.0, 0.0), load(end, 0.0, others_in_gaps)];
        tables.cpu = accounts(&loads, scene.end);
        tables.analysis()
    };
    let analysis = with(0.1);
    assert_conserved(&analysis);
    let arm = on_rail(&analysis, "big", "VDD_ARM");
    assert!((arm.active_joules.unwrap() / (15.0 / 0.9) - 1.0).abs() < 0.01, "{arm:?}");
    assert!(
        analysis.summary[0].note().contains("did less than in idle gaps"),
        "{:?}",
        analysis.summary[0]
    );
    let analysis = with(0.4);
    assert_eq!(analysis.summary[0].joules_per_image, None);
    assert!(analysis.summary[0].note().contains("record on a quieter machine"));
}

/// A second of others at half the clock takes half of what a second of the target takes.
#[test]
fn seconds_count_by_the_clock() {
    let scene = Scene::usual(8_800_000, 1);
    let mut tables = tables(0.0, 0.0, None);
    let (start, end) = (scene.jobs[0].start, scene.jobs[0].end);
    let middle = start + (end - start) / 2;
    let load = |from, target, others, khz| Load { from, target, others, khz: Some(khz) };
    let loads = [
        load(0, 0.0, 0.0, 500_000),
        load(start, 1.0, 0.0, 1_000_000),
        load(middle, 0.0, 1.0, 500_000),
        load(end, 0.0, 0.0, 500_000),
    ];
    tables.cpu = accounts(&loads, scene.end);
    let analysis = tables.analysis();
    let share = on_rail(&analysis, "big", "VDD_ARM").share.unwrap();
    assert!((share - 2.0 / 3.0).abs() < 0.005, "{share}");
    tables.cpu.iter_mut().for_each(|row| row.freq_khz = None);
    let analysis = tables.analysis();
    let share = on_rail(&analysis, "big", "VDD_ARM").share.unwrap();
    assert!((share - 0.5).abs() < 0.005, "{share}");
    let note = analysis.summary[0].note();
    assert!(note.contains("by CPU time alone, for no frequency is known"), "{note}");
}

#[test]
fn a_supply_of_everything_is_not_split() {
    let mut tables = tables(0.25, 0.0, Some(1_000_000));
    for component in &mut tables.manifest.components {
        component.rails = vec!["VDD_ARM".into()];
    }
    let analysis = tables.analysis();
    assert_eq!(on_rail(&analysis, "big", "VDD_ARM").split, Some(Split::Whole));
    let checks = alone(&analysis);
    let in_it = |(outcome, detail): &(CheckOutcome, &str)| {
        *outcome == CheckOutcome::Warn
            && detail.contains("what they drew is in, for VDD_ARM feeds more")
    };
    assert!(checks.iter().any(in_it), "{checks:?}");
}

#[test]
fn where_nobody_tells_the_target_apart_it_is_said() {
    let mut tables = tables(0.25, 0.0, Some(1_000_000));
    tables.cpu.iter_mut().for_each(|row| row.target_busy_ns = None);
    let analysis = tables.analysis();
    assert_eq!(on_rail(&analysis, "big", "VDD_ARM").split, Some(Split::Whole));
    let [(CheckOutcome::Warn, detail)] = alone(&analysis)[..] else {
        panic!("{:?}", alone(&analysis))
    };
    assert!(detail.contains("does not tell the target's CPU time"), "{detail}");
    tables.cpu.clear();
    assert!(alone(&tables.analysis()).is_empty());
}

#[test]
fn accounts_that_cannot_be_true_count_for_nothing() {
    let sound = tables(0.25, 0.0, Some(1_000_000));
    let expected = on_rail(&sound.analysis(), "big", "VDD_ARM").active_joules.unwrap();
    let wrongs: [fn(&mut CpuRow); 4] = [
        |row| row.busy_ns = u64::MAX,
        |row| row.busy_ns = 0,
        |row| row.target_busy_ns = Some(u64::MAX / 2),
        |row| row.freq_khz = Some(u32::MAX),
    ];
    for wrong in wrongs {
        for at in [sound.cpu.len() / 3, sound.cpu.len() - 1] {
            let mut tables = sound.clone();
            wrong(&mut tables.cpu[at]);
            let analysis = tables.analysis();
            let found = on_rail(&analysis, "big", "VDD_ARM").active_joules.unwrap();
            assert!((found / expected - 1.0).abs() < 0.01, "{found} {expected}");
            let warned = analysis.warnings.iter().any(|it| it.contains("cannot be true of a CPU"));
            assert!(warned, "{:?}", analysis.warnings);
        }
    }
    let mut back = sound;
    back.cpu[10].t_ns = 1;
    let error = back.try_analysis().unwrap_err().to_string();
    assert!(error.contains("cpu.csv") && error.contains("the time of CPU"), "{error}");
}

/// Layers draw what the image draws: others' power goes on all the while.
#[test]
fn others_are_in_no_layer_either() {
    let analysis = tables(0.25, 0.0, Some(1_000_000)).analysis();
    let image = energy(&analysis.summary[0]).0;
    let layers: f64 = analysis
        .layers
        .iter()
        .filter(|row| row.component == *"big")
        .map(|row| row.joules_per_image.unwrap())
        .sum();
    assert!((layers / image - 1.0).abs() < 0.02, "{layers} of {image}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whoever worked how fast and how much: no joule is lost or made, and nobody draws less than
    /// nothing.
    #[test]
    fn joules_are_conserved_whoever_worked(
        loads in prop::collection::vec((0..14_000u64, 0.0..1.0f64, 0.0..1.0f64, prop::option::weighted(0.9, 1..3_000_000u32)), 1..20),
        seed in 0..100u64,
    ) {
        let scene = Scene::usual(35_200_000, seed);
        let mut tables = tables(0.0, 0.0, None);
        let mut all = vec![Load { from: 0, target: 0.0, others: 0.0, khz: Some(1) }];
        all.extend(loads.iter().map(|&(from, target, others, khz)| {
            Load { from: from * MS, target: target * (1.0 - others), others, khz }
        }));
        all.sort_by_key(|load| load.from);
        tables.cpu = accounts(&all, scene.end);
        let analysis = tables.analysis();
        assert_conserved(&analysis);
        let balance = analysis.conservation.iter().find(|row| row.rail == *"VDD_ARM").unwrap();
        let parts = balance.attributed_joules + balance.other_joules;
        prop_assert!(balance.attributed_joules >= -1e-9, "{balance:?}");
        // Less than nothing only as far as idle power holds it.
        prop_assert!(balance.other_joules >= -0.26 * 15.0, "{balance:?}");
        let refused = balance.attributed_joules == 0.0 && balance.other_joules == 0.0;
        prop_assert!(refused || (parts / 15.0 - 1.0).abs() < 0.05, "{balance:?}");

    }
}
