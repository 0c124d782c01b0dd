//! A recording of a million spans, in less memory than they would take.

mod synthetic;

use std::env;
use std::path::Path;
use std::process::Command;

use synthetic::{BYTES, FLOPS, Scene};
use wattline_analysis::{Format, Options, Report, analyze};
use wattline_trace::Outcome;
use wattline_trace::rows::{SpanKind, SpanRow};

const IMAGES: u64 = 25_000;
const LAYERS: u64 = 40;

/// In the environment of the process that is short of memory: the bundle it is to analyse.
const BUNDLE: &str = "WATTLINE_TEST_BUNDLE";

/// KiB of memory that it may take, its stack and its code's data among them.
const ROOM_KIB: u64 = 64 << 10;

#[test]
fn a_million_spans_are_analysed_in_little_memory() {
    if let Some(bundle) = env::var_os(BUNDLE) {
        return report_on(Path::new(&bundle));
    }
    let mut scene = Scene::usual(2_200_000, 7);
    scene.jobs.truncate(1);
    scene.end = 8_000_000_000;
    let place = tempfile::tempdir().unwrap();
    let bundle = place.path().join("bundle");
    scene.tables().write_with(spans(&scene), &bundle, Outcome::Completed);
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!("ulimit -d {ROOM_KIB} && exec \"$0\" --exact \"$1\""))
        .arg(env::current_exe().unwrap())
        .arg("a_million_spans_are_analysed_in_little_memory")
        .env(BUNDLE, &bundle)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let images = std::fs::read_to_string(bundle.join("out/images.csv")).unwrap();
    assert_eq!(images.lines().count() as u64, IMAGES + 1);
}

fn report_on(bundle: &Path) {
    let bundles = [bundle.to_owned()];
    let analysis = analyze(&bundles, &Options::default()).unwrap();
    assert_eq!(analysis.layers.len() as u64, LAYERS);
    assert!(analysis.summary[0].joules_per_image.is_some(), "{}", analysis.table());
    let out = bundle.join("out");
    analysis.write_as(&out, Format::Parquet).unwrap();
    Report::new(&bundles, &analysis, None).unwrap().write(&out).unwrap();
}

/// The spans of a scene with one job, as the engine writes them: each when it ends.
fn spans(scene: &Scene) -> impl Iterator<Item = SpanRow> {
    let (start, end) = (scene.jobs[0].start, scene.jobs[0].end);
    let component = scene.jobs[0].component;
    let each = (end - start) / IMAGES;
    let span = move |id, parent, kind, name: &str, number, from, to| SpanRow {
        id,
        parent,
        kind,
        name: name.into(),
        component: component.into(),
        image: number,
        start_ns: from,
        end_ns: to,
        flops: Some(FLOPS),
        bytes_theoretical: Some(BYTES),
    };
    let images = (0..IMAGES).flat_map(move |image| {
        let (from, id) = (start + image * each, 2 + image * (LAYERS + 1));
        let layers = (0..LAYERS).map(move |layer| {
            let at = |layer| from + each * layer / LAYERS;
            let (name, kind) = (format!("conv{layer}"), SpanKind::Layer);
            span(id + 1 + layer, Some(id), kind, &name, None, at(layer), at(layer + 1))
        });
        let kind = SpanKind::Image;
        layers.chain([span(id, Some(1), kind, "alexnet", Some(image), from, from + each)])
    });
    images.chain([span(1, None, SpanKind::Run, "alexnet", None, start, end)])
}
