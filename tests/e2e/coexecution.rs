//! `wattline run --policy`: one stream of images over several components, recorded.

use std::collections::{BTreeMap, BTreeSet};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::bundle::{Bundle, Row, Table};
use crate::place::Place;
use crate::running::Running;

const POLICIES: [&str; 5] = ["steal", "steal-tail", "energy", "pipeline", "best-single"];

fn times(row: &Row<'_>) -> (u64, u64) {
    (row.integer("start_ns"), row.integer("end_ns"))
}

/// The spans of a co-execution and the solo runs before it, checked against each other.
#[track_caller]
pub(crate) fn check_spans(bundle: &Bundle) -> Table {
    let spans = bundle.table("spans.csv");
    let by_id: BTreeMap<u64, Row<'_>> = spans.rows().map(|row| (row.integer("id"), row)).collect();
    assert_eq!(by_id.len(), spans.rows().count(), "ids are unique");
    let runs = spans.with("kind", "run");
    let all: Vec<_> = runs.iter().filter(|run| run.text("component") == "all").collect();
    let [all] = all[..] else { panic!("one run of all: {all:?}") };
    assert!(all.text("parent").is_empty() && all.text("image").is_empty(), "{all:?}");
    // Only children of the co-execution overlap.
    let mut alone: Vec<_> = runs.iter().filter(|run| run.text("parent").is_empty()).collect();
    alone.sort_by_key(|run| times(run));
    assert!(alone.windows(2).all(|it| times(it[0]).1 <= times(it[1]).0), "{alone:?}");
    assert_eq!(alone.last().unwrap().text("component"), "all", "it comes last");
    let children = spans.with("parent", all.text("id"));
    let components: BTreeSet<_> = children.iter().map(|run| run.text("component")).collect();
    assert_eq!(components.len(), children.len(), "one run a component: {children:?}");
    for run in &runs {
        let inside = spans.with("parent", run.text("id"));
        assert!(!inside.is_empty(), "{run:?} is of nothing");
        let of_all = run.text("component") == "all";
        let kind = if of_all { "run" } else { "image" };
        assert!(
            inside.iter().all(|it| it.text("kind") == kind && it.text("name") == run.text("name"))
        );
        assert!(of_all || inside.iter().all(|it| it.text("component") == run.text("component")));
        let first = inside.iter().map(|it| times(it).0).min().unwrap();
        let last = inside.iter().map(|it| times(it).1).max().unwrap();
        assert_eq!(times(run), (first, last), "{run:?}");
        if !of_all {
            let mut images: Vec<_> = inside.iter().map(times).collect();
            images.sort_unstable();
            assert!(images.windows(2).all(|it| it[0].1 <= it[1].0), "one after another: {run:?}");
        }
    }
    for outer in runs.iter().chain(&spans.with("kind", "image")) {
        for column in ["flops", "bytes_theoretical"] {
            let inside = spans.with("parent", outer.text("id"));
            let sum: u64 = inside.iter().map(|row| row.integer(column)).sum();
            assert_eq!(sum, outer.integer(column), "{outer:?}");
        }
    }
    for layer in spans.with("kind", "layer") {
        let image = by_id[&layer.integer("parent")];
        assert_eq!(
            (image.text("kind"), image.text("component")),
            ("image", layer.text("component"))
        );
        assert_eq!(image.text("image"), layer.text("image"));
        let (outer, inner) = (times(&image), times(&layer));
        assert!(outer.0 <= inner.0 && inner.1 <= outer.1, "{layer:?} in {image:?}");
    }
    spans
}

/// Image spans of the co-execution.
pub(crate) fn images_of_all<'a>(spans: &'a Table) -> Vec<Row<'a>> {
    let all = spans.only("component", "all");
    let runs = spans.with("parent", all.text("id"));
    runs.iter().flat_map(|run| spans.with("parent", run.text("id"))).collect()
}

/// `frames.csv`, in order and possible.
#[track_caller]
pub(crate) fn check_frames(bundle: &Bundle) -> Vec<u64> {
    let table = bundle.table("frames.csv");
    let mut last = (None, 0);
    for row in table.rows() {
        let instants =
            ["arrival_ns", "start_ns", "end_ns", "delivered_ns"].map(|it| row.integer(it));
        assert!(instants.is_sorted() && instants[1] < instants[2], "{row:?}");
        assert!(last.0 < Some(row.integer("image")) && last.1 <= instants[3], "{row:?}");
        last = (Some(row.integer("image")), instants[3]);
    }
    table.rows().map(|row| row.integer("image")).collect()
}

