//! A board with one sensor on its supply, whose components come and go: is each one's power in its
//! interval?

use std::sync::Arc;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use wattline_agent::{Inventory, Recorder, Settings};
use wattline_analysis::{Analysis, Options, Split, analyze};
use wattline_board::clock::attend;
use wattline_board::description::Description;
use wattline_board::emulated::work::Work;
use wattline_board::emulated::{EmulatedBoard, Flight};
use wattline_inference::{layer_shapes, zoo};
use wattline_trace::rows::{ALL_COMPONENTS, SpanKind, SpanRow};
use wattline_trace::{BundleWriter, ClockKind, Outcome, Provenance};

use crate::recorded::{for_seeds, in_memory, manifest};

const SECOND_NS: u64 = 1_000_000_000;
const NETWORK: &str = "squeezenet";

/// One component, at an image or resting until the next.
struct Lane {
    component: &'static str,
    work: Arc<Work>,
    flight: Option<(Flight, u64)>,
    next_ns: u64,
    image: u64,
    /// When it began and ended each image.
    images: Vec<(u64, u64)>,
    /// True joules above idle of the supply, which it caused.
    joules: f64,
}

/// Components that rest for random times between images, for so many seconds, as images of a watched
/// program that moves between them: with no run of a component alone.
fn recorded(
    components: &[&'static str],
    seed: u64,
    seconds: u64,
    rests: f64,
) -> (Analysis, Vec<f64>) {
    let home = in_memory();
    let description = Description::load("kirin970").unwrap();
    let graph = zoo::graph_structure(NETWORK).unwrap();
    let board = EmulatedBoard::start(description.clone(), ClockKind::Virtual, seed).unwrap();
    let clock = Arc::clone(board.clock());
    let attendance = attend(&clock);
    let inventory = Inventory::discover(&description, board.roots());
    let mut manifest = manifest(&description, components, seed);
    manifest.rails = inventory.rail_records(Some(Provenance::Emulated));
    manifest.counters = inventory.counter_records(450.0, Some(Provenance::Emulated));
    let directory = home.path().join("trace");
    let bundle = BundleWriter::create(&directory, &manifest, false).unwrap();
    let settings = Settings { update_interval_ms: Some(2), ..Settings::default() };
    let recorder = Recorder::start(inventory, &clock, &bundle, &settings).unwrap();
    manifest.rails = recorder.rail_records(Some(Provenance::Emulated));
    clock.sleep_until(clock.now_ns() + SECOND_NS);
    let mut random = ChaCha12Rng::seed_from_u64(seed);
    let start = clock.now_ns();
    let lane = |component: &&'static str| {
        let known = description.component(component).unwrap();
        let shapes = layer_shapes(&graph, known.precision);
        let work = Arc::new(Work::plan(NETWORK, &shapes, known).unwrap());
        let (flight, images) = (None, vec![]);
        Lane { component, work, flight, next_ns: start, image: 0, images, joules: 0.0 }
    };
    let mut lanes: Vec<Lane> = components.iter().map(lane).collect();
    let until = start + seconds * SECOND_NS;
    loop {
        let now = clock.now_ns();
        for lane in &mut lanes {
            lane.turn(&board, now, until, rests, &mut random);
        }
        if lanes.iter().all(|lane| lane.flight.is_none() && lane.next_ns >= until) {
            break;
        }
        let waiting = lanes.iter().filter(|lane| lane.flight.is_none() && lane.next_ns < until);
        let next = waiting.map(|lane| lane.next_ns).chain(board.next_event_ns()).min().unwrap();
        clock.sleep_until(next.max(now + 1));
    }
    clock.sleep_until(clock.now_ns() + SECOND_NS);
    recorder.stop(attendance);
    write_spans(&bundle.table().unwrap(), &lanes);
    bundle.finish(manifest, Outcome::Completed).unwrap();
    let analysis = analyze(&[directory], &Options::default()).unwrap();
    (analysis, lanes.iter().map(|lane| lane.joules).collect())
}

