//! What "Neural Network Inference on Mobile SoCs" (Wang, Pathania, Mitra) found on two boards,
//! held against the emulated ones: Table I cell by cell, section III-B's statements about energy
//! and section IV's about operational intensity. The figures of Table I are typed from the study
//! and not read from the descriptions.
//!
//! The study prints no joules. What is checked of energy is what it says in words and in rounded
//! ratios; levels are the descriptions' assumptions. `--nocapture` shows them.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use wattline_board::clock::attend;
use wattline_board::description::{Component, Description};
use wattline_board::emulated::EmulatedBoard;
use wattline_board::emulated::cache::LayerShape;
use wattline_board::emulated::fluid::Completion;
use wattline_board::emulated::work::{Work, calibrate};
use wattline_inference::{layer_shapes, zoo};
use wattline_trace::ClockKind;

/// Columns of [`TABLE_I`].
const COLUMNS: [(&str, &str); 7] = [
    ("exynos5422", "a7"),
    ("exynos5422", "a15"),
    ("exynos5422", "gpu"),
    ("kirin970", "a53"),
    ("kirin970", "a73"),
    ("kirin970", "gpu"),
    ("kirin970", "npu"),
];

const NOT_SUPPORTED: f64 = f64::NAN;

/// Table I of the study: images a second.
const TABLE_I: [(&str, [f64; 7]); 5] = [
    ("alexnet", [1.1, 3.1, 7.8, 2.2, 7.6, 32.5, 32.5]),
    ("googlenet", [0.9, 3.4, 5.2, 3.0, 7.1, 19.9, 34.4]),
    ("mobilenet", [1.5, 5.7, 8.5, 6.5, 17.7, 29.1, NOT_SUPPORTED]),
    ("resnet50", [0.2, 1.3, 2.1, 1.5, 2.8, 8.4, 21.9]),
    ("squeezenet", [1.5, 5.0, 8.0, 6.8, 15.7, 43.0, 49.3]),
];

/// One published throughput, with what it takes to run it here.
struct Cell {
    board: Description,
    component: Component,
    network: &'static str,
    images_per_s: f64,
    shapes: Vec<LayerShape>,
}

impl Cell {
    fn plan(&self) -> Work {
        Work::plan(self.network, &self.shapes, &self.component).unwrap()
    }

    fn name(&self) -> String {
        format!("{} on {} of {}", self.network, self.component.name(), self.board.name)
    }

    /// Runs images back to back on the emulated board, alone.
    fn run(&self, images: u64) -> Vec<Completion> {
        let board = EmulatedBoard::start(self.board.clone(), ClockKind::Virtual, 1).unwrap();
        let _here = attend(board.clock());
        let work = Arc::new(self.plan());
        let submit = |image| board.submit(self.component.name(), image, &work);
        let flights: Vec<_> = (0..images).map(submit).collect();
        flights.into_iter().map(|flight| board.wait(flight).unwrap()).collect()
    }

    /// FLOPs, bytes by the study's equation (1), bytes at the DRAM.
    fn intensities(&self) -> (f64, f64) {
        let flops: u64 = self.shapes.iter().map(|shape| shape.flops).sum();
        let theoretical: u64 = self.shapes.iter().map(theoretical_bytes).sum();
        (flops as f64 / theoretical as f64, flops as f64 / self.plan().dram_bytes())
    }
}

fn theoretical_bytes(shape: &LayerShape) -> u64 {
    shape.input_bytes + shape.weight_bytes + shape.output_bytes
}

/// Every cell of Table I that holds a number.
fn published() -> Vec<Cell> {
    let mut cells = Vec::new();
    for (network, row) in TABLE_I {
        let graph = zoo::graph_structure(network).unwrap();
        for ((board, component), images_per_s) in COLUMNS.into_iter().zip(row) {
            if !images_per_s.is_nan() {
                let board = Description::load(board).unwrap();
                let component = board.component(component).unwrap().clone();
                let shapes = layer_shapes(&graph, component.precision);
                cells.push(Cell { board, component, network, images_per_s, shapes });
            }
        }
    }
    assert_eq!(cells.len(), 34);
    cells
}

fn within(share: f64, value: f64, expected: f64) -> bool {
    (value / expected - 1.0).abs() <= share
}

