//! `wattline record`: a stream of images that moves between components.

use crate::bundle::Table;
use crate::place::Place;
use crate::record::{WHY, program};
use crate::root::is_root;

const TWO_COMPONENTS: &str = r#"
name = "halves"
model = "A machine in halves"

[memory]
bandwidth = "10 GB/s"

[[components]]
name = "first"
kind = "cpu"
cpus = [0]

[[components]]
name = "second"
kind = "cpu"
cpus = [1]
"#;

#[test]
fn runs_that_overlap_are_parts_of_one() {
    if !is_root(WHY) {
        return;
    }
    let cpus = std::thread::available_parallelism().unwrap().get();
    assert!(cpus >= 2, "this test moves a program between two CPUs, and there is {cpus}");
    let place = Place::alone();
    program(&place);
    place.write("halves.toml", TWO_COMPONENTS);
    // Ten images on one, ten on the other, and again.
    let line = "record --board halves.toml --out trace --idle 0.1 \
                --image-mark uprobe:run_image -- ./engine moves 60";
    place.wattline(line).succeeded();
    let spans = place.bundle("trace").table("spans.csv");
    let runs = spans.with("kind", "run");
    let all = runs.iter().find(|run| run.text("component") == "all").expect("they overlap");
    for component in ["first", "second"] {
        let run = runs.iter().find(|run| run.text("component") == component).unwrap();
        assert_eq!(run.text("parent"), all.text("id"));
        assert!(run.integer("start_ns") >= all.integer("start_ns"));
        assert!(run.integer("end_ns") <= all.integer("end_ns"));
        assert!(spans.with("parent", run.text("id")).len() >= 25, "{component}");
    }
    let answer = place.wattline("analyze trace --out results").succeeded();
    assert!(!answer.stdout.contains("overlaps this run"), "{}", answer.stdout);
    let summary = Table::read(&place.path("results/summary.csv"));
    let images: u64 =
        ["first", "second"].map(|it| summary.only("component", it).integer("images")).iter().sum();
    assert_eq!((images, summary.only("component", "all").integer("images")), (60, 60));
}
