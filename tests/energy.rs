//! The policy `energy` on the emulated boards: a frame rate, at the least joules per image.
//!
//! Every network of the study on both boards, at frame rates from a tenth of what all components
//! do together to nearly all of it. The policy's plan comes from solo profiles; it is held against
//! a search that knows nothing of how the plan is made: every set of components, filled up in
//! every order. What the streams then spend is the fluid model's, contention included, which
//! solo profiles know nothing of.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use wattline_board::description::Description;
use wattline_board::emulated::fluid::Fluid;
use wattline_board::emulated::work::Work;
use wattline_inference::coexecution::policy::{Candidate, PolicyKind, least_energy};
use wattline_inference::coexecution::{
    FluidBoard, Late, Paced, Plan, Profile, Report, Settings, Source, TimeModel, simulate,
};
use wattline_inference::{layer_shapes, zoo};

const BOARDS: [&str; 2] = ["exynos5422", "kirin970"];

/// Shares of what all components do together.
const LOADS: [f64; 6] = [0.1, 0.3, 0.5, 0.7, 0.8, 0.95];

/// Frames of each stream: long enough that its first and last images count for little.
const FRAMES: u64 = 1000;

/// Frames of each of the many streams of a search.
const SEARCHED_FRAMES: u64 = 300;

/// A network on the components of a board that run it.
#[derive(Clone)]
struct Case {
    name: String,
    board: Description,
    works: Vec<(usize, Arc<Work>)>,
    profiles: Vec<Profile>,
}

impl Case {
    fn new(board: &str, network: &str) -> Case {
        let board = Description::load(board).unwrap();
        let graph = zoo::graph_structure(network).unwrap();
        let work = |index: usize| {
            let component = &board.components[index];
            let shapes = layer_shapes(&graph, component.precision);
            Some((index, Arc::new(Work::plan(network, &shapes, component).ok()?)))
        };
        let works: Vec<_> = (0..board.components.len()).filter_map(work).collect();
        let profile = |lane: &(usize, Arc<Work>)| {
            let name = board.components[lane.0].name();
            // What it is thought to take only tells when it has stalled.
            let plan = plan(PolicyKind::Steal, vec![Profile::new(name, 10.0, 0.0)], None, 1);
            let mut model = FluidBoard::new(Fluid::new(&board, 0), [lane.clone()]);
            let report = simulate(plan, &mut model, |_| ControlFlow::Continue(())).unwrap();
            Profile::new(name, report.makespan_s, report.joules())
        };
        let profiles = works.iter().map(profile).collect();
        Case { name: format!("{network} on {}", board.name), board, works, profiles }
    }

    fn fluid(&self) -> FluidBoard {
        FluidBoard::new(Fluid::new(&self.board, 0), self.works.clone())
    }

    fn run(&self, policy: PolicyKind, fps: f64, frames: u64, model: &mut dyn TimeModel) -> Report {
        let plan = plan(policy, self.profiles.clone(), Some(fps), frames);
        simulate(plan, model, |_| ControlFlow::Continue(())).unwrap()
    }

    /// Some of its components, a bit each.
    fn part(&self, subset: u32) -> Case {
        let within = |index: &usize| subset >> index & 1 == 1;
        let chosen: Vec<_> = (0..self.works.len()).filter(within).collect();
        Case {
            name: self.name.clone(),
            board: self.board.clone(),
            works: chosen.iter().map(|&index| self.works[index].clone()).collect(),
            profiles: chosen.iter().map(|&index| self.profiles[index].clone()).collect(),
        }
    }