#[test]
fn planned_throughput_is_table_one() {
    for cell in published() {
        let planned = 1.0 / cell.plan().solo_seconds(&cell.component);
        let expected = cell.images_per_s;
        assert!(within(0.02, planned, expected), "{}: {planned}, not {expected}", cell.name());
    }
}

/// As an observer of the emulated board sees it: layers dispatched one by one, its memory shared
/// with idle traffic, instants in whole nanoseconds.
#[test]
fn emulated_throughput_is_table_one() {
    for cell in published() {
        let images = cell.run(3);
        let taken_ns = images[2].image.end_ns - images[0].image.start_ns;
        let seen = 3e9 / taken_ns as f64;
        let expected = cell.images_per_s;
        assert!(within(0.02, seen, expected), "{}: {seen}, not {expected}", cell.name());
    }
}

#[test]
fn the_npu_refuses_mobilenet_by_its_first_depthwise_layer() {
    let board = Description::load("kirin970").unwrap();
    let npu = board.component("npu").unwrap();
    let graph = zoo::graph_structure("mobilenet").unwrap();
    let layers = graph.layers().iter();
    let first = layers.clone().find(|layer| layer.operator.kind() == "depthwise_conv2d").unwrap();
    let shapes = layer_shapes(&graph, npu.precision);
    let refused = Work::plan("mobilenet", &shapes, npu).unwrap_err().to_string();
    assert!(refused.contains("not supported") && refused.contains(&first.name), "{refused}");
    let refused = calibrate("mobilenet", &shapes, npu, 1.0).unwrap_err().to_string();
    assert!(refused.contains("not supported"), "{refused}");
}

/// Each efficiency in a description is what its figures give, to the digits it is printed with,
/// and each throughput that it is fitted to is the study's.
#[test]
fn calibrations_are_derived() {
    for cell in published() {
        let known = &cell.component.calibration[cell.network];
        assert_eq!(known.images_per_s, cell.images_per_s, "{}", cell.name());
        let fitted =
            calibrate(cell.network, &cell.shapes, &cell.component, cell.images_per_s).unwrap();
        let fitted = fitted.unwrap_or_else(|| panic!("{}: out of reach", cell.name()));
        let printed = known.efficiency.get_ref();
        assert_eq!(format!("{fitted:.5}"), format!("{printed:.5}"), "{}", cell.name());
    }
    for board in ["exynos5422", "kirin970"].map(|name| Description::load(name).unwrap()) {
        let fitted: usize = board.components.iter().map(|it| it.calibration.len()).sum();
        let cells = published().iter().filter(|cell| cell.board.name == board.name).count();
        assert_eq!(fitted, cells, "{} is fitted to Table I and nothing else", board.name);
    }
}

/// "The presence of cache reduces the memory accesses going to the DRAM [...] for all layers,
/// OI_e points are on the right of OI_t points" (IV-B), here for whole networks; "The Big core
/// cluster with a larger cache size [...] derives higher benefits from memory hierarchy than GPU"
/// (IV-C).
#[test]
fn caches_raise_operational_intensity_and_larger_ones_more() {
    let mut gains: BTreeMap<&str, BTreeMap<String, f64>> = BTreeMap::new();
    for cell in published().iter().filter(|cell| cell.board.name == "exynos5422") {
        let (theoretical, empirical) = cell.intensities();
        assert!(empirical > theoretical, "{}: {empirical} <= {theoretical}", cell.name());
        let gain = empirical / theoretical;
        println!("{}: OI_t {theoretical:.2}, OI_e {empirical:.2} FLOP/B", cell.name());
        gains.entry(cell.network).or_default().insert(cell.component.name().to_owned(), gain);
    }
    assert_eq!(gains.len(), 5);
    for (network, gains) in gains {
        let (gpu, a7, a15) = (gains["gpu"], gains["a7"], gains["a15"]);
        assert!(gpu < a7 && a7 < a15, "{network}: {gains:?}");
    }
}

