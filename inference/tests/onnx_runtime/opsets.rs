//! A network in each operator set from 9 to 17, in the forms of that set, against ONNX Runtime.
//!
//! What changes along the way, by the operators' own histories: Gemm may leave its bias out and Clip
//! has its bounds as inputs from 11, Dropout its ratio from 12, Squeeze and Unsqueeze their axes and
//! Softmax another default from 13, BatchNormalization another attribute from 14.

use std::fs;

use wattline_inference::{Model, executor, synthetic_image};

use super::engines::{Engine, scratch};
use super::protobuf::{Attribute, File};
use super::{FP32, python};

const SETS: std::ops::RangeInclusive<u64> = 9..=17;

const CHANNELS: u64 = 8;
const CLASSES: u64 = 10;
const SIDE: u64 = 12;

/// Values around zero without a pattern, of some size.
fn values(count: u64, seed: u64, size: f32) -> Vec<f32> {
    let byte = |n: u64| ((n + 977 * seed).wrapping_mul(2_654_435_761) >> 13) as u8;
    (0..count).map(|n| size * (f32::from(byte(n)) / 127.5 - 1.0)).collect()
}

/// A list that is an attribute until `since`, and an input from there on.
fn listed(
    file: File,
    set: u64,
    since: u64,
    (operator, input, output): (&str, &str, &str),
    axes: &'static [u64],
) -> File {
    if set < since {
        return file.node(operator, &[input], output, &[Attribute::List("axes", axes)]);
    }
    let name = format!("{output}_axes");
    let numbers: Vec<i64> = axes.iter().map(|&axis| axis as i64).collect();
    file.long_integers(&name, &numbers).node(operator, &[input, &name], output, &[])
}