    /// Streams on every set of components, by this policy and by stealing, but for sets that can
    /// do nothing for the answer. No component is faster than alone: a set that even so needs more
    /// than `makespan_s` for the frames is not the fastest, and if its queue would even so outgrow
    /// what [`Case::keeps_up`] allows it is not in time.
    fn search(&self, fps: f64, makespan_s: f64) -> Vec<(Case, Report)> {
        let mut runs = Vec::new();
        for part in (1u32..1 << self.works.len()).map(|subset| self.part(subset)) {
            let rate: f64 = part.profiles.iter().map(Profile::rate).sum();
            let left = SEARCHED_FRAMES as f64 * (1.0 - rate / fps);
            // Two wait and one runs on each; one more for rounding.
            let never_in_time = left > (3 * part.profiles.len() + 1) as f64;
            if never_in_time && SEARCHED_FRAMES as f64 / rate > makespan_s {
                continue;
            }
            // One component alone takes what comes, by either policy.
            let both = [PolicyKind::Steal, PolicyKind::Energy];
            for &policy in &both[..part.works.len().min(2)] {
                let report = part.run(policy, fps, SEARCHED_FRAMES, &mut part.fluid());
                runs.push((part.clone(), report));
            }
        }
        runs
    }

    /// Whether frames were run as they came: never did more wait than two for each component.
    fn keeps_up(&self, report: &Report) -> bool {
        report.queue.max <= 2 * self.profiles.len()
    }

    /// Whether `mine` is within 2 % of the best of `others`: in joules where some keep up, in time
    /// where none does.
    fn is_as_good<'a>(
        &self,
        mine: &Report,
        others: impl Iterator<Item = &'a (Case, Report)> + Clone,
    ) -> bool {
        let in_time = others.clone().filter(|(part, run)| part.keeps_up(run));
        let least = in_time.map(|(_, run)| joules_per_image(run)).fold(f64::INFINITY, f64::min);
        let fastest = others.map(|(_, run)| run.makespan_s).fold(f64::INFINITY, f64::min);
        let (cost, slowness) = (joules_per_image(mine) / least, mine.makespan_s / fastest);
        let within = match least.is_finite() {
            true => cost <= 1.02 && self.keeps_up(mine),
            false => slowness < 1.02,
        };
        if !within {
            println!(
                "{}: {cost:.4} of the least joules, {slowness:.4} of the least time",
                self.name
            );
        }
        within
    }

    /// The frame rates to be met.
    fn rates(&self) -> impl Iterator<Item = f64> {
        let all: f64 = self.profiles.iter().map(Profile::rate).sum();
        LOADS.into_iter().map(move |load| load * all)
    }

    /// The component that is fastest alone.
    fn best(&self) -> &Profile {
        self.profiles.iter().max_by(|a, b| a.rate().total_cmp(&b.rate())).unwrap()
    }
}

fn plan(policy: PolicyKind, profiles: Vec<Profile>, fps: Option<f64>, images: u64) -> Plan {
    let source = match fps {
        Some(fps) => Source::Camera { fps, frames: Some(images), late: Late::Queue },
        None => Source::Finite { images },
    };
    let policy = policy.policy(fps, Vec::new()).unwrap();
    Plan { policy, profiles, source, settings: Settings::default() }
}

/// Every network on both boards.
static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let networks = |board| zoo::names().iter().map(move |it| Case::new(board, it));
    BOARDS.into_iter().flat_map(networks).collect()
});