impl Lane {
    fn turn(
        &mut self,
        board: &EmulatedBoard,
        now: u64,
        until: u64,
        rests: f64,
        random: &mut ChaCha12Rng,
    ) {
        if let Some((flight, _)) = &self.flight
            && let Some(done) = board.take(flight).unwrap()
        {
            let image = done.image;
            self.images.push((image.start_ns, image.end_ns));
            self.joules += image.active_joules.iter().sum::<f64>();
            let took = (image.end_ns - image.start_ns) as f64;
            self.next_ns = now + (2.0 * rests * took * random.random_range(0.0..1.0)) as u64;
            self.flight = None;
            self.image += 1;
        }
        if self.flight.is_none() && self.next_ns <= now && now < until {
            let number = 1_000 * self.image + u64::from(self.component.as_bytes()[0]);
            self.flight = Some((board.submit(self.component, number, &self.work), number));
        }
    }
}

fn write_spans(spans: &wattline_trace::TableWriter<SpanRow>, lanes: &[Lane]) {
    let span = |id, parent, kind, component: &str, image, (start_ns, end_ns)| SpanRow {
        id,
        parent,
        kind,
        name: NETWORK.into(),
        component: component.into(),
        image,
        start_ns,
        end_ns,
        flops: Some(1),
        bytes_theoretical: Some(1),
    };
    let extent = |images: &mut dyn Iterator<Item = (u64, u64)>| {
        images.fold((u64::MAX, 0), |whole, it| (whole.0.min(it.0), whole.1.max(it.1)))
    };
    for (place, lane) in (1u64..).zip(lanes) {
        for (index, &times) in (0u64..).zip(&lane.images) {
            let id = place * 1_000_000 + index + 1;
            let number = Some(index * 10 + place);
            let row =
                span(id, Some(place * 1_000_000), SpanKind::Image, lane.component, number, times);
            spans.write(&row).unwrap();
        }
        let times = extent(&mut lane.images.iter().copied());
        spans
            .write(&span(place * 1_000_000, Some(1), SpanKind::Run, lane.component, None, times))
            .unwrap();
    }
    let times = extent(&mut lanes.iter().flat_map(|lane| lane.images.iter().copied()));
    spans.write(&span(1, None, SpanKind::Run, ALL_COMPONENTS, None, times)).unwrap();
}

/// Each component's joules with their interval, and how they were found.
fn found(analysis: &Analysis, component: &str) -> (f64, f64, Split) {
    let mut rows = analysis.energy.iter();
    let row = rows.find(|row| row.component == *component).unwrap();
    let known = row.active_joules.zip(row.active_joules_ci95);
    let (joules, half_width) = known.unwrap_or_else(|| panic!("{row:?}"));
    (joules, half_width, row.split.unwrap())
}

/// Joules of each component lie in their interval 90 times in 100 or more, and the interval says
/// something.
#[test]
fn components_on_one_supply_lie_in_their_intervals() {
    let components = ["a73", "gpu", "npu"];
    let runs = for_seeds(0..40, |seed| recorded(&components, 500 + seed, 20, 1.0));
    for (place, component) in components.iter().enumerate() {
        let (mut held, mut widths, mut errors) = (0, 0.0, 0.0);
        for (analysis, truth) in &runs {
            let (joules, half_width, split) = found(analysis, component);
            assert_eq!(split, Split::Regression);
            held += u32::from((joules - truth[place]).abs() <= half_width);
            widths += half_width / truth[place] / runs.len() as f64;
            errors += (joules / truth[place] - 1.0) / runs.len() as f64;
        }
        eprintln!(
            "{component}: {held} of {} intervals hold the truth; ± {:.1} %, mean error {:+.2} %",
            runs.len(),
            100.0 * widths,
            100.0 * errors
        );
        assert!(held >= 36, "{component}: {held} of 40");
        assert!(widths < 0.3, "{component}: ± {:.1} %", 100.0 * widths);
    }
}

/// Components that never rest are not told apart: nothing is made up of who drew what.
#[test]
fn components_that_never_rest_are_not_told_apart() {
    let (analysis, truth) = recorded(&["a73", "gpu"], 3, 10, 0.0);
    for (place, component) in ["a73", "gpu"].iter().enumerate() {
        let (joules, half_width, split) = found(&analysis, component);
        assert_eq!(split, Split::BusyTime);
        assert!(
            (joules - truth[place]).abs() <= half_width,
            "{component}: {joules} ± {half_width}"
        );
        assert!(half_width > 0.4 * joules, "{component}: {joules} ± {half_width}");
    }
}