#[test]
fn every_policy_on_both_boards() {
    let place = Place::new();
    for (board, on) in [("exynos5422", "a15,a7,gpu"), ("kirin970", "a73,a53,gpu,npu")] {
        for policy in POLICIES {
            let camera = if policy == "energy" { " --fps 8 --late queue" } else { "" };
            let run = format!(
                "run --board emulated:{board} --network squeezenet --on {on} --policy {policy}{camera} \
                 --images 40 --solo 2 --idle 0.1 --clock virtual --out trace --overwrite"
            );
            let answer = place.wattline(&run).succeeded();
            answer.prints(&[
                "co-execution by",
                policy,
                "emulated",
                "of solo sum",
                "recorded: trace",
            ]);
            let bundle = place.bundle("trace");
            assert_eq!(check_frames(&bundle), Vec::from_iter(0..40), "{board} {policy}");
            let spans = check_spans(&bundle);
            let images = images_of_all(&spans);
            let layers = spans.with("parent", spans.with("kind", "image")[0].text("id")).len();
            for image in 0..40 {
                let parts: Vec<_> =
                    images.iter().filter(|it| it.integer("image") == image).collect();
                let ran: usize =
                    parts.iter().map(|it| spans.with("parent", it.text("id")).len()).sum();
                assert_eq!(ran, layers, "{board} {policy}: image {image} ran each layer once");
                assert!(policy == "pipeline" || parts.len() == 1, "{board} {policy}: {parts:?}");
            }
            for frame in bundle.table("frames.csv").rows() {
                let its = |image: &&Row<'_>| {
                    image.text("image") == frame.text("image")
                        && image.text("component") == frame.text("component")
                };
                let span = images.iter().find(its).unwrap();
                assert_eq!(times(span), times(&frame), "{board} {policy}");
            }
            check_manifest(&bundle, policy, on);
            check_truth(&bundle, &spans);
        }
    }
}

fn check_manifest(bundle: &Bundle, policy: &str, on: &str) {
    let record = &bundle.manifest()["coexecution"];
    assert_eq!((&record["policy"], &record["window"]), (&policy.into(), &64.into()));
    assert_eq!(record["source"]["images"], 40);
    assert_eq!((&record["dropped"], record["faults"].as_array().unwrap().len()), (&0.into(), 0));
    let profiles = record["profiles"].as_array().unwrap();
    assert!(profiles.iter().map(|it| it["component"].as_str().unwrap()).eq(on.split(',')));
    for profile in profiles {
        assert!(profile["seconds_per_image"].as_f64().unwrap() > 0.0, "{profile}");
        assert!(profile["joules_per_image"].as_f64().unwrap() > 0.0, "{profile}");
        assert_eq!(profile["from"], "2 images alone in this run");
    }
}

/// The truth has a run for every run but that of all, over the same time.
fn check_truth(bundle: &Bundle, spans: &Table) {
    let truth = bundle.table("truth.csv");
    let bytes = truth.with("quantity", "dram_bytes");
    let runs = bytes.iter().filter(|row| row.text("scope") == "run");
    let known: BTreeSet<_> = runs.map(|row| (row.text("component"), times(row))).collect();
    let runs = spans.with("kind", "run");
    let runs = runs.iter().filter(|run| run.text("component") != "all");
    assert_eq!(known, runs.map(|run| (run.text("component"), times(run))).collect());
}

#[test]
fn a_seed_decides_every_byte() {
    let place = Place::new();
    for out in ["one", "two"] {
        let run = "run --board emulated:kirin970 --network squeezenet --on a73,a53,gpu,npu \
                   --policy steal-tail --images 60 --fps 100 --clock virtual --seed 3";
        place.wattline(&format!("{run} --out {out}")).succeeded();
    }
    let [one, two] = ["one", "two"].map(|out| place.bundle(out));
    for table in ["power.csv", "traffic.csv", "spans.csv", "frames.csv", "truth.csv"] {
        assert!(one.bytes(table).len() > 1000, "{table} says something");
        assert!(one.bytes(table) == two.bytes(table), "{table} differs");
    }
    assert_eq!(one.manifest()["coexecution"], two.manifest()["coexecution"]);
}

