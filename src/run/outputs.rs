//! What is computed before anything is timed: inputs, and the outputs of what is emulated.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use wattline_board::description::{Component, ComponentKind};
use wattline_inference::{Model, Tensor, executor, npu, synthetic_image};

use super::Lane;
use crate::progress;
use crate::target::Target;

/// A stream of synthetic images repeats after this many.
const DISTINCT_INPUTS: u64 = 4;

/// The executor a user names, or the fastest this build has, with a line if that is slow.
pub(super) fn executor(wish: Option<&str>) -> Result<&'static str> {
    let Some(wish) = wish else {
        let names = executor::names();
        if names.contains(&"xnnpack") {
            return Ok("xnnpack");
        }
        let missing = executor::available().into_iter().find_map(|it| it.missing);
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
            bail!("--executor {wish}: there is {}", names.join(" and "))
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

/// Makes the inputs. What emulated components answer is computed here, for real and in the
/// arithmetic of the component, so that emulating one steals no time from what is measured.
pub(super) fn prepare(
    target: &Target,
    model: Model,
    executor: &'static str,
    seed: u64,
    images: u64,
    lanes: &[Lane],
) -> Result<Prepared> {
    let shape = model.graph.input_shape();
    // Without end is 0.
    let distinct = if images == 0 { DISTINCT_INPUTS } else { images.min(DISTINCT_INPUTS) };
    let inputs = (0..distinct)
        .map(|index| Ok(synthetic_image(shape, seed, index)?))
        .collect::<Result<Vec<_>>>()?;
    let mut prepared = Prepared { inputs: Vec::new(), npu: Arc::default(), notes: Vec::new() };
    for lane in lanes.iter().filter(|lane| lane.component.kind == ComponentKind::Npu) {
        let outputs = npu_outputs(&model, &lane.component, &inputs, executor)?;
        let note = format!(
            "outputs of {distinct} distinct synthetic inputs for {}: computed in FP16 before the timed \
             part, at most {:.1e} of the output's range from {executor} in FP32",
            lane.component.name(),
            outputs.largest_error
        );
        eprintln!("wattline: {note}");
        prepared.notes.push(note);
        prepared.npu = outputs.tensors;
    }
    if !target.emulated {
        prepared.notes.push(format!("{distinct} distinct synthetic inputs, seed {seed}"));
        return Ok(Prepared { inputs, ..prepared });
    }
    let others: Vec<_> = lanes
        .iter()
        .filter(|lane| lane.component.kind != ComponentKind::Npu)
        .map(|lane| lane.component.name())
        .collect();
    if others.is_empty() {
        drop(model);
        release_memory();
        return Ok(prepared);
    }
    let bar = progress::bar("computing outputs", distinct);
    let threads = threads();
    let mut engine = executor::open(executor, &model.graph, threads)
        .with_context(|| format!("{} on {executor}", model.name))?;
    drop(model);
    let mut best = Vec::new();
    for input in &inputs {
        let output = engine.run(input, &mut ())?;
        let class = output.argmax().context("the network's output is empty")?;
        best.push(class.to_string());
        bar.inc(1);
    }
    bar.finish_and_clear();
    drop(engine);
    release_memory();
    prepared.notes.push(format!(
        "outputs of {distinct} distinct synthetic inputs computed by {executor} in FP32 before the \
         timed part, for {}; largest output at index {}",
        others.join(", "),
        best.join(", ")
    ));
    Ok(prepared)
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