/// Convolution, batch normalisation, clip, pools, a residual, and a classifier behind the mean of
/// each channel: what image networks are made of, as exporters of the time wrote it.
fn network(set: u64) -> Vec<u8> {
    const BACK: u64 = u64::MAX;
    let window = [
        Attribute::List("kernel_shape", &[3, 3]),
        Attribute::List("pads", &[1, 1, 1, 1]),
        Attribute::List("strides", &[1, 1]),
    ];
    let positive: Vec<f32> = values(CHANNELS, 5, 0.4).iter().map(|value| value + 1.0).collect();
    let file = File::default()
        .floats("w1", &[CHANNELS, 3, 3, 3], &values(CHANNELS * 27, 1, 0.4))
        .node("Conv", &["x", "w1"], "conv", &window)
        .floats("gamma", &[CHANNELS], &positive)
        .floats("beta", &[CHANNELS], &values(CHANNELS, 3, 0.3))
        .floats("mean", &[CHANNELS], &values(CHANNELS, 4, 0.3))
        .floats("variance", &[CHANNELS], &positive);
    let mut norm = vec![Attribute::Real("epsilon", 1e-3), Attribute::Real("momentum", 0.9)];
    if set >= 14 {
        norm.push(Attribute::Number("training_mode", 0));
    }
    let file = file.node(
        "BatchNormalization",
        &["conv", "gamma", "beta", "mean", "variance"],
        "norm",
        &norm,
    );
    let file = match set {
        ..11 => {
            let bounds = [Attribute::Real("min", 0.0), Attribute::Real("max", 1.5)];
            file.node("Clip", &["norm"], "clip", &bounds)
        }
        _ => file.floats("least", &[], &[0.0]).floats("most", &[], &[1.5]).node(
            "Clip",
            &["norm", "least", "most"],
            "clip",
            &[],
        ),
    };
    let mut pool =
        vec![Attribute::List("kernel_shape", &[2, 2]), Attribute::List("strides", &[2, 2])];
    if set >= 10 {
        pool.push(Attribute::Number("ceil_mode", 1));
    }
    let mean = [Attribute::List("kernel_shape", &[3, 3]), Attribute::List("pads", &[1, 1, 1, 1])];
    let file = file
        .node("MaxPool", &["clip"], "max", &pool)
        .floats("w2", &[CHANNELS, CHANNELS, 3, 3], &values(CHANNELS * CHANNELS * 9, 2, 0.2))
        .floats("b2", &[CHANNELS], &values(CHANNELS, 6, 0.2))
        .node("Conv", &["max", "w2", "b2"], "deep", &window)
        .node("Add", &["deep", "max"], "sum", &[])
        .node("Relu", &["sum"], "relu", &[])
        .node("AveragePool", &["relu"], "smooth", &mean)
        // Axes counted from the back came with set 11.
        .node(
            "Concat",
            &["relu", "smooth"],
            "both",
            &[Attribute::Number("axis", if set < 11 { 1 } else { BACK - 2 })],
        );
    let file = match set {
        ..12 => file.node("Dropout", &["both"], "kept", &[Attribute::Real("ratio", 0.4)]),
        _ => file.floats("ratio", &[], &[0.4]).truth("training", false).node(
            "Dropout",
            &["both", "ratio", "training"],
            "kept",
            &[Attribute::Number("seed", 7)],
        ),
    };
    // Three ways to the mean of each channel as a vector.
    let file = match set % 3 {
        0 => listed(
            file.node("GlobalAveragePool", &["kept"], "pooled", &[]),
            set,
            13,
            ("Squeeze", "pooled", "vector"),
            &[2, 3],
        ),
        1 => file.node(
            "ReduceMean",
            &["kept"],
            "vector",
            &[
                Attribute::List("axes", if set < 11 { &[2, 3] } else { &[BACK, BACK - 1] }),
                Attribute::Number("keepdims", 0),
            ],
        ),
        _ => {
            let file = file
                .node("GlobalAveragePool", &["kept"], "pooled", &[])
                .long_integers("sides", &[0, -1]);
            let allow = [Attribute::Number("allowzero", 0)];
            let attributes = if set < 14 { &allow[..0] } else { &allow[..] };
            file.node("Reshape", &["pooled", "sides"], "vector", attributes)
        }
    };
    let file = file.floats("w3", &[CLASSES, 2 * CHANNELS], &values(CLASSES * 2 * CHANNELS, 7, 1.5));
    let transposed = [Attribute::Number("transB", 1)];
    let file = match set {
        ..11 => file.floats("b3", &[CLASSES], &values(CLASSES, 8, 0.2)).node(
            "Gemm",
            &["vector", "w3", "b3"],
            "scores",
            &transposed,
        ),
        _ => file.node("Gemm", &["vector", "w3"], "scores", &transposed),
    };
    // There and back, over the default axis of the set.
    let file = listed(file, set, 13, ("Unsqueeze", "scores", "pixel"), &[2, 3]);
    file.node("Flatten", &["pixel"], "flat", &[Attribute::Number("axis", 1)])
        .node("Softmax", &["flat"], "y", &[])
        .finish_in(set, &[1, 3, SIDE, SIDE], &[1, CLASSES])
}

#[test]
fn every_operator_set_computes_what_onnx_runtime_does() {
    let Some(python) = python() else { return };
    let place = scratch().join("numerics");
    fs::create_dir_all(&place).unwrap();
    for set in SETS {
        let path = place.join(format!("set-{set}.onnx"));
        fs::write(&path, network(set)).unwrap();
        let graph = Model::open(path.to_str().unwrap(), 1).unwrap().graph;
        let image = synthetic_image(graph.input_shape(), 3, 0).unwrap();
        let expected = Engine::open(&python, "onnxruntime", &path, 1).unwrap().run(&image).unwrap();
        let range = expected.iter().copied().fold(0.0, f32::max);
        let least = expected.iter().copied().fold(1.0, f32::min);
        assert!(range > 1.2 * least, "set {set}: all classes are alike: {expected:?}");
        for executor in executor::names() {
            let mut own = executor::open(executor, &graph, 2).unwrap();
            let actual = own.run(&image, &mut ()).unwrap();
            assert_eq!(actual.values().len(), expected.len());
            let apart =
                actual.values().iter().zip(&expected).map(|(one, other)| (one - other).abs());
            // NaN would get lost in a maximum.
            let apart: Vec<f32> =
                apart.map(|it| if it.is_nan() { f32::INFINITY } else { it }).collect();
            let error = apart.into_iter().fold(0.0, f32::max) / range;
            println!("operator set {set} on {executor}: {error:.1e} of the range");
            assert!(error <= FP32, "operator set {set} on {executor}: {error:.1e}");
        }
        fs::remove_file(&path).unwrap();
    }
}
