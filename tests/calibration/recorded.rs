//! Recordings of an emulated board on the virtual clock, with the agent's own sampler and none of
//! the inference, which takes no part in times, joules or bytes.

use std::sync::Arc;

use tempfile::TempDir;
use wattline_agent::{Inventory, Recorder, Settings};
use wattline_analysis::{Analysis, Options, analyze};
use wattline_board::clock::attend;
use wattline_board::description::Description;
use wattline_board::emulated::EmulatedBoard;
use wattline_board::emulated::fluid::Spent;
use wattline_board::emulated::work::Work;
use wattline_inference::{layer_shapes, zoo};
use wattline_trace::rows::{SpanKind, SpanRow};
use wattline_trace::{
    BoardRecord, BundleWriter, ClockKind, ClockRecord, ComponentRecord, Manifest, Outcome,
    Provenance, SCHEMA_VERSION, TableWriter,
};

const SECOND_NS: u64 = 1_000_000_000;

/// One network on one component, recorded.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) board: Description,
    network: &'static str,
    component: &'static str,
    work: Arc<Work>,
    /// Operations and bytes of each layer.
    costs: Vec<(u64, u64)>,
    pub(crate) images: u64,
    /// The window that sensors are asked for.
    pub(crate) update_interval_ms: u32,
    /// Whether layers are recorded too.
    pub(crate) layers: bool,
    /// The longest pause before an image.
    pub(crate) dither_ns: u64,
}

/// What the board knows of one image, on the component's rails.
#[derive(Debug, Clone)]
pub(crate) struct Truth {
    pub(crate) joules: f64,
    pub(crate) layers: Vec<f64>,
}

impl Case {
    pub(crate) fn new(board: &str, network: &'static str, component: &'static str) -> Self {
        let board = Description::load(board).unwrap();
        let graph = zoo::graph_structure(network).unwrap();
        let known = board.component(component).unwrap();
        let shapes = layer_shapes(&graph, known.precision);
        let work = Arc::new(Work::plan(network, &shapes, known).unwrap());
        let bytes = |it: &wattline_board::emulated::cache::LayerShape| {
            it.input_bytes + it.weight_bytes + it.output_bytes
        };
        let costs = shapes.iter().map(|it| (it.flops, bytes(it))).collect();
        Case {
            board,
            network,
            component,
            work,
            costs,
            images: 20,
            update_interval_ms: 2,
            layers: true,
            dither_ns: 0,
        }
    }

    /// Records it with a second of idle time on either side, and analyses the recording.
    pub(crate) fn run(&self, seed: u64) -> (Analysis, Truth) {
        let home = in_memory();
        let trace = home.path().join("trace");
        let truth = self.record(seed, &trace);
        (analyze(&[trace], &Options::default()).unwrap(), truth)
    }

    /// The same, without the analysis.
    pub(crate) fn record(&self, seed: u64, directory: &std::path::Path) -> Truth {
        let board = EmulatedBoard::start(self.board.clone(), ClockKind::Virtual, seed).unwrap();
        let clock = Arc::clone(board.clock());
        let attendance = attend(&clock);
        let inventory = Inventory::discover(&self.board, board.roots());
        let mut manifest = manifest(&self.board, &[self.component], seed);
        manifest.rails = inventory.rail_records(Some(Provenance::Emulated));
        manifest.counters = inventory.counter_records(450.0, Some(Provenance::Emulated));
        let bundle = BundleWriter::create(directory, &manifest, false).unwrap();
        let settings =
            Settings { update_interval_ms: Some(self.update_interval_ms), ..Settings::default() };
        let recorder = Recorder::start(inventory, &clock, &bundle, &settings).unwrap();
        manifest.rails = recorder.rail_records(Some(Provenance::Emulated));
        manifest.counters = recorder.counter_records(Some(Provenance::Emulated));
        let spans = bundle.table::<SpanRow>().unwrap();
        clock.sleep_until(clock.now_ns() + SECOND_NS);
        let truth = self.stream(seed, &board, &spans);
        clock.sleep_until(clock.now_ns() + SECOND_NS);
        recorder.stop(attendance);
        bundle.finish(manifest, Outcome::Completed).unwrap();
        truth
    }

