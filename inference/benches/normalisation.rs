//! How much faster the vectorised local response normalisation is than a plain loop.
//!
//! `cargo bench -p wattline-inference --bench normalisation`: networks of one such layer, of the
//! shapes that AlexNet and GoogLeNet have, on the fastest executor and on the reference, one thread
//! each. The two take turns; a ratio is the median over rounds of the ratio within a round.

use std::error::Error;

use wattline_inference::executor::{self, Executor, LayerObserver};
use wattline_inference::graph::{GraphBuilder, LocalResponseNorm, Operator, Shape};
use wattline_inference::synthetic_image;

const ROUNDS: usize = 31;

/// The time in the layer, ns.
struct Time(u64);

impl LayerObserver for Time {
    fn layer(&mut self, _index: usize, start_ns: u64, end_ns: u64) {
        self.0 = end_ns - start_ns;
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let fastest = executor::names().last().copied().unwrap_or("reference");
    println!("{:<16} {:>14} {:>14} {:>8}", "layer", format!("{fastest} us"), "plain us", "ratio");
    for (name, shape) in [
        ("alexnet norm1", Shape::new(96, 55, 55)),
        ("alexnet norm2", Shape::new(256, 27, 27)),
        ("googlenet norm1", Shape::new(64, 56, 56)),
        ("googlenet norm2", Shape::new(192, 56, 56)),
    ] {
        let norm = LocalResponseNorm { size: 5, alpha: 1e-4, beta: 0.75, bias: 1.0 };
        let mut builder = GraphBuilder::new(name, "image", shape)?;
        let output = builder.add("norm", Operator::LocalResponseNorm(norm), &[builder.input()])?;
        let graph = builder.finish(output)?;
        let image = synthetic_image(shape, 1, 0)?;
        let mut own = executor::open(fastest, &graph, 1)?;
        let mut plain = executor::open("reference", &graph, 1)?;
        let time = |executor: &mut dyn Executor| -> Result<f64, Box<dyn Error>> {
            let mut time = Time(0);
            executor.run(&image, &mut time)?;
            Ok(time.0 as f64)
        };
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let (own, plain) = (time(&mut own)?, time(&mut plain)?);
            rounds.push((plain / own.max(1.0), own, plain));
        }
        rounds.sort_by(|one, other| one.0.total_cmp(&other.0));
        let (ratio, own, plain) = rounds[ROUNDS / 2];
        println!("{name:<16} {:>14.1} {:>14.1} {ratio:>8.1}", own / 1e3, plain / 1e3);
    }
    Ok(())
}
