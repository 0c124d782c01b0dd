//! One prediction: solo profiles first, then the stream.

use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::{Result, bail};
use wattline_analysis::SummaryRow;
use wattline_board::description::{Component, Description};
use wattline_board::emulated::fluid::{Completion, Fluid};
use wattline_board::emulated::work::Work;
use wattline_inference::coexecution::policy::PolicyKind;
use wattline_inference::coexecution::{
    FluidBoard, Late, Plan, Profile, Report, Settings, Source, simulate,
};
use wattline_inference::cost::{ElementType, graph_cost};
use wattline_inference::graph::Graph;
use wattline_inference::{Model, layer_shapes, zoo};
use wattline_trace::Provenance;
use wattline_trace::rows::ALL_COMPONENTS;

use crate::coexecution::{self, alone, transfers};
use crate::run::lane::refuse_quantised;

/// What is to be predicted.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) board: Description,
    pub(super) network: String,
    /// Empty for all that can run the network.
    pub(super) components: Vec<String>,
    pub(super) policy: PolicyKind,
    pub(super) images: u64,
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

/// Predicts one stream: a row of `summary.csv` for each component, and one named `all`.
pub(super) fn predict(question: &Question) -> Result<Vec<SummaryRow>> {
    let board = &question.board;
    if let Some(key) = board.missing_for_emulation() {
        bail!("board {} cannot be simulated: its description lacks {key}", board.name);
    }
    let (network, graph) = open(&question.network)?;
    refuse_quantised(&network, &graph)?;
    let lanes = lanes(question, &network, &graph)?;
    let mut plan = Plan {
        policy: question.policy.policy(
            question.fps,
            transfers(board, &graph, lanes.iter().map(|lane| lane.component)),
        )?,
        profiles: lanes.iter().map(Lane::profile).collect(),
        source: source(question),
        settings: Settings::default(),
    };
    // What is modelled needs no refining: solo profiles stay what they are.
    plan.settings.refine = 0.0;
    let components = lanes.iter().map(|lane| (lane.index, Arc::clone(&lane.work)));
    let mut model = FluidBoard::new(Fluid::new(board, 0), components);
    let report = simulate(plan, &mut model, |_| ControlFlow::Continue(()))?;
    Ok(rows(question, &network, &graph, &lanes, &report))
}

fn open(network: &str) -> Result<(String, Graph)> {
    if zoo::names().contains(&network) {
        return Ok((network.to_owned(), zoo::graph_structure(network)?));
    }
    let model = Model::open(network, 1)?;
    Ok((model.name, model.graph))
}

fn source(question: &Question) -> Source {
    match question.fps {
        None => Source::Finite { images: question.images },
        Some(fps) => Source::Camera { fps, frames: Some(question.images), late: Late::Queue },
    }
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

fn rows(
    question: &Question,
    network: &str,
    graph: &Graph,
    lanes: &[Lane<'_>],
    report: &Report,
) -> Vec<SummaryRow> {
    let row = |component: &str,
               alone: &Lane<'_>,
               images: u64,
               work: f64,
               spent: (f64, f64),
               theory: u64| {
        let (joules, bytes) = spent;
        let flops = graph_cost(graph, ElementType::F32).flops as f64;
        let images_per_s = work / report.makespan_s;
        let per_image = |value: f64| (work > 0.0).then(|| value / work);
        let images_per_joule = per_image(joules).map(f64::recip);
        SummaryRow {
            network: network.into(),
            component: component.into(),
            images,
            images_per_s: Some(images_per_s),
            joules_per_image: per_image(joules),
            // The model knows no interval.
            joules_per_image_ci95: None,
            images_per_joule,
            gop_per_s: Some(flops * images_per_s * 1e-9),
            oi_theoretical: Some(flops / theory as f64),
            oi_empirical: per_image(bytes).map(|bytes| flops / bytes),
            dram_bytes_per_image: per_image(bytes),
            provenance: Provenance::Emulated,
            policy: Some(report.policy.as_str().into()),
            frames_pct: None,
            latency_p50_ms: None,
            latency_p99_ms: None,
            gain_pct: None,
            efficiency_solo: None,
            efficiency_oracle: None,
            images_per_joule_gain_pct: images_per_joule
                .map(|value| 100.0 * (value * alone.joules() - 1.0)),
            board: question.board.name.as_str().into(),
            truth: None,
            bundle: "".into(),
            refusals: vec![],
            remarks: vec![],
        }
    };
    let theory = |lane: &Lane<'_>| {
        graph_cost(graph, ElementType::from(lane.component.precision)).bytes_theoretical()
    };
    let mut rows = Vec::new();
    let (mut all_bytes, mut all_theory) = (0.0, 0.0);
    let parts = coexecution::rows(report);
    for ((lane, spent), part) in lanes.iter().zip(&report.components).zip(&parts) {
        // In a pipeline a component does a share of each image's layers.
        let work = report.images as f64 * part.frames_pct / 100.0;
        let bytes = work * lane.work.dram_bytes();
        all_bytes += bytes;
        all_theory += work * theory(lane) as f64;
        rows.push(SummaryRow {
            frames_pct: Some(part.frames_pct),
            ..row(&part.component, lane, part.images, work, (spent.joules, bytes), theory(lane))
        });
    }
    let images = report.images;
    let theory = all_theory / images.max(1) as f64;
    let best = lanes.iter().find(|lane| lane.component.name() == report.best_single);
    let best = best.unwrap_or(&lanes[0]);
    let spent = (report.joules(), all_bytes);
    let whole = parts.last().and_then(|all| all.whole.as_ref());
    rows.push(SummaryRow {
        frames_pct: Some(100.0),
        latency_p50_ms: whole.and_then(|whole| whole.latency_p50_ms),
        latency_p99_ms: whole.and_then(|whole| whole.latency_p99_ms),
        efficiency_solo: whole.map(|whole| whole.efficiency_solo),
        efficiency_oracle: whole.map(|whole| whole.efficiency_oracle),
        gain_pct: whole.map(|whole| whole.gain_pct),
        ..row(ALL_COMPONENTS, best, images, images as f64, spent, theory as u64)
    });
    rows
}