/// Every frame of a camera is delivered, or dropped and counted; one that may wait is never
/// dropped.
#[test]
fn frames_are_dropped_and_counted() {
    let place = Place::new();
    for late in ["drop", "queue"] {
        let run = format!(
            "run --board emulated:exynos5422 --network squeezenet --on a15,a7 --policy steal \
             --fps 20 --late {late} --images 100 --window 100 --clock virtual --json \
             --out trace --overwrite"
        );
        let answer = place.wattline(&run).succeeded();
        let rows: Value = serde_json::from_str(&answer.stdout).unwrap();
        let all = rows.as_array().unwrap().last().unwrap();
        let bundle = place.bundle("trace");
        let delivered = check_frames(&bundle);
        check_spans(&bundle);
        let dropped = bundle.manifest()["coexecution"]["dropped"].as_u64().unwrap();
        assert_eq!((&all["component"], all["dropped"].as_u64()), (&"all".into(), Some(dropped)));
        assert_eq!(delivered.len() as u64 + dropped, 100);
        // Both together do 6.5 images a second.
        assert_eq!(dropped > 50, late == "drop", "{late}: {dropped}");
        assert!(delivered.iter().all(|image| *image < 100));
    }
}

#[test]
fn an_endless_stream_lasts_as_long_as_it_is_told() {
    let place = Place::new();
    let run = "run --board emulated:exynos5422 --network squeezenet --on a15,gpu --policy steal \
               --images 0 --duration 4 --solo 0 --clock virtual --out trace";
    place.wattline(run).succeeded();
    let bundle = place.bundle("trace");
    let images = check_frames(&bundle);
    let spans = check_spans(&bundle);
    let (start, end) = times(&spans.only("component", "all"));
    let seconds = (end - start) as f64 * 1e-9;
    // What was begun is finished: an image takes up to 0.2 s.
    assert!((4.0..4.4).contains(&seconds), "{seconds} s");
    // 5 and 8 images a second alone.
    assert!((40..=56).contains(&images.len()), "{images:?}");
    let record = &bundle.manifest()["coexecution"];
    assert_eq!(record["source"]["kind"], "endless");
    assert_eq!(record["profiles"][0]["from"], "the emulated board's model");
}

#[test]
fn ctrl_c_ends_the_stream_in_order() {
    let place = Place::new();
    let line = "run --board emulated:exynos5422 --network squeezenet --on a15,gpu --images 0 \
                --policy steal --solo 1 --idle 0.2";
    let mut run = Running::start(&place, line);
    run.wait_for("frames.csv", ",gpu,");
    run.signal(Signal::SIGINT);
    let answer = run.end().exited(130);
    answer.prints(&["interrupted; recorded so far: trace", "co-execution by steal"]);
    let bundle = place.bundle("trace");
    let manifest = bundle.manifest();
    assert_eq!((&manifest["complete"], &manifest["interrupted"]), (&true.into(), &true.into()));
    let delivered = check_frames(&bundle);
    let spans = check_spans(&bundle);
    assert!(delivered.iter().copied().eq(0..delivered.len() as u64), "nothing begun is lost");
    assert_eq!(images_of_all(&spans).len(), delivered.len());
}

/// Two clusters of one core each, on any machine that has CPUs 0 and 1.
pub(crate) fn two_clusters(place: &Place) {
    let cluster = |cpu: u32| {
        format!("[[components]]\nname = \"core{cpu}\"\nkind = \"cpu\"\ncpus = [{cpu}]\n")
    };
    let board = "name = \"two\"\nmodel = \"Two clusters of one core\"\n";
    place.write("two.toml", format!("{board}\n{}\n{}", cluster(0), cluster(1)));
}

#[test]
fn clusters_of_this_machine_share_a_stream() {
    let place = Place::new();
    two_clusters(&place);
    let run = "run --board two.toml --network squeezenet --on core0,core1 --policy steal-tail \
               --images 12 --solo 2 --idle 0.1 --out trace";
    place.wattline(run).succeeded().prints(&["co-execution by steal-tail\n", "core0", "core1"]);
    let bundle = place.bundle("trace");
    assert_eq!(check_frames(&bundle), Vec::from_iter(0..12));
    let spans = check_spans(&bundle);
    let images = images_of_all(&spans);
    assert_eq!(images.len(), 12);
    for image in &images {
        assert!(spans.with("parent", image.text("id")).len() > 20, "layers are timed too");
    }
    let profile = &bundle.manifest()["coexecution"]["profiles"][0];
    assert!(profile["joules_per_image"].is_null(), "nobody knows them: {profile}");
}

