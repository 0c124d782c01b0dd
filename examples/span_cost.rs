//! What spans add to the time of an image: `span_cost [NETWORK] [THREADS] [IMAGES]`.
//!
//! Images with their spans written to a bundle's table alternate with images of which nobody hears.
//! The executor reads the clock around each layer either way, so what that takes is measured apart
//! and added.

use std::error::Error;

use wattline_inference::executor::{self, LayerObserver};
use wattline_inference::{Model, monotonic_ns, synthetic_image};
use wattline_trace::rows::{SpanKind, SpanRow};
use wattline_trace::{BundleWriter, Manifest, Name};

/// When each layer ran, as `wattline run` keeps it.
struct LayerTimes(Vec<(u64, u64)>);

impl LayerObserver for LayerTimes {
    fn layer(&mut self, _: usize, start_ns: u64, end_ns: u64) {
        self.0.push((start_ns, end_ns));
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let argument = |index: usize, default: &str| {
        arguments.get(index).map_or_else(|| default.to_owned(), Clone::clone)
    };
    let model = Model::open(&argument(0, "squeezenet"), 1)?;
    let (threads, images) = (argument(1, "1").parse()?, argument(2, "200").parse::<u64>()?);
    let name = executor::names().last().copied().unwrap_or("reference");
    let mut engine = executor::open(name, &model.graph, threads)?;
    let image = synthetic_image(model.graph.input_shape(), 1, 0)?;
    let names: Vec<Name> =
        model.graph.layers().iter().map(|layer| layer.name.as_str().into()).collect();
    let component: Name = "cpu".into();
    let directory = tempfile::tempdir()?;
    let bundle = BundleWriter::create(directory.path(), &manifest()?, false)?;
    let spans = bundle.table::<SpanRow>()?;

    let (mut plain, mut with_spans) = (Vec::new(), Vec::new());
    let mut times = LayerTimes(Vec::with_capacity(names.len()));
    for number in 0..2 * images.max(1) + 2 {
        let start = monotonic_ns();
        if number % 2 == 0 {
            engine.run(&image, &mut ())?;
            plain.push(monotonic_ns() - start);
            continue;
        }
        times.0.clear();
        engine.run(&image, &mut times)?;
        for (id, (name, &(start_ns, end_ns))) in (0..).zip(names.iter().zip(&times.0)) {
            spans.write(&SpanRow {
                id: (number << 16) | id,
                parent: Some(number),
                kind: SpanKind::Layer,
                name: name.clone(),
                component: component.clone(),
                image: Some(number),
                start_ns,
                end_ns,
                flops: Some(1_000_000_000),
                bytes_theoretical: Some(1_000_000_000),
            })?;
        }
        with_spans.push(monotonic_ns() - start);
    }
    // The first of each touches what later ones find in place.
    let median = |times: &mut Vec<u64>| {
        times.remove(0);
        times.sort_unstable();
        times[times.len() / 2] as f64
    };
    let (plain, with_spans) = (median(&mut plain), median(&mut with_spans));
    let clock = clock_ns() * 2.0 * names.len() as f64;
    println!(
        "{} on {name}, {threads} thread(s), medians of {images} images: {:.3} ms without spans, {:.3} ms \
         with; {} layers' clock readings {:.4} ms; spans add {:.2} %",
        model.name,
        plain / 1e6,
        with_spans / 1e6,
        names.len(),
        clock / 1e6,
        100.0 * (with_spans - plain + clock) / (plain - clock),
    );
    Ok(())
}

/// The manifest of a bundle that nobody reads.
fn manifest() -> Result<Manifest, serde_json::Error> {
    serde_json::from_value(serde_json::json!({
        "schema": wattline_trace::SCHEMA_VERSION,
        "wattline": env!("CARGO_PKG_VERSION"),
        "board": { "name": "host", "model": "host", "emulated": false },
        "kernel": "",
        "command": [],
        "clock": { "kind": "wall", "utc_offset_ns": 0 },
        "seed": 1,
        "rails": [],
        "counters": [],
        "components": [],
        "models": [],
        "complete": false,
        "interrupted": false,
    }))
}

/// What one reading of the clock takes.
fn clock_ns() -> f64 {
    const READINGS: u64 = 1_000_000;
    let start = monotonic_ns();
    let mut last = start;
    for _ in 0..READINGS {
        last = std::hint::black_box(monotonic_ns());
    }
    (last - start) as f64 / READINGS as f64
}
