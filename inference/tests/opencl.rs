//! The OpenCL executor beyond what the suite of every executor asks.

use wattline_inference::cost::ElementType;
use wattline_inference::executor::{Executor, LayerObserver};
use wattline_inference::graph::Graph;
use wattline_inference::opencl::{self, Device, DeviceChoice, OpenCl, Options};
use wattline_inference::{Model, executor, monotonic_ns, onnx, synthetic_image, zoo};

/// The device that tests run on. Where there is none they say so and are skipped, but for CI,
/// where that is a failure.
fn device() -> Option<Device> {
    match opencl::choose(&DeviceChoice::Best) {
        Ok(device) => Some(device),
        Err(error) if std::env::var_os("CI").is_some() => panic!("in CI: {error}"),
        Err(error) => {
            eprintln!("SKIPPED, nothing was tested: {error}");
            None
        }
    }
}

#[test]
fn a_device_is_chosen_by_kind_position_and_name() {
    let Some(best) = device() else { return };
    let devices = opencl::devices().unwrap();
    assert!(devices.iter().all(|device| best.kind <= device.kind), "{devices:?}");
    for (index, device) in devices.iter().enumerate() {
        let chosen = opencl::choose(&DeviceChoice::Index(index)).unwrap();
        assert_eq!(chosen.to_string(), device.to_string());
    }
    let name = DeviceChoice::Name(best.name.to_uppercase());
    assert_eq!(opencl::choose(&name).unwrap().name, best.name);
    for wish in [DeviceChoice::Index(99), DeviceChoice::Name("abacus".to_owned())] {
        let error = opencl::choose(&wish).unwrap_err().to_string();
        assert!(error.contains(&best.to_string()), "{error}");
        assert!(error.contains("99") || error.contains("abacus"), "{error}");
    }
}

/// The largest error relative to the largest value of the reference's result.
fn error(graph: &Graph, storage: ElementType) -> f32 {
    let image = synthetic_image(graph.input_shape(), 5, 0).unwrap();
    let expected = executor::open("reference", graph, 1).unwrap().run(&image, &mut ()).unwrap();
    let options = Options { storage, ..Options::default() };
    let actual = OpenCl::new(graph, &options).unwrap().run(&image, &mut ()).unwrap();
    let largest = expected.values().iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let errors = actual.values().iter().zip(expected.values()).map(|(one, two)| (one - two).abs());
    errors.fold(0.0_f32, f32::max) / largest
}

/// Drivers that give no device FP16, and whose version starts so. In CI its numbers go untested on
/// these alone.
const WITHOUT_FP16: [(&str, &str); 1] = [("Portable Computing Language", "3.1")];

#[test]
fn fp16_is_close_or_refused_in_words() {
    let Some(device) = device() else { return };
    if !device.fp16 {
        let graph = zoo::graph_at("squeezenet", 64, 1).unwrap();
        let options = Options { storage: ElementType::F16, ..Options::default() };
        let refusal = OpenCl::new(&graph, &options).unwrap_err().to_string();
        assert!(refusal.contains("cl_khr_fp16") && refusal.contains(&device.name), "{refusal}");
        let known = WITHOUT_FP16.iter().any(|(platform, version)| {
            device.platform == *platform && device.driver_version.starts_with(version)
        });
        assert!(known || std::env::var_os("CI").is_none(), "in CI: {refusal}");
        eprintln!("SKIPPED, FP16's numbers are not tested: {refusal}");
        return;
    }
    let errors = zoo::STUDY.iter().map(|name| {
        let error = error(&zoo::graph_at(name, 115, 1).unwrap(), ElementType::F16);
        eprintln!("{name}: {error:.1e} of the range");
        (name, error)
    });
    let errors: Vec<_> = errors.collect();
    assert!(errors.iter().all(|&(_, error)| error <= 1e-2), "{errors:?}");
}

#[test]
fn a_file_of_odd_sizes() {
    if device().is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("odd.onnx");
    for (name, side) in [("googlenet", 101), ("mobilenet", 77), ("resnet50", 67)] {
        let bytes = onnx::write(&zoo::graph_at(name, side, 3).unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        let model = Model::from_file(&path).unwrap();
        let error = error(&model.graph, ElementType::F32);
        assert!(error <= 1e-4, "{name} at {side}: {error:.1e} of the range");
    }
}

#[derive(Default)]
struct Heard(Vec<(u64, u64)>);

impl LayerObserver for Heard {
    fn layer(&mut self, _index: usize, start_ns: u64, end_ns: u64) {
        self.0.push((start_ns, end_ns));
    }
}

/// Each image is its layers, one going on where the one before it ended, and next to nothing is of
/// no layer: of the study's networks and of one that takes no time to speak of.
#[test]
fn layers_add_up_to_their_image_and_its_clock_has_a_bound() {
    if device().is_none() {
        return;
    }
    let tiny = zoo::graph_at("squeezenet", 32, 1).unwrap();
    let studied = zoo::STUDY.map(|name| zoo::graph(name, 1).unwrap());
    for graph in [tiny].iter().chain(&studied) {
        let mut executor = OpenCl::new(graph, &Options::default()).unwrap();
        let image = synthetic_image(graph.input_shape(), 1, 0).unwrap();
        let share = |_| {
            let mut heard = Heard::default();
            executor.between_images().unwrap();
            let start_ns = monotonic_ns();
            executor.run(&image, &mut heard).unwrap();
            let end_ns = monotonic_ns();
            assert_eq!(heard.0.len(), graph.layers().len());
            let (first, last) = (heard.0[0], heard.0[heard.0.len() - 1]);
            assert!(start_ns <= first.0 && last.1 <= end_ns);
            assert!(heard.0.windows(2).all(|pair| pair[0].1 == pair[1].0), "{:?}", heard.0);
            assert!(heard.0.iter().any(|(start_ns, end_ns)| start_ns < end_ns));
            let image_ns = end_ns - start_ns;
            assert!((1..image_ns).contains(&executor.clock_error_ns()));
            assert!((1..image_ns).contains(&executor.transfer_ns()));
            (last.1 - first.0) as f64 / image_ns as f64
        };
        // What interrupts an image is of no layer where it comes before the first or after the last.
        let best = (0..5).map(share).fold(0.0, f64::max);
        assert!(best >= 0.98, "{}: layers are {best:.4} of the image", graph.name());
    }
}