/// Each cluster runs its layers of every image, as the split says that it found on layer times
/// measured alone.
#[test]
fn clusters_of_this_machine_share_every_image() {
    let place = Place::new();
    two_clusters(&place);
    let run = "run --board two.toml --network squeezenet --on core0,core1 --policy pipeline \
               --images 12 --solo 2 --idle 0.1 --out trace";
    place.wattline(run).succeeded().prints(&["co-execution by pipeline\n", "core0", "core1"]);
    let bundle = place.bundle("trace");
    assert_eq!(check_frames(&bundle), Vec::from_iter(0..12));
    let spans = check_spans(&bundle);
    let parts = images_of_all(&spans);
    assert_eq!(parts.len(), 2 * 12, "a part on either cluster");
    let layers = |image: &str, component: &str| {
        let part = parts
            .iter()
            .find(|part| (part.text("image"), part.text("component")) == (image, component));
        let layers = spans.with("parent", part.unwrap().text("id"));
        Vec::from_iter(layers.iter().map(|layer| layer.text("name").to_owned()))
    };
    let whole = {
        let alone = spans.with("kind", "image");
        let id = alone.iter().find(|it| parts.iter().all(|part| part.text("id") != it.text("id")));
        Vec::from_iter(
            spans
                .with("parent", id.unwrap().text("id"))
                .iter()
                .map(|it| it.text("name").to_owned()),
        )
    };
    for image in 0..12 {
        let image = image.to_string();
        let (core0, core1) = (layers(&image, "core0"), layers(&image, "core1"));
        let joined = |first: &[String], second: &[String]| [first, second].concat();
        assert!(
            joined(&core0, &core1) == whole || joined(&core1, &core0) == whole,
            "image {image}: every layer once, in order"
        );
        assert!(!core0.is_empty() && !core1.is_empty());
    }
}

#[test]
fn what_cannot_be_is_refused_before_anything_runs() {
    let place = Place::new();
    two_clusters(&place);
    place.write(
        "summary.csv",
        "network,component,images_per_s,joules_per_image\nsqueezenet,core0,3,\n",
    );
    let real = "run --board two.toml --network squeezenet --on core0,core1 --out trace";
    let refused = |options: &str, parts: &[&str]| {
        place.wattline(&format!("{real} {options}")).refused(parts);
        assert!(!place.path("trace/manifest.json").exists(), "{options}");
    };
    refused("--images 0", &["--images 0", "--policy"]);
    refused("--policy energy", &["--fps", "frame rate"]);
    refused("--policy energy --fps 2", &["joules", "--profile"]);
    let npu = "--npu-from kirin970 --on core0,npu";
    let line = real.replace("--on core0,core1", npu);
    let answer = place.wattline(&format!("{line} --policy pipeline"));
    answer.refused(&["pipeline", "npu", "whole networks"]);
    refused("--policy steal --solo 0", &["--solo 0", "--profile"]);
    refused("--policy steal --profile summary.csv", &["no row of squeezenet on core1"]);
    refused("--policy steal --profile two.toml", &["--profile two.toml", "wattline analyze"]);
    place.wattline(&format!("{real} --policy luck")).exited(2).says(&["steal-tail"]);
    place.wattline(&format!("{real} --fps 3")).exited(2).says(&["--policy"]);
}

/// What one run measured alone tells another what to do.
#[test]
fn a_summary_is_a_profile() {
    let place = Place::new();
    let run =
        "run --board emulated:exynos5422 --network squeezenet --on a15,a7,gpu --clock virtual";
    place.wattline(&format!("{run} --images 10 --out alone")).succeeded();
    place.wattline("analyze alone --out results").succeeded();
    let shared = "--policy energy --fps 6 --late queue --profile results/summary.csv --solo 0 \
                  --images 60 --out trace";
    place.wattline(&format!("{run} {shared}")).succeeded();
    let bundle = place.bundle("trace");
    assert_eq!(check_frames(&bundle).len(), 60);
    let spans = check_spans(&bundle);
    let components: BTreeSet<_> =
        images_of_all(&spans).iter().map(|it| it.text("component")).collect();
    assert!(
        !components.contains("a15"),
        "the GPU alone does 8 images a second, for a fifth: {components:?}"
    );
    let profile = &bundle.manifest()["coexecution"]["profiles"][2];
    assert_eq!(
        (&profile["component"], &profile["from"]),
        (&"gpu".into(), &"results/summary.csv".into())
    );
    let joules = profile["joules_per_image"].as_f64().unwrap();
    assert!((joules / 0.2021 - 1.0).abs() < 0.02, "{joules}");
}
