//! Every executor against ONNX Runtime, on the same file and image: within 1e-4 of the range.
//!
//! ONNX Runtime comes as a wheel in an environment made under the target directory. Where it
//! cannot be had the test says so and, under `CI=true`, fails.

#[path = "../engines/mod.rs"]
mod engines;

use std::fs;

use engines::{Engine, environment, scratch};
use wattline_inference::{Model, executor, synthetic_image, zoo};

#[test]
fn every_executor_agrees_with_onnx_runtime_on_every_network() {
    let python = match environment("onnxruntime.txt") {
        Ok(python) => python,
        Err(error) if std::env::var("CI").as_deref() != Ok("true") => {
            eprintln!("SKIPPED: numerics were NOT compared with ONNX Runtime: {error}");
            return;
        }
        Err(error) => panic!("numerics cannot be compared with ONNX Runtime: {error}"),
    };
    let models = scratch().join("numerics");
    fs::create_dir_all(&models).unwrap();
    for name in zoo::names() {
        let file = models.join(format!("{name}.onnx"));
        fs::write(&file, zoo::build_onnx(name, 1).unwrap()).unwrap();
        let graph = Model::open(file.to_str().unwrap(), 1).unwrap().graph;
        let image = synthetic_image(graph.input_shape(), 1, 0).unwrap();
        let expected = Engine::open(&python, "onnxruntime", &file, 2).unwrap().run(&image).unwrap();
        fs::remove_file(&file).unwrap();
        let range = expected.iter().fold(0.0_f32, |range, value| range.max(value.abs()));
        assert!(range > 0.0 && range.is_finite(), "{name}: nothing to compare with");
        for executor in executor::names() {
            let actual = executor::open(executor, &graph, 2).unwrap().run(&image, &mut ()).unwrap();
            assert_eq!(actual.values().len(), expected.len());
            let error =
                actual.values().iter().zip(&expected).fold(0.0_f32, |most, (one, other)| {
                    // NaN would get lost in a maximum.
                    let error = (one - other).abs() / range;
                    if error.is_nan() { f32::INFINITY } else { most.max(error) }
                });
            println!("{name} on {executor}: {error:.1e} of the range");
            assert!(error <= 1e-4, "{name} on {executor}: {error:.1e} of the range");
        }
    }
}