/// "For layers with low OI_t (fully connected, FC), the points move along the Roofline, achieving
/// the theoretical maximum performance" (IV-B): on the A15 they do all that the bandwidth allows,
/// and no cache moves them.
#[test]
fn fully_connected_layers_stay_on_the_roof() {
    let cells = published();
    let is_it = |cell: &&Cell| cell.network == "alexnet" && cell.component.name() == "a15";
    let cell = cells.iter().find(is_it).unwrap();
    let bandwidth = cell.component.bandwidth.unwrap().bytes_per_s();
    let dispatch = cell.component.dispatch.seconds();
    let run = cell.run(1).remove(0);
    let mut seen = 0;
    for (shape, spent) in cell.shapes.iter().zip(&run.layers) {
        if shape.operator != "fully_connected" {
            continue;
        }
        seen += 1;
        let flops = shape.flops as f64;
        let theoretical = flops / theoretical_bytes(shape) as f64;
        let empirical = flops / spent.dram_bytes;
        assert!(within(0.01, empirical, theoretical), "{}: {empirical}", shape.name);
        let seconds = (spent.end_ns - spent.start_ns) as f64 * 1e-9 - dispatch;
        let achieved = flops / seconds;
        let roof = empirical * bandwidth;
        assert!(within(0.02, achieved, roof), "{}: {achieved}, roof {roof}", shape.name);
    }
    assert_eq!(seen, 3, "fc6, fc7 and fc8");
    // And its convolutions are not bound by memory.
    let (conv2, spent) =
        cell.shapes.iter().zip(&run.layers).find(|it| &*it.0.name == "conv2").unwrap();
    let seconds = (spent.end_ns - spent.start_ns) as f64 * 1e-9 - dispatch;
    let roof = conv2.flops as f64 / spent.dram_bytes * bandwidth;
    assert!(conv2.flops as f64 / seconds < 0.8 * roof, "conv2 lies well under the roof");
}

/// What a component draws above idle on a network, alone.
#[derive(Clone, Copy)]
struct Drawn {
    images_per_s: f64,
    images_per_joule: f64,
}

impl Drawn {
    fn watts(self) -> f64 {
        self.images_per_s / self.images_per_joule
    }
}

/// Energy of every published cell from the emulated board's own books: joules above idle on the
/// component's rails, the driving cluster's and the memory's.
struct Energy(BTreeMap<(String, String, &'static str), Drawn>);

impl Energy {
    /// Run once for all tests.
    fn of_all_cells() -> &'static Self {
        static ENERGY: LazyLock<Energy> = LazyLock::new(Energy::measure);
        &ENERGY
    }

    fn measure() -> Self {
        let drawn = published().into_iter().map(|cell| {
            let images = cell.run(2);
            let rails = cell.board.rails_of(&cell.component);
            let counted = |index: usize| rails.contains(&cell.board.rails[index].name());
            let joules: f64 = images
                .iter()
                .flat_map(|done| done.image.active_joules.iter().enumerate())
                .filter_map(|(index, joules)| counted(index).then_some(joules))
                .sum();
            let taken_ns = images[1].image.end_ns - images[0].image.start_ns;
            let (images_per_s, images_per_joule) = (2e9 / taken_ns as f64, 2.0 / joules);
            let drawn = Drawn { images_per_s, images_per_joule };
            println!("{}: {images_per_joule:.3} images/J, {:.3} W", cell.name(), drawn.watts());
            ((cell.board.name.clone(), cell.component.name().to_owned(), cell.network), drawn)
        });
        Energy(drawn.collect())
    }

    fn find(&self, board: &str, component: &str, network: &'static str) -> Option<Drawn> {
        self.0.get(&(board.to_owned(), component.to_owned(), network)).copied()
    }

    fn per_joule(&self, board: &str, component: &str, network: &'static str) -> f64 {
        self.find(board, component, network).unwrap().images_per_joule
    }

    /// Power over the networks, averaged.
    fn mean_watts(&self, board: &str, component: &str) -> f64 {
        let watts = networks().map(|network| self.find(board, component, network).unwrap().watts());
        watts.sum::<f64>() / 5.0
    }

    /// Images per joule of components that share a stream of images, each at its own rate: the
    /// "average energy efficiency of engaged components" (V-C), weighted by images.
    fn co_execution(&self, board: &str, engaged: &[&str], network: &'static str) -> f64 {
        let engaged: Vec<_> =
            engaged.iter().filter_map(|it| self.find(board, it, network)).collect();
        let rate: f64 = engaged.iter().map(|it| it.images_per_s).sum();
        engaged.iter().map(|it| it.images_per_s / rate * it.images_per_joule).sum()
    }
}

fn networks() -> impl Iterator<Item = &'static str> {
    TABLE_I.into_iter().map(|(network, _)| network)
}

