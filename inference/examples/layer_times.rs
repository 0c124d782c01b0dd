//! Times a network layer by layer: `layer_times MODEL [EXECUTOR] [THREADS] [IMAGES]`.
//!
//! Prints each layer's cost and its fastest time over the images, then the whole network's median.

use std::error::Error;

use wattline_inference::cost::{ElementType, layer_cost};
use wattline_inference::executor::{self, LayerObserver};
use wattline_inference::{Model, monotonic_ns, synthetic_image};

/// The shortest time of each layer, in ns.
struct Fastest(Vec<u64>);

impl LayerObserver for Fastest {
    fn layer(&mut self, index: usize, start_ns: u64, end_ns: u64) {
        self.0[index] = self.0[index].min(end_ns - start_ns);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // SAFETY: the only thread so far.
    unsafe { wattline_inference::opencl::keep_pocl_threads_apart() };
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let argument =
        |index: usize, default: &str| arguments.get(index).map_or(default.to_owned(), Clone::clone);
    let model = Model::open(&argument(0, "squeezenet"), 1)?;
    let (threads, images) = (argument(2, "1").parse()?, argument(3, "20").parse::<u64>()?);
    let fastest_executor = executor::names().last().copied().unwrap_or("reference");
    let mut executor = executor::open(&argument(1, fastest_executor), &model.graph, threads)?;

    let mut fastest = Fastest(vec![u64::MAX; model.graph.layers().len()]);
    let mut times = Vec::new();
    for index in 0..images.max(1) {
        let image = synthetic_image(model.graph.input_shape(), 1, index)?;
        executor.between_images()?;
        let start = monotonic_ns();
        executor.run(&image, &mut fastest)?;
        times.push(monotonic_ns() - start);
    }
    times.sort_unstable();

    println!(
        "{:<32} {:<20} {:>9} {:>9} {:>8} {:>9}",
        "layer", "kind", "MFLOP", "kB", "ms", "GFLOP/s"
    );
    for (layer, &ns) in model.graph.layers().iter().zip(&fastest.0) {
        let cost = layer_cost(&model.graph, layer, ElementType::F32);
        println!(
            "{:<32} {:<20} {:>9.2} {:>9.1} {:>8.3} {:>9.1}",
            layer.name,
            layer.operator.kind(),
            cost.flops as f64 / 1e6,
            cost.bytes_theoretical() as f64 / 1e3,
            ns as f64 / 1e6,
            cost.flops as f64 / ns.max(1) as f64
        );
    }
    let median = times[times.len() / 2];
    println!(
        "{} on {}, {threads} thread(s): {:.2} ms an image",
        model.name,
        executor.name(),
        median as f64 / 1e6
    );
    Ok(())
}