/// Checks every case, on as many threads as there are cores.
fn in_parallel(check: impl Fn(&Case) + Sync) {
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(case) = CASES.get(next.fetch_add(1, Ordering::Relaxed)) {
            check(case);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
}

/// The least joules per image at `fps`, over every order of every set of components: each is
/// given what it can do of what is left.
fn exhaustive(profiles: &[Profile], used: u32, left: f64, fps: f64) -> f64 {
    if left <= 1e-9 * fps {
        return 0.0;
    }
    let unused = (0..profiles.len()).filter(|index| used >> index & 1 == 0);
    let with = |index: usize| {
        let rate = left.min(profiles[index].rate());
        let rest = exhaustive(profiles, used | 1 << index, left - rate, fps);
        rate / fps * profiles[index].joules() + rest
    };
    unused.map(with).fold(f64::INFINITY, f64::min)
}

fn joules_per_image(report: &Report) -> f64 {
    report.joules() / report.images as f64
}

#[test]
fn the_plan_is_the_least_of_all() {
    for case in CASES.iter() {
        for fps in case.rates() {
            let candidates: Vec<_> = case.profiles.iter().cloned().map(Candidate::new).collect();
            let planned = least_energy(&candidates, fps);
            let least = exhaustive(&case.profiles, 0, fps, fps);
            assert!(planned.meets_fps, "{} at {fps} images/s", case.name);
            let error = planned.joules_per_image / least - 1.0;
            assert!(error.abs() < 1e-9, "{} at {fps} images/s: {error}", case.name);
        }
    }
}

/// The policy itself, image by image, on components that take and spend what they do alone.
#[test]
fn a_stream_spends_what_was_planned() {
    in_parallel(|case| {
        for fps in case.rates() {
            let report = case.run(PolicyKind::Energy, fps, FRAMES, &mut Paced::new(&case.profiles));
            let ratio = joules_per_image(&report) / exhaustive(&case.profiles, 0, fps, fps);
            assert!(ratio <= 1.02, "{} at {fps} images/s: {ratio} of the least", case.name);
            assert!(case.keeps_up(&report), "{} at {fps} images/s: {report:?}", case.name);
        }
    });
}

/// Where stealing within a set of components is cheaper by more than 2 %, by case and load: 2.7 %
/// between GPU and NPU, at all but as much as both can do. Both read their weights at the same time
/// or in turn. Stealing has frames start them in turn, and so they stay; the NPU, run flat out
/// because its images are cheaper, drifts past the GPU, and what it makes the GPU's images dearer is
/// more than it saves. Estimates of components one by one do not show that. Running a set that has
/// little to spare flat out mends this case, and costs others up to 13 % (AlexNet on the
/// Exynos 5422 at a load of 0.95, where the A15 then takes images that its GPU was about to).
const STEALING_IS_CHEAPER: [(&str, f64); 1] = [("alexnet on kirin970", 0.8)];

/// The same on the board's model, whose components get in each other's way: then an image takes
/// longer and more joules than alone, which solo profiles do not know. So the search runs streams
/// too, on every set of components, by this policy and by stealing. Of those that keep up the
/// cheapest is what the policy is held against; where none does, the fastest.
#[test]
fn no_set_of_components_does_better_on_the_board() {
    let (worse, worse_than_stealing) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    in_parallel(|case| {
        for (load, fps) in LOADS.into_iter().zip(case.rates()) {
            let mine = case.run(PolicyKind::Energy, fps, SEARCHED_FRAMES, &mut case.fluid());
            let runs = case.search(fps, mine.makespan_s);
            let alike = |(part, run): &&(Case, Report)| {
                part.works.len() == 1 || run.policy == PolicyKind::Energy
            };
            if !case.is_as_good(&mine, runs.iter().filter(alike)) {
                worse.lock().unwrap().push((case.name.clone(), load));
            } else if !case.is_as_good(&mine, runs.iter()) {
                worse_than_stealing.lock().unwrap().push((case.name.clone(), load));
            }
        }
    });
    assert_eq!(worse.into_inner().unwrap(), []);
    // Exactly these: one that is mended is taken off the list.
    let expected = STEALING_IS_CHEAPER.map(|(name, load)| (name.to_owned(), load));
    assert_eq!(worse_than_stealing.into_inner().unwrap(), expected);
}

#[test]
fn never_more_than_the_best_component_alone_where_that_keeps_up() {
    in_parallel(|case| {
        let best = case.best();
        for load in [0.1, 0.3, 0.5, 0.7, 0.9, 0.97] {
            let fps = load * best.rate();
            let energy =
                joules_per_image(&case.run(PolicyKind::Energy, fps, FRAMES, &mut case.fluid()));
            let alone = best.joules();
            assert!(
                energy <= alone * (1.0 + 1e-9),
                "{} at {fps} images/s: {energy} J, and {alone} J on {} alone",
                case.name,
                best.name()
            );
        }
    });
}
