//! What is computed before anything is timed: inputs, and on an emulated board the outputs.

use anyhow::{Context, Result, bail};
use wattline_inference::{Model, Tensor, executor, synthetic_image};

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

/// Makes the inputs. On an emulated board their outputs are computed here, for real, so that
/// emulating a component steals no time from what is measured. Answers the inputs (none for an
/// emulated board, which needs them no more) and a line on what was computed.
pub(super) fn prepare(
    target: &Target,
    model: Model,
    executor: &'static str,
    seed: u64,
    images: u64,
    lanes: &[Lane],
) -> Result<(Vec<Tensor>, String)> {
    let shape = model.graph.input_shape();
    // Without end is 0.
    let distinct = if images == 0 { DISTINCT_INPUTS } else { images.min(DISTINCT_INPUTS) };
    let inputs = (0..distinct)
        .map(|index| Ok(synthetic_image(shape, seed, index)?))
        .collect::<Result<Vec<_>>>()?;
    if !target.emulated {
        return Ok((inputs, format!("{distinct} distinct synthetic inputs, seed {seed}")));
    }
    let bar = progress::bar("computing outputs", distinct);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
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
    let names: Vec<_> = lanes.iter().map(|lane| lane.component.name()).collect();
    let note = format!(
        "outputs of {distinct} distinct synthetic inputs computed by {executor} in FP32 before the \
         timed part, for {}; largest output at index {}",
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
