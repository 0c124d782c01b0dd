//! Every executor against ONNX Runtime, on the same files and images.
//!
//! ONNX Runtime comes as a wheel in an environment made under the target directory. Where it
//! cannot be had the tests say so and check nothing; in CI that is a failure. So it is where there
//! is no XNNPACK or no OpenCL device.

#[path = "../engines/mod.rs"]
mod engines;
#[path = "onnx_runtime/opsets.rs"]
mod opsets;
#[path = "onnx_runtime/protobuf.rs"]
mod protobuf;
#[path = "onnx_runtime/qdq.rs"]
mod qdq;
#[path = "onnx_runtime/quantised.rs"]
mod quantised;

use std::fs;
use std::path::{Path, PathBuf};

use engines::{Engine, environment, scratch};
use wattline_board::description::Description;
use wattline_inference::cost::{ElementType, graph_cost};
use wattline_inference::executor::{self, Executor, ExecutorError};
use wattline_inference::graph::Graph;
use wattline_inference::npu::Fp16;
use wattline_inference::opencl::{self, DeviceChoice, OpenCl, Options};
use wattline_inference::{Model, onnx, synthetic_image, zoo};

/// The largest error of FP32, as a share of the output's range.
const FP32: f32 = 1e-4;

/// The same of FP16.
const FP16: f32 = 1e-2;

/// What the reference is given in full size; of more, a smaller image, or it takes minutes.
const REFERENCE_FLOPS: u64 = 2_000_000_000;

/// The side of the smaller image: the least, roughly, that all of these networks take.
const SMALL_SIDE: usize = 115;

/// Whether a thing that is missing makes the tests fail.
fn in_ci() -> bool {
    std::env::var_os("CI").is_some()
}

/// An interpreter that has ONNX Runtime.
fn python() -> Option<PathBuf> {
    match environment("onnxruntime.txt") {
        Ok(python) => Some(python),
        Err(error) if in_ci() => panic!("in CI: cannot compare with ONNX Runtime: {error}"),
        Err(error) => {
            eprintln!("NOT CHECKED: nothing was compared with ONNX Runtime: {error}");
            None
        }
    }
}

/// An executor under test: a name, and a way to make it.
struct Candidate {
    name: &'static str,
    tolerance: f32,
    open: fn(&Graph) -> Result<Box<dyn Executor>, ExecutorError>,
}

const REFERENCE: &str = "reference";

const CANDIDATES: [Candidate; 5] = [
    Candidate {
        name: REFERENCE,
        tolerance: FP32,
        open: |graph| executor::open(REFERENCE, graph, 1),
    },
    Candidate {
        name: "xnnpack",
        tolerance: FP32,
        open: |graph| executor::open("xnnpack", graph, 2),
    },
    Candidate { name: "opencl", tolerance: FP32, open: |graph| on_opencl(graph, ElementType::F32) },
    Candidate {
        name: "opencl-fp16",
        tolerance: FP16,
        open: |graph| on_opencl(graph, ElementType::F16),
    },
    Candidate { name: "npu-fp16", tolerance: FP16, open: on_npu },
];

fn on_opencl(graph: &Graph, storage: ElementType) -> Result<Box<dyn Executor>, ExecutorError> {
    Ok(Box::new(OpenCl::new(graph, &Options { device: DeviceChoice::Best, storage })?))
}

/// As the Kirin 970's NPU runs it, and refuses it.
fn on_npu(graph: &Graph) -> Result<Box<dyn Executor>, ExecutorError> {
    let kirin970 = Description::load("kirin970").unwrap();
    Ok(Box::new(Fp16::new(graph, &kirin970.component("npu").unwrap().refuses, 2)?))
}

/// What executors do not support: executor, network, and what the refusal says. All else runs.
fn unsupported() -> Vec<(&'static str, &'static str, &'static str)> {
    let mut list = vec![
        ("opencl", "mobilenet-int8", "which `opencl` refuses"),
        ("opencl-fp16", "mobilenet-int8", "which `opencl` refuses"),
        ("npu-fp16", "mobilenet-int8", "which `npu-fp16` refuses"),
        ("npu-fp16", "mobilenet", "is a depthwise_conv2d, which `npu-fp16` refuses"),
    ];
    // A device without FP16, as PoCL 3.1 is, says so of every network.
    if opencl::choose(&DeviceChoice::Best).is_ok_and(|device| !device.fp16) {
        list.retain(|(executor, ..)| *executor != "opencl-fp16");
        list.extend(
            zoo::names().iter().map(|name| ("opencl-fp16", *name, "no FP16 (cl_khr_fp16)")),
        );
    }
    list
}

