//! What must hold for any power, any spans and any numbers.

mod synthetic;

use proptest::prelude::*;
use synthetic::{MS, Scene, Tables, energy};
use wattline_analysis::{Analysis, Verdict};
use wattline_trace::rows::*;

fn small(seed: u64) -> Tables {
    let mut scene = Scene::usual(35_200_000, seed);
    scene.jobs.iter_mut().for_each(|job| job.images = 4);
    scene.tables()
}

fn assert_conserved(analysis: &Analysis) -> Result<(), TestCaseError> {
    for balance in &analysis.conservation {
        let parts = balance.attributed_joules + balance.idle_joules + balance.unattributed_joules;
        let scale = balance.integral_joules.abs().max(balance.idle_joules.abs()).max(1e-12);
        prop_assert!((parts - balance.integral_joules).abs() <= 1e-9 * scale, "{balance:?}");
        prop_assert!(balance.verdict != Verdict::Broken);
    }
    Ok(())
}

/// The numbers of an analysis, without the names of directories.
fn numbers(analysis: &Analysis) -> String {
    let rows = analysis.summary.iter().map(|row| {
        let cells = [row.joules_per_image, row.joules_per_image_ci95, row.dram_bytes_per_image];
        format!("{cells:?} {:?} {:?} {}\n", row.images_per_s, row.truth, row.note())
    });
    rows.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn joules_are_conserved_for_any_power(
        watts in prop::collection::vec(0.0..50.0f64, 64),
        seed in 0..1000u64,
        lost in prop::option::of(0.0..0.9f64),
    ) {
        let mut tables = small(seed);
        let lost = lost.map(|from| (from * 14.5e9) as u64);
        tables.power.retain(|row| lost.is_none_or(|from| !(from..from + 900 * MS).contains(&row.t_ns)));
        for (row, watts) in tables.power.iter_mut().zip(watts.iter().cycle()) {
            row.watts = *watts;
        }
        assert_conserved(&tables.analysis())?;
    }

    #[test]
    fn the_time_of_day_changes_nothing(seed in 0..1000u64, by in 0..u64::MAX / 2) {
        let mut tables = small(seed);
        let before = numbers(&tables.analysis());
        tables.shift(by);
        prop_assert_eq!(before, numbers(&tables.analysis()));
    }

    /// Rails are series of their own: how their rows interleave says nothing.
    #[test]
    fn the_order_of_rails_changes_nothing(seed in 0..1000u64) {
        let mut tables = small(seed);
        let before = numbers(&tables.analysis());
        tables.power.sort_by(|a, b| (&a.rail, a.t_ns).cmp(&(&b.rail, b.t_ns)));
        tables.spans.reverse();
        prop_assert_eq!(before, numbers(&tables.analysis()));
    }

    /// A window told as two halves of the same power holds the same joules.
    #[test]
    fn splitting_readings_changes_no_joule(seed in 0..1000u64) {
        let mut tables = small(seed);
        let whole = tables.analysis();
        let mut halves: Vec<PowerRow> = Vec::new();
        let mut last = std::collections::HashMap::new();
        for row in &tables.power {
            let before = last.insert(row.rail.clone(), row.t_ns).unwrap_or(row.t_ns - row.window_ns);
            halves.push(PowerRow { t_ns: before + (row.t_ns - before) / 2, ..row.clone() });
            halves.push(row.clone());
        }
        // Split readings reach further back than needed, which only makes them tile.
        tables.power = halves;
        let split = tables.analysis();
        for (whole, split) in whole.conservation.iter().zip(&split.conservation) {
            let first_half = 0.5 * 35.2e-3 * 3.5;
            prop_assert!((whole.integral_joules - split.integral_joules).abs() <= first_half);
        }
        for (whole, split) in whole.summary.iter().zip(&split.summary) {
            let (joules, half_width) = energy(whole);
            prop_assert!((energy(split).0 - joules).abs() < half_width);
        }
    }

    /// Rows that are well formed and otherwise absurd: an answer or an error, finite numbers,
    /// joules conserved.
    #[test]
    fn absurd_rows_never_panic(
        times in prop::collection::vec(prop_oneof![any::<u64>(), 0..20_000 * MS], 1..40),
        watts in prop::collection::vec(prop_oneof![-1e3..1e3f64, any::<f64>().prop_filter("finite", |w| w.is_finite())], 40),
        windows in prop::collection::vec(prop_oneof![1..u64::MAX, 1..100 * MS], 40),
        spans in prop::collection::vec((any::<u64>(), any::<u64>(), 0..6u64, prop::sample::select(SpanKind::ALL), any::<Option<u64>>()), 0..20),
        bytes in prop::collection::vec(any::<u64>(), 0..20),
    ) {
        let mut tables = small(1);
        let model = tables.power[0].clone();
        let mut times = times;
        times.sort_unstable();
        times.dedup();
        tables.power = times.iter().zip(&watts).zip(&windows).map(|((&t_ns, &watts), &window_ns)| {
            PowerRow { t_ns, watts, window_ns, ..model.clone() }
        }).collect();
        tables.manifest.rails[0].window_ns = windows[0];
        tables.spans = spans.iter().enumerate().map(|(id, &(a, b, parent, kind, flops))| SpanRow {
            id: id as u64,
            parent: Some(parent),
            kind,
            name: "n".into(),
            component: "big".into(),
            image: None,
            start_ns: a.min(b),
            end_ns: a.max(b),
            flops,
            bytes_theoretical: flops,
        }).collect();
        let mut bytes = bytes;
        bytes.sort_unstable();
        let model = tables.traffic[0].clone();
        tables.traffic = times.iter().zip(&bytes).map(|(&t_ns, &count)| {
            TrafficRow { t_ns, total_bytes: count, ..model.clone() }
        }).collect();
        if let Ok(analysis) = tables.try_analysis() {
            for row in &analysis.summary {
                let cells = [row.joules_per_image, row.joules_per_image_ci95, row.images_per_joule, row.dram_bytes_per_image, row.images_per_s, row.gop_per_s];
                prop_assert!(cells.iter().flatten().all(|value| value.is_finite()), "{row:?}");
            }
            prop_assert!(!analysis.table().is_empty());
        }
    }
}
