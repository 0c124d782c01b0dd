//! How fast one executor is over another: `executor_ratio [FIRST] [SECOND] [THREADS] [ROUNDS]
//! [NETWORK...]`; without arguments OpenCL over XNNPACK, on two threads each, on the zoo's five.
//!
//! The two take turns, image by image, so that whatever else the machine does slows both alike. A
//! ratio is the median over the rounds of one round's times, and beside it stand its quartiles and
//! the ratio of the fastest images, which a busy machine disturbs least.

use std::error::Error;

use wattline_inference::executor::{self, Executor, LayerObserver};
use wattline_inference::{Model, Tensor, monotonic_ns, synthetic_image, zoo};

/// The time in layers.
#[derive(Default)]
struct InLayers(u64);

impl LayerObserver for InLayers {
    fn layer(&mut self, _index: usize, start_ns: u64, end_ns: u64) {
        self.0 += end_ns - start_ns;
    }
}

/// ns of one image, and of its layers.
fn time(executor: &mut dyn Executor, image: &Tensor) -> Result<(u64, u64), Box<dyn Error>> {
    let mut layers = InLayers::default();
    executor.between_images()?;
    let start = monotonic_ns();
    executor.run(image, &mut layers)?;
    Ok((monotonic_ns() - start, layers.0))
}

/// The value below which `part` of `values` lie.
fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * part).round() as usize]
}

fn main() -> Result<(), Box<dyn Error>> {
    // SAFETY: the only thread so far.
    unsafe { wattline_inference::opencl::keep_pocl_threads_apart() };
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let argument =
        |index: usize, default: &str| arguments.get(index).map_or(default.to_owned(), Clone::clone);
    let names = [argument(0, "opencl"), argument(1, "xnnpack")];
    let (threads, rounds) = (argument(2, "2").parse()?, argument(3, "21").parse::<usize>()?);
    let networks = match arguments.get(4..) {
        Some(networks) if !networks.is_empty() => networks.to_vec(),
        _ => zoo::STUDY.iter().map(|&name| name.to_owned()).collect(),
    };

    println!(
        "{:<12} {:>12} {:>12} {:>8} {:>16} {:>8} {:>12}",
        "network",
        format!("{} ms", names[0]),
        format!("{} ms", names[1]),
        "ratio",
        "quartiles",
        "fastest",
        "in layers %"
    );
    for network in networks {
        let model = Model::open(&network, 1)?;
        let mut first = executor::open(&names[0], &model.graph, threads)?;
        let mut second = executor::open(&names[1], &model.graph, threads)?;
        let image = synthetic_image(model.graph.input_shape(), 1, 0)?;
        for _ in 0..2 {
            time(&mut first, &image)?;
            time(&mut second, &image)?;
        }
        let (mut firsts, mut seconds, mut ratios, mut shares) = (vec![], vec![], vec![], vec![]);
        for _ in 0..rounds.max(1) {
            let (one, in_layers) = time(&mut first, &image)?;
            let (two, _) = time(&mut second, &image)?;
            firsts.push(one as f64 / 1e6);
            seconds.push(two as f64 / 1e6);
            ratios.push(two as f64 / one as f64);
            shares.push(100.0 * in_layers as f64 / one as f64);
        }
        let quartiles =
            format!("{:.2} to {:.2}", quantile(&mut ratios, 0.25), quantile(&mut ratios, 0.75));
        println!(
            "{:<12} {:>12.2} {:>12.2} {:>8.2} {quartiles:>16} {:>8.2} {:>12.1}",
            model.name,
            quantile(&mut firsts, 0.5),
            quantile(&mut seconds, 0.5),
            quantile(&mut ratios, 0.5),
            quantile(&mut seconds, 0.0) / quantile(&mut firsts, 0.0),
            quantile(&mut shares, 0.5)
        );
    }
    Ok(())
}
