//! A frequency for each layer: planned from recordings, and the plan run.

use crate::bundle::Table;
use crate::place::Place;

const RUN: &str = "run --board emulated:exynos5422 --network squeezenet --on a15 --clock virtual";

fn sweep() -> Place {
    let place = Place::new();
    let line = "--frequencies a15=600MHz/1GHz/1.4GHz/2GHz --images 60 --dither --out sweep";
    place.wattline(&format!("{RUN} {line}")).succeeded();
    place
}

const TRACES: &str = "sweep/a15-600MHz sweep/a15-1000MHz sweep/a15-1400MHz sweep/a15-2000MHz";
const OF: &str = "--network squeezenet --component a15";

#[test]
fn a_plan_is_what_running_it_takes() {
    let place = sweep();
    for (deadline, out) in [("330ms", "tight"), ("420ms", "loose")] {
        let line = format!("plan {TRACES} {OF} --deadline {deadline} --out {out} --json");
        let answer = place.wattline(&line).succeeded();
        let plan: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
        let number = |field: &str| plan[field].as_f64().unwrap();
        assert!(number("seconds") <= number("deadline_s"));
        assert_eq!(number("gap_pct"), 0.0, "solved to the end");
        assert_eq!(plan["provenance"], "emulated");
        let saving = &plan["savings"][0];
        assert_eq!(
            (&saving["over"], &saving["claimed"]),
            (&"the highest frequency".into(), &true.into())
        );

        let run = format!("{RUN} --plan {out}/plan.json --images 60 --out {out}-run");
        place.wattline(&run).succeeded();
        place.wattline(&format!("analyze {out}-run --out {out}-results --check-truth")).succeeded();
        let summary = Table::read(&place.path(&format!("{out}-results/summary.csv")));
        let row = summary.only("component", "a15");
        let (truth, seconds) =
            (row.number("truth_joules_per_image"), 1.0 / row.number("images_per_s"));
        // The first image of a run does not change back from the last one's frequency.
        assert!((seconds / number("seconds") - 1.0).abs() < 2e-3, "{seconds} s, {plan}");
        let off = (truth - number("joules")).abs();
        assert!(
            off <= number("joules_ci95"),
            "{truth} J, {} ± {}",
            number("joules"),
            number("joules_ci95")
        );
        assert!(off <= 0.01 * truth, "{truth} J, {} J", number("joules"));
        let layers = Table::read(&place.path(&format!("{out}/plan.csv")));
        let ran = Table::read(&place.path(&format!("{out}-results/layers.csv")));
        for (planned, ran) in layers.rows().zip(ran.rows()) {
            assert_eq!(planned.number("frequency_mhz"), ran.number("frequency_mhz"));
        }
        assert!(place.path(&format!("{out}/figures/plan.png")).exists());
    }
}

#[test]
fn what_cannot_be_planned_is_refused_with_the_reason() {
    let place = sweep();
    let plan = |wish: &str| place.wattline(&format!("plan {wish} --out plan"));
    let refused = |wish: &str, expected: &str| {
        let answer = plan(wish).exited(1);
        assert!(answer.stderr.contains(expected), "{wish}: {answer:?}");
        assert!(!place.path("plan").exists());
    };
    refused(&format!("{TRACES} {OF} --deadline 50ms"), "the fastest possible is");
    refused(&format!("sweep/a15-600MHz {OF} --deadline 9s"), "--frequencies a15=all");
    refused(
        &format!("{TRACES} --network alexnet --component a15 --deadline 9s"),
        "squeezenet on a15",
    );
    place.wattline(&format!("{RUN} --images 60 --out free")).succeeded();
    refused(&format!("{TRACES} free {OF} --deadline 9s"), "not held at a frequency");
    place.wattline(&format!("{RUN} --frequency a15=1.8GHz --images 2 --out few")).succeeded();
    refused(&format!("{TRACES} few {OF} --deadline 9s"), "joules of its layers are not known");
    // A change so dear that none is worth it.
    let answer =
        plan(&format!("{TRACES} {OF} --deadline 400ms --switching-cost 1ms,1J")).succeeded();
    answer.prints(&[
        "0 changes of frequency",
        "no saving is shown over",
        "the best single frequency",
    ]);
}
