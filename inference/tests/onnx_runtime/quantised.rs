//! A quantised network: classes, and errors in steps of its logits.

use std::collections::HashSet;

use wattline_inference::graph::Shape;
use wattline_inference::{Tensor, executor, synthetic_image, zoo};

use super::engines::Engine;
use super::{Written, python};

const IMAGES: u64 = 24;

/// Synthetic images of brightness and contrast of their own, so that a network of random weights
/// does not take all of them for the same thing.
fn image(shape: Shape, index: u64) -> Tensor {
    let drawn = synthetic_image(shape, 9, index).unwrap();
    let tint = synthetic_image(Shape::vector(2 * shape.channels), 10, index).unwrap();
    let planes = drawn.values().chunks(shape.pixels()).zip(tint.values().chunks(2));
    let values = planes.flat_map(|(plane, tint)| {
        plane.iter().map(|value| (value * (0.6 + 0.3 * tint[0]) + 0.7 * tint[1]).clamp(-1.7, 1.7))
    });
    Tensor::new(shape, values.collect()).unwrap()
}

#[test]
fn mobilenet_int8_computes_what_onnx_runtime_does() {
    let Some(python) = python() else { return };
    let [quantised, fp32] =
        ["mobilenet-int8", "mobilenet"].map(|name| zoo::graph(name, 1).unwrap());
    let file = Written::new("mobilenet-int8", &quantised);
    let mut onnx_runtime = Engine::open(&python, "onnxruntime-as-written", &file.0, 2).unwrap();
    let images = (0..IMAGES).map(|index| image(quantised.input_shape(), index));

    // Before the softmax the result is in steps: the logarithm of a ratio of probabilities is a
    // difference of logits, a whole number of them.
    let last = quantised
        .layers()
        .iter()
        .rev()
        .find_map(|it| quantised.tensors()[it.inputs[0].index()].steps);
    let step = last.unwrap().scale;
    let fastest = executor::names().last().copied().unwrap();
    let mut own = executor::open(fastest, &quantised, 2).unwrap();
    let mut exact = executor::open(fastest, &fp32, 2).unwrap();
    let (mut same, mut as_fp32, mut classes) = (0, 0, HashSet::new());
    let (mut worst, mut off, mut worst_fp32) = (0.0_f32, 0, 0.0_f32);
    for image in images {
        let expected = onnx_runtime.run(&image).unwrap();
        let expected = Tensor::new(quantised.output_shape(), expected).unwrap();
        let actual = own.run(&image, &mut ()).unwrap();
        let fp32 = exact.run(&image, &mut ()).unwrap();
        classes.insert(fp32.argmax());
        same += u64::from(actual.argmax() == expected.argmax());
        as_fp32 += u64::from(actual.argmax() == fp32.argmax());
        let apart = steps_apart(&actual, &expected, step);
        worst = apart.iter().copied().fold(worst, f32::max);
        off += apart.iter().filter(|steps| **steps >= 0.5).count();
        worst_fp32 = steps_apart(&actual, &fp32, step).into_iter().fold(worst_fp32, f32::max);
    }
    println!(
        "mobilenet-int8 on {fastest}, {IMAGES} images of {} classes: likeliest class as ONNX Runtime {same}, \
         as FP32 {as_fp32}; outputs at most {worst:.2} steps from ONNX Runtime's ({off} of {} by half a step or \
         more), {worst_fp32:.1} steps from FP32's",
        classes.len(),
        1000 * IMAGES
    );
    assert!(classes.len() > 1, "all images are of one class, and agreement says nothing");
    assert!(same + 1 >= IMAGES, "{same} of {IMAGES} classes are ONNX Runtime's");
    assert!(worst <= 2.0, "{worst} steps from ONNX Runtime");
}

/// How many steps two results' logits are apart, each class's: logarithms of probabilities, less
/// what is common to all of them.
fn steps_apart(one: &Tensor, other: &Tensor, step: f32) -> Vec<f32> {
    let pairs = one.values().iter().zip(other.values());
    let mut apart: Vec<f32> = pairs.map(|(a, b)| (a / b).ln() / step).collect();
    let mut sorted = apart.clone();
    sorted.sort_by(f32::total_cmp);
    let common = sorted[sorted.len() / 2];
    apart.iter_mut().for_each(|steps| *steps = (*steps - common).abs());
    apart
}
