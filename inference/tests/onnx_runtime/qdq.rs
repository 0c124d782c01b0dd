//! Quantised networks as other programs write them: unsigned steps, the QDQ form, other zero points.

use std::fs;
use std::path::Path;

use wattline_inference::{Model, executor, onnx, synthetic_image};

use super::engines::{Engine, scratch};
use super::protobuf::{Attribute, File};
use super::python;

/// Channels of the image and of each layer.
const CHANNELS: u64 = 8;

/// Rows and columns of the image.
const SIDE: u64 = 9;

/// Rows and columns after the first convolution.
const HALF: u64 = 5;

/// Numbers without a pattern.
fn bytes(count: u64, seed: u64) -> Vec<u8> {
    (0..count).map(|n| ((n + 977 * seed).wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// A file whose image becomes the steps `q`, unsigned around 114.
fn of_unsigned_steps() -> File {
    File::default()
        .floats("x_scale", &[], &[0.017])
        .unsigned("x_zero", &[], &[114])
        .floats("y_scale", &[], &[0.05])
        .unsigned("y_zero", &[], &[9])
        .node("QuantizeLinear", &["x", "x_scale", "x_zero"], "q", &[])
}

/// Weights of either sign and a scale for each output channel, which is the first side.
fn with_signed_weights(file: File, inputs: u64) -> File {
    let weights: Vec<i8> =
        bytes(CHANNELS * inputs * 9, 1).into_iter().map(|byte| byte as i8).collect();
    let scales: Vec<f32> = (0..CHANNELS).map(|channel| 0.001 + 0.0002 * channel as f32).collect();
    let bias_scales: Vec<f32> = scales.iter().map(|scale| scale * 0.017).collect();
    let bias: Vec<i32> = (0..CHANNELS as i32).map(|channel| 900 * channel - 3000).collect();
    file.signed("w", &[CHANNELS, inputs, 3, 3], &weights)
        .floats("w_scale", &[CHANNELS], &scales)
        .signed("w_zero", &[CHANNELS], &[0; CHANNELS as usize])
        .integers("b", &[CHANNELS], &bias)
        .floats("b_scale", &[CHANNELS], &bias_scales)
}

const WINDOW: [Attribute; 3] = [
    Attribute::List("kernel_shape", &[3, 3]),
    Attribute::List("strides", &[2, 2]),
    Attribute::List("pads", &[1, 1, 1, 1]),
];

/// A convolution between `DequantizeLinear` and `QuantizeLinear`, with everything constant
/// dequantised too, and an activation before the result is quantised.
fn qdq() -> File {
    let axis = [Attribute::Number("axis", 0)];
    with_signed_weights(of_unsigned_steps(), CHANNELS)
        .node("DequantizeLinear", &["q", "x_scale", "x_zero"], "x_again", &[])
        .node("DequantizeLinear", &["w", "w_scale", "w_zero"], "w_floats", &axis)
        .node("DequantizeLinear", &["b", "b_scale"], "b_floats", &axis)
        .node("Conv", &["x_again", "w_floats", "b_floats"], "sums", &WINDOW)
        .node("Relu", &["sums"], "positive", &[])
        .node("QuantizeLinear", &["positive", "y_scale", "y_zero"], "result", &[])
        .node("DequantizeLinear", &["result", "y_scale", "y_zero"], "y", &[])
}

/// The same with unsigned weights around 121, one scale for all, and no bias.
fn qdq_of_unsigned_weights() -> File {
    of_unsigned_steps()
        .unsigned("w", &[CHANNELS, CHANNELS, 3, 3], &bytes(CHANNELS * CHANNELS * 9, 2))
        .floats("w_scale", &[], &[0.002])
        .unsigned("w_zero", &[], &[121])
        .node("DequantizeLinear", &["q", "x_scale", "x_zero"], "x_again", &[])
        .node("DequantizeLinear", &["w", "w_scale", "w_zero"], "w_floats", &[])
        .node("Conv", &["x_again", "w_floats"], "sums", &WINDOW)
        .node("QuantizeLinear", &["sums", "y_scale", "y_zero"], "result", &[])
        .node("DequantizeLinear", &["result", "y_scale", "y_zero"], "y", &[])
}

const QLINEAR_INPUTS: [&str; 9] =
    ["q", "x_scale", "x_zero", "w", "w_scale", "w_zero", "y_scale", "y_zero", "b"];

/// `QLinearConv` from unsigned steps to unsigned steps.
fn qlinear() -> File {
    with_signed_weights(of_unsigned_steps(), CHANNELS)
        .node("QLinearConv", &QLINEAR_INPUTS, "result", &WINDOW)
        .node("DequantizeLinear", &["result", "y_scale", "y_zero"], "y", &[])
}

/// The same of each channel alone.
fn qlinear_depthwise() -> File {
    let [kernel, strides, padding] = WINDOW;
    let attributes = [kernel, strides, padding, Attribute::Number("group", CHANNELS)];
    with_signed_weights(of_unsigned_steps(), 1)
        .node("QLinearConv", &QLINEAR_INPUTS, "result", &attributes)
        .node("DequantizeLinear", &["result", "y_scale", "y_zero"], "y", &[])
}

/// The same with weights of `zero`, as unsigned steps with one scale.
fn qlinear_of_unsigned_weights(zero: u8) -> File {
    of_unsigned_steps()
        .unsigned("w", &[CHANNELS, CHANNELS, 3, 3], &bytes(CHANNELS * CHANNELS * 9, 3))
        .floats("w_scale", &[], &[0.002])
        .unsigned("w_zero", &[], &[zero])
        .node("QLinearConv", &QLINEAR_INPUTS[..8], "result", &WINDOW)
        .node("DequantizeLinear", &["result", "y_scale", "y_zero"], "y", &[])
}

#[test]
fn networks_of_other_programs_compute_what_onnx_runtime_does() {
    let Some(python) = python() else { return };
    for (name, file) in [
        ("qdq", qdq()),
        ("qdq-unsigned-weights", qdq_of_unsigned_weights()),
        ("qlinear", qlinear()),
        ("qlinear-depthwise", qlinear_depthwise()),
        ("qlinear-unsigned-weights", qlinear_of_unsigned_weights(128)),
    ] {
        let place = scratch().join("numerics");
        fs::create_dir_all(&place).unwrap();
        let path = place.join(format!("{name}.onnx"));
        let (image, result) = ([1, CHANNELS, SIDE, SIDE], [1, CHANNELS, HALF, HALF]);
        fs::write(&path, file.finish(&image, &result)).unwrap();
        compare(&python, name, &path);
        fs::remove_file(&path).unwrap();
    }
}

/// Holds the executors that take 8-bit steps against ONNX Runtime. Sums in another order may round
/// to the neighbouring step, and rarely do.
fn compare(python: &Path, name: &str, file: &Path) {
    const STEP: f32 = 0.05;
    let graph = Model::open(file.to_str().unwrap(), 1).unwrap().graph;
    let mut onnx_runtime = Engine::open(python, "onnxruntime-as-written", file, 1).unwrap();
    let image = synthetic_image(graph.input_shape(), 4, 0).unwrap();
    let expected = onnx_runtime.run(&image).unwrap();
    let distinct: std::collections::BTreeSet<_> =
        expected.iter().map(|value| (value / STEP).round() as i32).collect();
    assert!(distinct.len() > 20, "{name}: nothing to compare: {distinct:?}");
    for executor in executor::names().into_iter().filter(|name| *name != "opencl") {
        let mut own = executor::open(executor, &graph, 2).unwrap();
        let actual = own.run(&image, &mut ()).unwrap();
        assert_eq!(actual.values().len(), expected.len());
        let pairs = actual.values().iter().zip(&expected);
        let apart: Vec<f32> = pairs.map(|(one, other)| (one - other).abs() / STEP).collect();
        let most = apart.iter().copied().fold(0.0, f32::max);
        let off = apart.iter().filter(|steps| **steps > 0.5).count();
        println!("{name} on {executor}: {off} of {} off, at most {most:.2} steps", apart.len());
        assert!(most <= 1.01, "{name} on {executor}: {most} steps apart");
        assert!(off * 50 <= apart.len(), "{name} on {executor}: {off} of {} off", apart.len());
    }
}

/// What is not supported is named with its node.
#[test]
fn unsupported_forms_are_named_with_their_node() {
    let pooled = of_unsigned_steps().node("MaxPool", &["q"], "pooled", &WINDOW).node(
        "DequantizeLinear",
        &["pooled", "x_scale", "x_zero"],
        "y",
        &[],
    );
    let dynamic = File::default().node("DynamicQuantizeLinear", &["x"], "y", &[]);
    let integer = of_unsigned_steps()
        .signed("w", &[CHANNELS, CHANNELS, 3, 3], &[1; (CHANNELS * CHANNELS * 9) as usize])
        .node("ConvInteger", &["q", "w"], "y", &WINDOW);
    let added = of_unsigned_steps().node(
        "QLinearAdd",
        &["q", "x_scale", "x_zero", "q", "x_scale", "x_zero", "y_scale", "y_zero"],
        "y",
        &[],
    );
    let skewed = qlinear_of_unsigned_weights(121);
    let several = of_unsigned_steps()
        .floats("scales", &[CHANNELS], &[0.02; CHANNELS as usize])
        .node("DequantizeLinear", &["q", "scales"], "y", &[]);
    for (file, words) in [
        (pooled, ["`pooled`", "8-bit steps"]),
        (dynamic, ["DynamicQuantizeLinear", "`y`"]),
        (integer, ["ConvInteger", "`y`"]),
        (added, ["QLinearAdd", "`y`"]),
        (skewed, ["`result`", "zero point"]),
        (several, ["`y`", "8 values"]),
    ] {
        let bytes = file.finish(&[1, CHANNELS, SIDE, SIDE], &[1, CHANNELS, HALF, HALF]);
        let error = onnx::read(bytes).unwrap_err().to_string();
        println!("{error}");
        words.iter().for_each(|word| assert!(error.contains(word), "no {word} in: {error}"));
    }
}
