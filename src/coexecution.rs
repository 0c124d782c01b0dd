//! What running and predicting a co-execution have in common: what components do alone by the
//! emulated board's model, and what a report says in a table.

use std::sync::Arc;

use serde::Serialize;
use wattline_board::clock::JobId;
use wattline_board::description::{Component, Description};
use wattline_board::emulated::fluid::{Completion, Fluid};
use wattline_board::emulated::work::Work;
use wattline_inference::coexecution::Report;
use wattline_inference::cost::ElementType;
use wattline_inference::graph::Graph;
use wattline_trace::rows::ALL_COMPONENTS;

use crate::table::table;

/// One image on a component that has the board to itself.
pub(crate) fn alone(board: &Description, index: usize, work: &Arc<Work>) -> Completion {
    let mut fluid = Fluid::new(board, 0);
    let job = JobId(0);
    fluid.submit(index, job, Arc::clone(work));
    loop {
        if let Some(done) = fluid.take(job) {
            return done;
        }
        let Some(next) = fluid.next_event_ns() else {
            unreachable!("a layer that was submitted ends")
        };
        fluid.advance_to(next);
    }
}

/// Seconds to hand an image over before each layer: the tensors that layers from there on still
/// read are written and read once, at the bandwidth of the slowest component. Nothing where no
/// bandwidth is known.
pub(crate) fn transfers<'a>(
    board: &Description,
    graph: &Graph,
    components: impl Iterator<Item = &'a Component> + Clone,
) -> Vec<f64> {
    let Some(first) = components.clone().next() else { return Vec::new() };
    let bandwidths = components.filter_map(|component| component.bandwidth);
    let memory = board.memory.bandwidth.as_ref().map(|it| it.get_ref().bytes_per_s());
    let bandwidth =
        bandwidths.map(|it| it.bytes_per_s()).chain(memory).fold(f64::INFINITY, f64::min);
    let value_bytes = ElementType::from(first.precision).bytes();
    let bytes = |layer| {
        let live = graph.live_before(layer);
        live.iter().map(|&tensor| graph.shape(tensor).elements() as u64 * value_bytes).sum::<u64>()
    };
    (0..graph.layers().len()).map(|layer| 2.0 * bytes(layer) as f64 / bandwidth).collect()
}

/// A component's part of a co-execution, or `all` of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Part {
    component: String,
    images: u64,
    frames_pct: f64,
    /// Of a component in a pipeline: its share of the stream's.
    images_per_s: f64,
    solo_images_per_s: f64,
    busy_pct: Option<f64>,
    working: Option<bool>,
    /// What follows is known of `all` alone.
    #[serde(flatten)]
    whole: Option<Whole>,
}

/// What is said of a co-execution as a whole.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Whole {
    policy: &'static str,
    best_single: String,
    gain_pct: f64,
    efficiency_solo: f64,
    efficiency_oracle: f64,
    latency_p50_ms: Option<f64>,
    latency_p99_ms: Option<f64>,
    queue_mean: f64,
    queue_max: usize,
    reorder_mean: f64,
    reorder_max: usize,
    dropped: u64,
    discarded: u64,
}

/// A row for each component, and one for all.
pub(crate) fn rows(report: &Report) -> Vec<Part> {
    let mut rows: Vec<Part> = report
        .components
        .iter()
        .map(|it| Part {
            component: it.name.clone(),
            images: it.images,
            frames_pct: it.frames_pct,
            images_per_s: report.throughput * it.frames_pct / 100.0,
            solo_images_per_s: it.solo_rate,
            busy_pct: (report.makespan_s > 0.0).then(|| 100.0 * it.busy_s / report.makespan_s),
            working: Some(it.working),
            whole: None,
        })
        .collect();
    let milliseconds = |seconds: f64| seconds * 1e3;
    rows.push(Part {
        component: ALL_COMPONENTS.to_owned(),
        images: report.images,
        frames_pct: 100.0,
        images_per_s: report.throughput,
        solo_images_per_s: rows.iter().map(|row| row.solo_images_per_s).sum(),
        busy_pct: None,
        working: None,
        whole: Some(Whole {
            policy: report.policy.as_str(),
            best_single: report.best_single.clone(),
            gain_pct: report.gain_pct,
            efficiency_solo: report.efficiency_solo,
            efficiency_oracle: report.efficiency_oracle,
            latency_p50_ms: report.latency_p50_s.map(milliseconds),
            latency_p99_ms: report.latency_p99_s.map(milliseconds),
            queue_mean: report.queue.mean,
            queue_max: report.queue.max,
            reorder_mean: report.reorder.mean,
            reorder_max: report.reorder.max,
            dropped: report.dropped,
            discarded: report.discarded,
        }),
    });
    rows
}

/// A number for a table; a dash where there is none.
pub(crate) fn number(value: Option<f64>, places: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.places$}"))
}

/// The report of a run in tables, and a blank line.
pub(crate) fn human(report: &Report, emulated: bool) -> String {
    let rows = rows(report);
    let mut parts = table(
        ["component", "images", "frames %", "images/s", "solo images/s", "busy %", "working"],
        1,
    );
    for row in &rows {
        parts.add_row([
            row.component.clone(),
            row.images.to_string(),
            number(Some(row.frames_pct), 1),
            number(Some(row.images_per_s), 2),
            number(Some(row.solo_images_per_s), 2),
            number(row.busy_pct, 1),
            row.working.map_or("–", |working| if working { "yes" } else { "no" }).to_owned(),
        ]);
    }
    let mut all = table(
        [
            "",
            "gain %",
            "of solo sum",
            "of oracle",
            "p50 ms",
            "p99 ms",
            "queue",
            "reorder",
            "dropped",
            "discarded",
        ],
        1,
    );
    let depth = |mean: f64, max: usize| format!("{mean:.1}/{max}");
    for whole in rows.iter().filter_map(|row| row.whole.as_ref()) {
        all.add_row([
            ALL_COMPONENTS.to_owned(),
            number(Some(whole.gain_pct), 1),
            number(Some(whole.efficiency_solo), 3),
            number(Some(whole.efficiency_oracle), 3),
            number(whole.latency_p50_ms, 1),
            number(whole.latency_p99_ms, 1),
            depth(whole.queue_mean, whole.queue_max),
            depth(whole.reorder_mean, whole.reorder_max),
            whole.dropped.to_string(),
            whole.discarded.to_string(),
        ]);
    }
    let kind = if emulated { " (emulated)" } else { "" };
    format!(
        "co-execution by {}{kind}\n\n{parts}\n\n{all}\n\ngain over {} alone; queue and reorder: mean/max images\n\n",
        report.policy, report.best_single
    )
}
