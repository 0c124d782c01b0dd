//! What is computed before anything is timed: the outputs, where they are wanted.

use anyhow::{Context, Result, bail};
use wattline_inference::{Model, Tensor, executor};

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

/// Computes the outputs of all inputs where somebody wants them: for an emulated board, so that
/// emulating a component steals no time from what is measured, and for `predictions`. Answers the
/// inputs (none for an emulated board, which needs them no more) and a line on what was computed.
pub(super) fn prepare(
    target: &Target,
    model: Model,
    executor: &'static str,
    inputs: Inputs,
    lanes: &[Lane],
    mut predictions: Option<&mut Predictions>,
) -> Result<(Vec<Tensor>, String)> {
    let what = inputs.in_words();
    if !target.emulated && predictions.is_none() {
        return Ok((inputs.tensors, what));
    }
    let bar = progress::bar("computing outputs", inputs.tensors.len() as u64);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut engine = executor::open(executor, &model.graph, threads)
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
    drop((engine, model));
    if !target.emulated {
        return Ok((inputs.tensors, what));
    }
    drop(inputs);
    release_memory();
    let names: Vec<_> = lanes.iter().map(|lane| lane.component.name()).collect();
    let note = format!(
        "outputs of {what} computed by {executor} before the timed part, for {}; largest output at \
         index {}",
        names.join(", "),
        best.join(", ")
    );
    Ok((Vec::new(), note))
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
