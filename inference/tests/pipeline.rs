//! A network split over engines gives what it gives in one piece, whichever executors run its
//! parts and wherever it is cut.

use std::ops::ControlFlow;
use std::sync::Arc;

use wattline_inference::coexecution::policy::Pipeline;
use wattline_inference::coexecution::{
    Engine, EngineError, ExecutorEngine, Handover, Job, Opener, Plan, Profile, Ran, Settings,
    Source, threaded,
};
use wattline_inference::executor::{self, Executor, ExecutorError, LayerObserver};
use wattline_inference::graph::{Graph, Shape};
use wattline_inference::{Tensor, opencl, synthetic_image, zoo};

/// The zoo's networks, small; among them what branches, adds, joins and is in 8-bit steps.
fn networks() -> Vec<Graph> {
    let sides = [("alexnet", 83), ("googlenet", 64), ("resnet50", 64), ("squeezenet", 64)];
    let networks = sides.into_iter().chain([("mobilenet", 64), ("mobilenet-int8", 64)]);
    networks.map(|(name, side)| zoo::graph_at(name, side, 1).unwrap()).collect()
}

/// Each executor that takes `graph`.
fn executors(graph: &Graph) -> Vec<Box<dyn Executor>> {
    let takes = |name: &&&str| **name != opencl::NAME || graph.first_quantised().is_none();
    let names = executor::names();
    names.iter().filter(takes).map(|name| executor::open(name, graph, 2).unwrap()).collect()
}

fn image(graph: &Graph, index: u64) -> Tensor {
    synthetic_image(graph.input_shape(), 5, index).unwrap()
}

#[track_caller]
fn assert_close(what: &str, actual: &Tensor, expected: &Tensor) {
    assert_eq!(actual.shape(), expected.shape());
    let largest = expected.values().iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    assert!(largest > 0.0 && largest.is_finite(), "{what}: nothing to compare");
    for (actual, expected) in actual.values().iter().zip(expected.values()) {
        assert!((actual - expected).abs() <= 1e-4 * largest, "{what}: {actual}, not {expected}");
    }
}

/// Which layers ran.
#[derive(Default)]
struct Ranges(Vec<usize>);

impl LayerObserver for Ranges {
    fn layer(&mut self, index: usize, start_ns: u64, end_ns: u64) {
        assert!(start_ns <= end_ns);
        self.0.push(index);
    }
}

/// Every executor runs the layers before a cut, after which another image goes through it whole, and
/// then the next executor runs the layers after the cut.
#[test]
fn any_cut_gives_the_same_result() {
    for graph in networks() {
        let layers = graph.layers().len();
        let mut executors = executors(&graph);
        let (image, other) = (image(&graph, 0), image(&graph, 1));
        let expected = executors[0].run(&image, &mut ()).unwrap();
        let cuts = (0..=layers).step_by((layers / 5).max(1)).chain([layers]);
        for (turn, cut) in cuts.enumerate() {
            let (first, second) = (turn % executors.len(), (turn + 1) % executors.len());
            let mut ran = Ranges::default();
            let before = std::slice::from_ref(&image);
            let live = executors[first].run_layers(0..cut, before, &mut ran).unwrap();
            let shapes: Vec<Shape> = live.iter().map(Tensor::shape).collect();
            let named = graph.live_before(cut).into_iter().map(|tensor| graph.shape(tensor));
            assert_eq!(shapes, Vec::from_iter(named));
            executors[first].run(&other, &mut ()).unwrap();
            let result = executors[second].run_layers(cut..layers, &live, &mut ran).unwrap();
            let (from, to) = (executors[first].name(), executors[second].name());
            let what = format!("{} cut at {cut}, from {from} to {to}", graph.name());
            assert_eq!(result.len(), 1, "{what}");
            assert_close(&what, &result[0], &expected);
            assert_eq!(ran.0, Vec::from_iter(0..layers), "{what}");
        }
    }
}

