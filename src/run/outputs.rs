//! What is computed before anything is timed: the outputs, where they are wanted.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use wattline_board::description::{Component, ComponentKind};
use wattline_inference::{Model, Tensor, executor, npu};

use super::Lane;
use super::images::Inputs;
use super::predictions::Predictions;
use crate::progress;
use crate::target::Target;

/// Outputs whose largest is listed in the bundle's note.
const LISTED: usize = 8;

/// The executor a user names, or the fastest this build has, with a line if that is slow.
pub(super) fn executor(wish: Option<&str>) -> Result<&'static str> {
    let Some(wish) = wish else {
        let names = executor::names();
        if names.contains(&"xnnpack") {
            return Ok("xnnpack");
        }
        let known = executor::available().into_iter();
        let missing = known.filter(|it| it.name == "xnnpack").find_map(|it| it.missing);
        eprintln!("wattline: {}; using the slow reference", missing.unwrap_or("no xnnpack"));
        return Ok("reference");
    };
    let known = executor::available();
    match known.iter().find(|it| it.name == wish) {
        Some(it) => match it.missing {
            Some(why) => bail!("--executor {wish}: {why}"),
            None => Ok(it.name),
        },
        None => {
            let names: Vec<_> = known.iter().map(|it| it.name).collect();
            bail!("--executor {wish}: there is {}", names.join(", "))
        }
    }
}

/// What is ready before anything is timed.
#[derive(Debug)]
pub(super) struct Prepared {
    /// None for an emulated board, which needs them no more.
    pub(super) inputs: Vec<Tensor>,
    /// What an NPU answers, for each input.
    pub(super) npu: Arc<[Tensor]>,
    /// What was computed, a line each.
    pub(super) notes: Vec<String>,
}

/// Computes outputs where somebody wants them: what emulated components answer, for real and in
/// the arithmetic of the component, so that emulating one steals no time from what is measured;
/// and what `predictions` are made from.
pub(super) fn prepare(
    target: &Target,
    model: Model,
    executor: &'static str,
    inputs: Inputs,
    lanes: &[Lane],
    predictions: Option<&mut Predictions>,
) -> Result<Prepared> {
    let what = inputs.in_words();
    let mut prepared = Prepared { inputs: Vec::new(), npu: Arc::default(), notes: Vec::new() };
    let is_npu = |lane: &&Lane| lane.component.kind == ComponentKind::Npu;
    for lane in lanes.iter().filter(is_npu) {
        let outputs = npu_outputs(&model, &lane.component, &inputs.tensors, executor)?;
        let note = format!(
            "outputs of {what} for {}: computed in FP16 before the timed part, at most {:.1e} of the \
             output's range from {executor} in FP32",
            lane.component.name(),
            outputs.largest_error
        );
        eprintln!("wattline: {note}");
        prepared.notes.push(note);
        prepared.npu = outputs.tensors;
    }
    let others: Vec<_> = lanes.iter().filter(|lane| !is_npu(lane)).collect();
    let emulated = target.emulated && !others.is_empty();
    if emulated || predictions.is_some() {
        let best = full_outputs(&model, executor, &inputs, predictions)?;
        if emulated {
            let names: Vec<_> = others.iter().map(|lane| lane.component.name()).collect();
            prepared.notes.push(format!(
                "outputs of {what} computed by {executor} before the timed part, for {}; largest \
                 output at index {}",
                names.join(", "),
                best.join(", ")
            ));
        }
    }
    drop(model);
    if target.emulated {
        drop(inputs);
        release_memory();
    } else {
        prepared.notes.push(what);
        prepared.inputs = inputs.tensors;
    }
    Ok(prepared)
}

/// Runs the network as it is on every input. Answers the likeliest classes of the first few.
fn full_outputs(
    model: &Model,
    executor: &str,
    inputs: &Inputs,
    mut predictions: Option<&mut Predictions>,
) -> Result<Vec<String>> {
    let bar = progress::bar("computing outputs", inputs.tensors.len() as u64);
    let mut engine = executor::open(executor, &model.graph, threads())
        .with_context(|| format!("{} on {executor}", model.name))?;
    let mut best = Vec::new();
    for (index, input) in inputs.tensors.iter().enumerate() {
        let output = engine.run(input, &mut ())?;
        let class = output.argmax().context("the network's output is empty")?;
        if best.len() < LISTED {
            best.push(class.to_string());
        }
        if let Some(predictions) = predictions.as_deref_mut() {
            predictions.add(&inputs.name(index), &model.graph, &output);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(best)
}

fn npu_outputs(
    model: &Model,
    component: &Component,
    inputs: &[Tensor],
    executor: &str,
) -> Result<npu::Outputs> {
    let label = format!("computing FP16 on {}", component.name());
    let bar = progress::bar(&label, inputs.len() as u64);
    let (graph, refuses) = (&model.graph, &component.refuses);
    let outputs = npu::outputs(graph, refuses, inputs, executor, threads(), || bar.inc(1));
    bar.finish_and_clear();
    outputs.with_context(|| format!("{} on {}", model.name, component.name()))
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Hands back to the system what weights and buffers took: the recording that follows needs a
/// few megabytes, and shows what it holds.
fn release_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the call takes no pointers and may be made at any time; glibc locks its own arenas.
    unsafe {
        nix::libc::malloc_trim(0);
    }
}