    /// Runs the images, two queued as `wattline run` does it, and writes their spans.
    fn stream(&self, seed: u64, board: &EmulatedBoard, spans: &TableWriter<SpanRow>) -> Truth {
        let (mut first, mut last) = (u64::MAX, 0);
        let mut truth = None;
        let mut flights = std::collections::VecDeque::new();
        let mut submitted = 0;
        let mut state = seed;
        let queued = if self.dither_ns > 0 { 1 } else { 2 };
        loop {
            while submitted < self.images && flights.len() < queued {
                if self.dither_ns > 0 {
                    // Numerical Recipes' generator is even enough to be a pause.
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    let clock = board.clock();
                    clock.sleep_until(clock.now_ns() + (state >> 33) % self.dither_ns);
                }
                flights.push_back((submitted, board.submit(self.component, submitted, &self.work)));
                submitted += 1;
            }
            let Some((image, flight)) = flights.pop_front() else { break };
            let done = board.wait(flight).unwrap();
            let id = 1000 * (image + 1);
            if self.layers {
                for (index, spent) in done.layers.iter().enumerate() {
                    let name = self.work.layers[index].name.clone();
                    let (flops, bytes) = self.costs[index];
                    let kind = SpanKind::Layer;
                    spans
                        .write(&SpanRow {
                            name,
                            flops: Some(flops),
                            bytes_theoretical: Some(bytes),
                            ..self.span(id + 1 + index as u64, id, kind, image, times(spent))
                        })
                        .unwrap();
                }
            }
            spans.write(&self.span(id, 1, SpanKind::Image, image, times(&done.image))).unwrap();
            (first, last) = (first.min(done.image.start_ns), last.max(done.image.end_ns));
            truth = Some(self.truth(&done.image, &done.layers));
        }
        let run = SpanRow {
            parent: None,
            image: None,
            ..self.span(1, 0, SpanKind::Run, 0, (first, last))
        };
        spans.write(&run).unwrap();
        truth.unwrap()
    }

    fn span(
        &self,
        id: u64,
        parent: u64,
        kind: SpanKind,
        image: u64,
        (start_ns, end_ns): (u64, u64),
    ) -> SpanRow {
        SpanRow {
            id,
            parent: Some(parent),
            kind,
            name: self.network.into(),
            component: self.component.into(),
            image: Some(image),
            start_ns,
            end_ns,
            flops: Some(1),
            bytes_theoretical: Some(1),
        }
    }

    /// Every image of a component that has the board to itself spends the same.
    fn truth(&self, image: &Spent, layers: &[Spent]) -> Truth {
        let component = self.board.component(self.component).unwrap();
        let rails = self.board.rails_of(component);
        let counts = |index: &usize| rails.contains(&self.board.rails[*index].name());
        let counted: Vec<usize> = (0..self.board.rails.len()).filter(counts).collect();
        let joules = |spent: &Spent| counted.iter().map(|&rail| spent.active_joules[rail]).sum();
        Truth { joules: joules(image), layers: layers.iter().map(joules).collect() }
    }
}

/// The manifest of a recording of some of a board's components.
pub(crate) fn manifest(board: &Description, components: &[&str], seed: u64) -> Manifest {
    let record = |name: &&str| {
        let component = board.component(name).unwrap();
        ComponentRecord {
            name: (*name).to_owned(),
            kind: component.kind.as_str().to_owned(),
            executor: "emulated".to_owned(),
            rails: board.rails_of(component).into_iter().map(str::to_owned).collect(),
            cpus: vec![],
            threads: None,
            peak_flops_per_s: component.peak_rate().map(|peak| peak.flops_per_s()),
            bandwidth_bytes_per_s: component.bandwidth.map(|known| known.bytes_per_s()),
            provenance: Provenance::Emulated,
            frequency: None,
            stand_in: None,
        }
    };
    Manifest {
        schema: SCHEMA_VERSION,
        wattline: env!("CARGO_PKG_VERSION").to_owned(),
        board: BoardRecord {
            name: board.name.clone(),
            model: board.model.clone(),
            emulated: true,
            unit: Some("emulated".to_owned()),
        },
        kernel: String::new(),
        command: vec![],
        clock: ClockRecord { kind: ClockKind::Virtual, utc_offset_ns: 0 },
        seed,
        rails: vec![],
        counters: vec![],
        hardware_counters: vec![],
        dram_source: board.memory.counter.as_ref().map(|it| it.get_ref().clone()),
        components: components.iter().map(record).collect(),
        models: vec![],
        coexecution: None,
        dither: None,
        inputs: None,
        complete: false,
        interrupted: false,
        failure: None,
    }
}

/// A directory that no disk slows down, where there is one.
pub(crate) fn in_memory() -> TempDir {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap()
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} on {}, {} ms", self.network, self.component, self.update_interval_ms)
    }
}

fn times(spent: &Spent) -> (u64, u64) {
    (spent.start_ns, spent.end_ns)
}

/// Does something for each seed, on as many threads as there are cores; answers in order of seeds.
pub(crate) fn for_seeds<T: Send>(
    seeds: std::ops::Range<u64>,
    work: impl Fn(u64) -> T + Sync,
) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let share = |thread: u64| {
        let own = seeds.clone().filter(move |seed| seed % threads == thread);
        own.map(|seed| (seed, work(seed))).collect::<Vec<_>>()
    };
    let mut found: Vec<(u64, T)> = std::thread::scope(|scope| {
        let share = &share;
        let running: Vec<_> = (0..threads).map(|it| scope.spawn(move || share(it))).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    found.sort_by_key(|(seed, _)| *seed);
    found.into_iter().map(|(_, found)| found).collect()
}
