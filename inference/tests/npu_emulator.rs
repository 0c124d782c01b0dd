//! The NPU emulator as a component of a run: times of the model, outputs that were computed
//! before, and every byte accounted for.

use std::ops::ControlFlow;
use std::sync::Arc;

use wattline_board::description::{Component, Description};
use wattline_board::emulated::work::{LayerWork, Work};
use wattline_inference::coexecution::policy::StealTailGuard;
use wattline_inference::coexecution::{
    Engine, EngineError, Opener, Plan, Profile, Settings, Source, threaded,
};
use wattline_inference::executor::LayerObserver;
use wattline_inference::graph::Shape;
use wattline_inference::npu::{self, Emulator, TrafficSettings};
use wattline_inference::{Tensor, executor, synthetic_image, zoo};

fn component() -> Component {
    Description::load("kirin970").unwrap().component("npu").unwrap().clone()
}

/// Three layers: bound by dispatch, by compute, and by bandwidth.
fn work() -> Work {
    let layer = |dispatch_s, compute_s, read_bytes, write_bytes| LayerWork {
        name: "layer".into(),
        kilohertz: None,
        dispatch_s,
        compute_s,
        read_bytes,
        write_bytes,
    };
    let layers =
        vec![layer(1e-4, 1e-5, 1e3, 1e3), layer(1e-4, 2e-3, 1e5, 3e5), layer(1e-4, 1e-4, 9e6, 4e6)];
    Work { network: "it".into(), layers }
}

/// Outputs that tell which image they are of.
fn outputs(count: usize) -> Arc<[Tensor]> {
    (0..count).map(|it| Tensor::new(Shape::vector(1), vec![it as f32]).unwrap()).collect()
}

struct Times(Vec<(u64, u64)>);

impl LayerObserver for Times {
    fn layer(&mut self, index: usize, start_ns: u64, end_ns: u64) {
        assert_eq!(index, self.0.len());
        self.0.push((start_ns, end_ns));
    }
}

#[test]
fn images_take_the_models_time_and_answer_what_was_computed() {
    let (work, component) = (work(), component());
    let mut emulator = Emulator::new(&work, &component, outputs(3));
    let mut last_ns = 0;
    for frame in 0..7 {
        let mut times = Times(Vec::new());
        let ((start_ns, end_ns), output) = emulator.run_image(frame, &mut times);
        assert_eq!(output.unwrap().values(), [(frame % 3) as f32]);
        let model_ns = (work.solo_seconds(&component) * 1e9).round() as u64;
        assert_eq!(end_ns - start_ns, model_ns);
        assert_eq!((times.0[0].0, times.0[2].1), (start_ns, end_ns));
        assert!(start_ns >= last_ns, "an image starts when the one before has ended");
        assert!(wattline_inference::monotonic_ns() >= end_ns, "nothing is answered early");
        last_ns = end_ns;
    }
    let report = emulator.watch().report();
    assert_eq!((report.images, report.traffic), (7, None));
}

/// Whatever the machine does meanwhile: the layers' bytes are asked for once, and each is moved
/// or counted as not moved; a shortfall is said exactly when there is one.
#[test]
fn every_byte_is_moved_or_counted() {
    let (work, component) = (work(), component());
    let settings = TrafficSettings {
        cpus: vec![0],
        working_set_bytes: 8 << 20,
        bandwidth_bytes_per_s: component.bandwidth.unwrap().bytes_per_s(),
    };
    let mut emulator = Emulator::new(&work, &component, outputs(1)).moving(settings).unwrap();
    let watch = emulator.watch();
    for frame in 0..20 {
        emulator.run_image(frame, &mut ());
    }
    drop(emulator);
    let report = watch.report();
    let traffic = report.traffic.clone().unwrap();
    assert_eq!(traffic.asked_bytes, 20 * work.dram_bytes() as u64);
    assert_eq!(traffic.moved_bytes + traffic.lost_bytes, traffic.asked_bytes);
    println!("{report}");
    let said = report.behind().is_some_and(|text| text.contains("memory traffic fell short"));
    assert_eq!(said, traffic.lost_bytes as f64 > 0.01 * traffic.asked_bytes as f64);
}

#[test]
fn cpus_that_are_not_there_are_refused() {
    let settings = TrafficSettings {
        cpus: vec![1000],
        working_set_bytes: 1 << 20,
        bandwidth_bytes_per_s: 1e9,
    };
    let error = Emulator::new(&work(), &component(), outputs(1)).moving(settings).unwrap_err();
    assert!(error.to_string().contains("CPUs [1000]"), "{error}");
}

/// As one of two components that share a stream.
#[test]
fn it_takes_part_in_a_co_execution() {
    let opener = || -> Opener<Tensor> {
        Box::new(|| {
            let engine: Box<dyn Engine<Output = Tensor>> =
                Box::new(Emulator::new(&work(), &component(), outputs(4)));
            Ok::<_, EngineError>(engine)
        })
    };
    let seconds = work().solo_seconds(&component());
    let profile = |name: &str| Profile::new(name, seconds, 1.0);
    let plan = Plan {
        policy: Box::new(StealTailGuard),
        profiles: vec![profile("one"), profile("other")],
        source: Source::Finite { images: 30 },
        // However busy the machine, neither is given up.
        settings: Settings { least_patience_s: 60.0, ..Settings::default() },
    };
    let mut next = 0;
    let report = threaded(plan, vec![opener(), opener()], |delivered| {
        assert_eq!(delivered.image, next);
        assert_eq!(delivered.output.values(), [(next % 4) as f32]);
        next += 1;
        ControlFlow::Continue(())
    });
    assert_eq!(report.unwrap().images, 30);
}

#[test]
fn outputs_are_those_of_fp16() {
    let graph = zoo::graph_at("squeezenet", 64, 1).unwrap();
    let images: Vec<_> =
        (0..2).map(|it| synthetic_image(graph.input_shape(), 1, it).unwrap()).collect();
    let full = executor::names().last().copied().unwrap();
    let mut steps = 0;
    let found = npu::outputs(&graph, &[], &images, full, 1, || steps += 1).unwrap();
    assert_eq!((steps, found.tensors.len()), (2, 2));
    assert!(found.largest_error > 0.0 && found.largest_error <= npu::LARGEST_ERROR);
    let mut half = npu::Fp16::new(&graph, &[], 1).unwrap();
    for (image, output) in images.iter().zip(found.tensors.iter()) {
        use wattline_inference::executor::Executor;
        assert_eq!(&half.run(image, &mut ()).unwrap(), output);
    }
    let refuses = ["conv2d".to_owned()];
    let error = npu::outputs(&graph, &refuses, &images, full, 1, || ()).unwrap_err().to_string();
    assert!(error.contains("not supported: layer `conv1`"), "{error}");
}
