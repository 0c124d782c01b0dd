//! One prediction: solo profiles first, then the stream, or several of about its length.

use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::{Result, bail};
use wattline_analysis::SummaryRow;
use wattline_board::description::{Component, Description};
use wattline_board::emulated::fluid::{Completion, Fluid};
use wattline_board::emulated::work::Work;
use wattline_inference::coexecution::policy::PolicyKind;
use wattline_inference::coexecution::{
    FluidBoard, Late, Plan, Profile, Report, STUDY_IMAGES, Settings, Source, simulate,
    streams_around,
};
use wattline_inference::cost::{ElementType, graph_cost};
use wattline_inference::graph::Graph;
use wattline_inference::{Model, layer_shapes, zoo};
use wattline_trace::Provenance;
use wattline_trace::rows::ALL_COMPONENTS;

use crate::coexecution::{alone, transfers};
use crate::run::lane::refuse_quantised;

/// What is to be predicted.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) board: Description,
    pub(super) network: String,
    /// Empty for all that can run the network.
    pub(super) components: Vec<String>,
    pub(super) policy: PolicyKind,
    /// Of the stream; without it what is expected of one as long as the study's.
    pub(super) images: Option<u64>,
    pub(super) fps: Option<f64>,
}

/// A component that takes part.
#[derive(Debug)]
struct Lane<'a> {
    component: &'a Component,
    /// Its place on the board.
    index: usize,
    work: Arc<Work>,
    alone: Completion,
}

/// Predicts a stream: a row of `summary.csv` for each component, and one named `all`.
pub(super) fn predict(question: &Question) -> Result<Vec<SummaryRow>> {
    let board = &question.board;
    if let Some(key) = board.missing_for_emulation() {
        bail!("board {} cannot be simulated: its description lacks {key}", board.name);
    }
    let (network, graph) = open(&question.network)?;
    refuse_quantised(&network, &graph)?;
    let lanes = lanes(question, &network, &graph)?;
    let lengths = match question.images {
        Some(images) => images..=images,
        None => streams_around(STUDY_IMAGES),
    };
    let reports = lengths.map(|images| stream(question, &graph, &lanes, images));
    let streams = Streams(reports.collect::<Result<_>>()?);
    Ok(rows(question, &network, &graph, &lanes, &streams))
}

/// Streams so many images through the board's model.
fn stream(question: &Question, graph: &Graph, lanes: &[Lane<'_>], images: u64) -> Result<Report> {
    let board = &question.board;
    let mut plan = Plan {
        policy: question.policy.policy(
            question.fps,
            transfers(board, graph, lanes.iter().map(|lane| lane.component)),
        )?,
        profiles: lanes.iter().map(Lane::profile).collect(),
        source: match question.fps {
            None => Source::Finite { images },
            Some(fps) => Source::Camera { fps, frames: Some(images), late: Late::Queue },
        },
        settings: Settings::default(),
    };
    // What is modelled needs no refining: solo profiles stay what they are.
    plan.settings.refine = 0.0;
    let components = lanes.iter().map(|lane| (lane.index, Arc::clone(&lane.work)));
    let mut model = FluidBoard::new(Fluid::new(board, 0), components);
    Ok(simulate(plan, &mut model, |_| ControlFlow::Continue(()))?)
}

fn open(network: &str) -> Result<(String, Graph)> {
    if zoo::names().contains(&network) {
        return Ok((network.to_owned(), zoo::graph_structure(network)?));
    }
    let model = Model::open(network, 1)?;
    Ok((model.name, model.graph))
}

fn lanes<'a>(question: &'a Question, network: &str, graph: &Graph) -> Result<Vec<Lane<'a>>> {
    let board = &question.board;
    for name in &question.components {
        if board.component(name).is_none() {
            let all: Vec<_> = board.components.iter().map(Component::name).collect();
            bail!("--on {name}: {} has {}", board.name, all.join(", "));
        }
    }
    let mut lanes = Vec::new();
    for (index, component) in board.components.iter().enumerate() {
        let named = question.components.iter().any(|name| name == component.name());
        if !named && !question.components.is_empty() {
            continue;
        }
        let shapes = layer_shapes(graph, component.precision);
        match Work::plan(network, &shapes, component) {
            Ok(work) => {
                let work = Arc::new(work);
                let alone = alone(board, index, &work);
                lanes.push(Lane { component, index, work, alone });
            }
            Err(refused) if named => return Err(refused.into()),
            // Not asked for by name: what cannot run it takes no part.
            Err(_) => {}
        }
    }
    if lanes.is_empty() {
        bail!("no component of {} runs {network}", board.name);
    }
    Ok(lanes)
}

impl Lane<'_> {
    /// Joules of an image above idle.
    fn joules(&self) -> f64 {
        self.alone.image.active_joules.iter().sum()
    }

    /// Bytes of an image by the network's layers alone, in the component's precision.
    fn theoretical_bytes(&self, graph: &Graph) -> f64 {
        graph_cost(graph, ElementType::from(self.component.precision)).bytes_theoretical() as f64
    }

    fn profile(&self) -> Profile {
        let seconds: Vec<f64> = self
            .alone
            .layers
            .iter()
            .map(|layer| (layer.end_ns - layer.start_ns) as f64 * 1e-9)
            .collect();
        Profile::new(self.component.name(), seconds.iter().sum(), self.joules())
            .with_layers(&seconds)
    }
}