#[test]
fn what_layers_cannot_go_on_from_is_refused() {
    let graph = zoo::graph_at("resnet50", 64, 1).unwrap();
    let image = image(&graph, 0);
    let layers = graph.layers().len();
    // In the middle of a residual block two tensors are live.
    let cut = (0..layers).find(|&layer| graph.live_before(layer).len() == 2).unwrap();
    for mut executor in executors(&graph) {
        let live = executor.run_layers(0..cut, std::slice::from_ref(&image), &mut ()).unwrap();
        let mut refused =
            |layers, live: &[Tensor]| executor.run_layers(layers, live, &mut ()).unwrap_err();
        let error = refused(cut..layers, &live[..1]);
        assert!(matches!(error, ExecutorError::Handover { expected: 2, actual: 1, .. }), "{error}");
        let error = refused(cut..layers + 1, &live);
        assert!(matches!(error, ExecutorError::Handover { .. }), "{error}");
        let error = refused(cut..layers, &[image.clone(), image.clone()]);
        assert!(matches!(error, ExecutorError::InputShape { .. }), "{error}");
    }
}

/// An engine that fails at one frame.
struct Failing {
    engine: ExecutorEngine,
    at: Option<u64>,
}

impl Engine for Failing {
    type Output = Tensor;

    fn run(&mut self, job: &Job) -> Result<Ran<Tensor>, EngineError> {
        match self.at {
            Some(frame) if frame == job.frame => Err("its bus hung".into()),
            _ => self.engine.run(job),
        }
    }
}

/// Runs a stream through a pipeline of `executors`, of which one may fail at a frame, and checks
/// every result.
fn pipeline(executors: &[&'static str], fails: Option<(usize, u64)>) {
    const IMAGES: u64 = 12;
    let graph = zoo::graph_at("squeezenet", 64, 1).unwrap();
    let inputs: Arc<[Tensor]> = (0..3).map(|index| image(&graph, index)).collect();
    let mut whole = executor::open("reference", &graph, 1).unwrap();
    let expected: Vec<_> = inputs.iter().map(|it| whole.run(it, &mut ()).unwrap()).collect();

    let layer_seconds = vec![1e-3; graph.layers().len()];
    let settings = Settings { window: 4, ..Settings::default() };
    let handover = Handover::new(settings.window);
    let openers = executors.iter().enumerate().map(|(component, &name)| -> Opener<Tensor> {
        let (graph, inputs, handover) = (graph.clone(), Arc::clone(&inputs), Arc::clone(&handover));
        Box::new(move || {
            let executor = executor::open(name, &graph, 1)?;
            let engine = ExecutorEngine::new(executor, inputs)?.handing_over(handover);
            let at = fails.filter(|(which, _)| *which == component).map(|(_, frame)| frame);
            Ok(Box::new(Failing { engine, at }))
        })
    });
    let openers = openers.collect();
    let profile = |name: &&str| Profile::new(*name, 1.0, 0.0).with_layers(&layer_seconds);
    let plan = Plan {
        policy: Box::new(Pipeline::new(Vec::new())),
        profiles: executors.iter().map(profile).collect(),
        source: Source::Finite { images: IMAGES },
        settings,
    };
    let mut frames = Vec::new();
    let report = threaded(plan, openers, |delivered| {
        let expected = &expected[delivered.frame as usize % expected.len()];
        assert_close(
            &format!("frame {} of {executors:?}", delivered.frame),
            &delivered.output,
            expected,
        );
        frames.push(delivered.frame);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(frames, Vec::from_iter(0..IMAGES), "{executors:?}");
    let working = report.components.iter().filter(|it| it.working).count();
    assert_eq!(working, executors.len() - fails.iter().count());
    let shares = report.components.iter().filter(|it| it.frames_pct > 0.0).count();
    assert_eq!(shares, executors.len(), "each has a stage: {:?}", report.components);
}

#[test]
fn a_pipeline_of_executors_gives_every_result_once_and_in_order() {
    let names = executor::names();
    for first in &names {
        for second in &names {
            pipeline(&[first, second], None);
        }
    }
    pipeline(&names, None);
}

/// Images go on from where they were, on what is left.
#[test]
fn a_stage_that_fails_is_taken_over() {
    for component in 0..2 {
        pipeline(&["reference", "reference"], Some((component, 5)));
    }
}