/// Whether `candidate` can be had on this machine at all.
fn is_here(candidate: &Candidate) -> bool {
    let library = candidate.name.split('-').next().unwrap();
    let known = executor::available();
    let missing = known.iter().find(|it| it.name == library).and_then(|it| it.missing);
    match missing {
        None => true,
        Some(reason) if in_ci() => panic!("in CI: no {}: {reason}", candidate.name),
        Some(reason) => {
            eprintln!("NOT CHECKED: {}: {reason}", candidate.name);
            false
        }
    }
}

#[test]
fn what_is_not_supported_is_refused_in_words_and_all_else_opens() {
    let unsupported = unsupported();
    for name in zoo::names() {
        let graph = zoo::graph_at(name, SMALL_SIDE, 1).unwrap();
        for candidate in CANDIDATES.iter().filter(|it| is_here(it)) {
            let refusal = unsupported.iter().find(|it| (it.0, it.1) == (candidate.name, *name));
            match ((candidate.open)(&graph), refusal) {
                (Ok(_), None) => {}
                (Err(error), Some((.., words))) => {
                    println!("unsupported: {name} on {}: {error}", candidate.name);
                    assert!(error.to_string().contains(words), "{error}");
                }
                (Ok(_), Some(_)) => panic!("{name} on {} is listed and runs", candidate.name),
                (Err(error), None) => panic!("{name} on {} is not listed: {error}", candidate.name),
            }
        }
    }
}

#[test]
fn every_executor_computes_what_onnx_runtime_does() {
    let Some(python) = python() else { return };
    let candidates: Vec<_> = CANDIDATES.iter().filter(|it| is_here(it)).collect();
    let small = |name: &str| zoo::graph_at(name, SMALL_SIDE, 1).unwrap();
    for name in zoo::STUDY {
        let graph = zoo::graph(name, 1).unwrap();
        if graph_cost(&graph, ElementType::F32).flops <= REFERENCE_FLOPS {
            compare(&python, name, &graph, &candidates);
            continue;
        }
        println!(
            "{name} on {REFERENCE}: full size left out, as it takes long; {SMALL_SIDE} pixels instead"
        );
        let (slow, fast): (Vec<_>, Vec<_>) =
            candidates.iter().copied().partition(|it| it.name == REFERENCE);
        compare(&python, name, &graph, &fast);
        compare(&python, name, &small(name), &slow);
    }
}

/// Holds `candidates` against ONNX Runtime: `graph`, by way of a file, on one image.
fn compare(python: &Path, name: &str, graph: &Graph, candidates: &[&Candidate]) {
    let file = Written::new(name, graph);
    let graph = Model::open(file.0.to_str().unwrap(), 1).unwrap().graph;
    let image = synthetic_image(graph.input_shape(), 1, 0).unwrap();
    let expected = Engine::open(python, "onnxruntime", &file.0, 2).unwrap().run(&image).unwrap();
    let range = expected.iter().fold(0.0_f32, |range, value| range.max(value.abs()));
    assert!(range > 0.0 && range.is_finite(), "{name}: nothing to compare with");
    let unsupported = unsupported();
    let supported =
        |it: &&&Candidate| !unsupported.iter().any(|no| (no.0, no.1) == (it.name, name));
    for candidate in candidates.iter().filter(supported) {
        let actual = (candidate.open)(&graph).unwrap().run(&image, &mut ()).unwrap();
        assert_eq!(actual.values().len(), expected.len());
        let error = actual.values().iter().zip(&expected).fold(0.0_f32, |most, (one, other)| {
            // NaN would get lost in a maximum.
            let error = (one - other).abs() / range;
            if error.is_nan() { f32::INFINITY } else { most.max(error) }
        });
        let shape = graph.input_shape();
        println!("{name} at {shape} on {}: {error:.1e} of the range", candidate.name);
        assert!(error <= candidate.tolerance, "{name} on {}: {error:.1e}", candidate.name);
    }
}

/// A network as a file that is removed again.
struct Written(PathBuf);

impl Written {
    fn new(name: &str, graph: &Graph) -> Self {
        let place = scratch().join("numerics");
        fs::create_dir_all(&place).unwrap();
        let file = place.join(format!("{name}-{}.onnx", graph.input_shape().height));
        fs::write(&file, onnx::write(graph).unwrap()).unwrap();
        Self(file)
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        // Left behind, it is in nobody's way and written anew.
        let _ = fs::remove_file(&self.0);
    }
}