/// Streams of about the same length, and what they come to on average. Rates are averaged, and
/// what is said of an image is made of mean rates, so that components still add up to all.
#[derive(Debug)]
struct Streams(Vec<Report>);

impl Streams {
    fn mean(&self, value: impl Fn(&Report) -> f64) -> f64 {
        self.0.iter().map(value).sum::<f64>() / self.0.len() as f64
    }

    /// The mean where every stream has a value.
    fn mean_known(&self, value: impl Fn(&Report) -> Option<f64>) -> Option<f64> {
        let values: Option<Vec<f64>> = self.0.iter().map(value).collect();
        values.map(|values| values.iter().sum::<f64>() / values.len() as f64)
    }
}

/// What a component does, or all do, in a second.
#[derive(Debug, Clone, Copy, Default)]
struct Rates {
    /// Images; in a pipeline a component does a share of each image's layers.
    images: f64,
    joules: f64,
    dram_bytes: f64,
    /// By the network's layers alone.
    theoretical_bytes: f64,
}

impl Rates {
    fn and(self, other: Rates) -> Rates {
        Rates {
            images: self.images + other.images,
            joules: self.joules + other.joules,
            dram_bytes: self.dram_bytes + other.dram_bytes,
            theoretical_bytes: self.theoretical_bytes + other.theoretical_bytes,
        }
    }
}

fn rows(
    question: &Question,
    network: &str,
    graph: &Graph,
    lanes: &[Lane<'_>],
    streams: &Streams,
) -> Vec<SummaryRow> {
    let flops = graph_cost(graph, ElementType::F32).flops as f64;
    let row = |component: &str, alone: &Lane<'_>, images: f64, rates: Rates| {
        let per_image = |rate: f64| (rates.images > 0.0).then(|| rate / rates.images);
        let joules_per_image = per_image(rates.joules);
        let images_per_joule = joules_per_image.map(f64::recip);
        SummaryRow {
            network: network.into(),
            component: component.into(),
            images: images.round() as u64,
            images_per_s: Some(rates.images),
            joules_per_image,
            // The model knows no interval.
            joules_per_image_ci95: None,
            interval: None,
            images_per_joule,
            gop_per_s: Some(flops * rates.images * 1e-9),
            oi_theoretical: Some(flops / alone.theoretical_bytes(graph)),
            oi_empirical: per_image(rates.dram_bytes).map(|bytes| flops / bytes),
            dram_bytes_per_image: per_image(rates.dram_bytes),
            provenance: Provenance::Emulated,
            policy: Some(question.policy.as_str().into()),
            frames_pct: None,
            latency_p50_ms: None,
            latency_p99_ms: None,
            gain_pct: None,
            efficiency_solo: None,
            efficiency_oracle: None,
            images_per_joule_gain_pct: images_per_joule
                .map(|value| 100.0 * (value * alone.joules() - 1.0)),
            board: question.board.name.as_str().into(),
            frequency_mhz: None,
            below_highest: false,
            truth: None,
            bundle: "".into(),
            refusals: vec![],
            remarks: vec![],
        }
    };
    let rates: Vec<Rates> = lanes
        .iter()
        .enumerate()
        .map(|(index, lane)| {
            let part = |report: &Report| report.components[index].frames_pct / 100.0;
            let images = streams.mean(|report| report.throughput * part(report));
            Rates {
                images,
                joules: streams.mean(|it| it.components[index].joules / it.makespan_s),
                dram_bytes: images * lane.work.dram_bytes(),
                theoretical_bytes: images * lane.theoretical_bytes(graph),
            }
        })
        .collect();
    let all = rates.iter().copied().fold(Rates::default(), Rates::and);
    let mut rows = Vec::new();
    for (index, (lane, &rates)) in lanes.iter().zip(&rates).enumerate() {
        let images = streams.mean(|report| report.components[index].images as f64);
        rows.push(SummaryRow {
            frames_pct: Some(100.0 * rates.images / all.images),
            ..row(lane.component.name(), lane, images, rates)
        });
    }
    let best_single = &streams.0[0].best_single;
    let best = lanes.iter().find(|lane| lane.component.name() == *best_single);
    let milliseconds = |seconds: f64| seconds * 1e3;
    rows.push(SummaryRow {
        frames_pct: Some(100.0),
        oi_theoretical: Some(flops / (all.theoretical_bytes / all.images)),
        latency_p50_ms: streams.mean_known(|report| report.latency_p50_s).map(milliseconds),
        latency_p99_ms: streams.mean_known(|report| report.latency_p99_s).map(milliseconds),
        efficiency_solo: Some(streams.mean(|report| report.efficiency_solo)),
        efficiency_oracle: Some(streams.mean(|report| report.efficiency_oracle)),
        gain_pct: Some(streams.mean(|report| report.gain_pct)),
        ..row(
            ALL_COMPONENTS,
            best.unwrap_or(&lanes[0]),
            streams.mean(|report| report.images as f64),
            all,
        )
    });
    rows
}