/// III-B-2: "NPU is the most energy-efficient among all components [...]. GPUs are the
/// second-most"; III-B-4: "CPUs provide [...] the worst energy-efficiency", the small cluster's
/// being better than the big one's.
#[test]
fn efficiency_ranks_npu_gpu_small_big() {
    let energy = Energy::of_all_cells();
    for network in networks() {
        for (board, ranked) in [
            ("exynos5422", &["gpu", "a7", "a15"][..]),
            ("kirin970", &["npu", "gpu", "a53", "a73"][..]),
        ] {
            let known = ranked.iter().filter_map(|it| energy.find(board, it, network));
            let known: Vec<f64> = known.map(|drawn| drawn.images_per_joule).collect();
            assert!(known.len() >= 3 && known.is_sorted_by(|a, b| a > b), "{network}: {known:?}");
        }
    }
}

/// III-B-1: "a decrease in Big to Small power consumption ratio from 10x to 4x"; III-B-3: "the
/// small A53 cluster consumes roughly twice the power of the small A7 cluster".
#[test]
fn clusters_draw_power_in_the_published_ratios() {
    let energy = Energy::of_all_cells();
    let exynos = energy.mean_watts("exynos5422", "a15") / energy.mean_watts("exynos5422", "a7");
    assert!((8.0..=12.0).contains(&exynos), "{exynos}");
    let kirin = energy.mean_watts("kirin970", "a73") / energy.mean_watts("kirin970", "a53");
    assert!((3.3..=4.7).contains(&kirin), "{kirin}");
    let small = energy.mean_watts("kirin970", "a53") / energy.mean_watts("exynos5422", "a7");
    assert!((1.6..=2.6).contains(&small), "{small}");
    println!("A15 : A7 {exynos:.2}, A73 : A53 {kirin:.2}, A53 : A7 {small:.2}");
}

/// III-B-2: "the energy efficiency of each component has improved for the newer SoC. However, the
/// improvement is minimal and even negative for the Small CPU cluster".
#[test]
fn newer_components_are_more_efficient_but_for_the_small_cluster() {
    let energy = Energy::of_all_cells();
    let gain = |older, newer, network| {
        energy.per_joule("kirin970", newer, network)
            / energy.per_joule("exynos5422", older, network)
    };
    let product = |older, newer| networks().map(|it| gain(older, newer, it)).product::<f64>();
    for network in networks() {
        assert!(gain("a15", "a73", network) > 1.0, "A15 to A73 on {network}");
        assert!(gain("gpu", "gpu", network) > 1.0, "T628 to G72 on {network}");
    }
    let small: Vec<f64> = networks().map(|network| gain("a7", "a53", network)).collect();
    assert!(small.iter().any(|&gain| gain < 1.0), "A7 to A53 gets worse somewhere: {small:?}");
    assert!(product("a7", "a53") < product("a15", "a73").min(product("gpu", "gpu")), "{small:?}");
}

/// V-C: "the co-execution energy efficiency is always better than the Big CPU cluster. In Kirin
/// 970 SoC [...] co-execution provides better energy efficiency than the power-efficient Small CPU
/// cluster".
#[test]
fn co_execution_beats_the_big_cluster() {
    let energy = Energy::of_all_cells();
    for network in networks() {
        let all = energy.co_execution("exynos5422", &["a7", "a15", "gpu"], network);
        assert!(all > energy.per_joule("exynos5422", "a15", network), "{network}");
        for engaged in [&["a53", "a73", "gpu"][..], &["a53", "a73", "gpu", "npu"][..]] {
            let all = energy.co_execution("kirin970", engaged, network);
            assert!(all > energy.per_joule("kirin970", "a73", network), "{network}");
            assert!(all > energy.per_joule("kirin970", "a53", network), "{network}");
        }
    }
}
