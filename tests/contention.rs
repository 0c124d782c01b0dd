//! How well the emulated board's contention model predicts co-execution.
//!
//! Table II of the study gives the throughput of ten streams (five networks, two boards) whose
//! images the two CPU clusters and the GPU take as they become free. Here the same streams run on
//! the [fluid model](wattline_board::emulated::fluid), calibrated on Table I, each component
//! alone.
//!
//! **What is fitted.** One number: how many images the study's streams had, which it does not say.
//! A finite stream ends with the slowest component busy and the others idle, and the study's
//! efficiencies (throughput over the sum of solo throughputs) are lowest where one image of the
//! slowest takes longest as the others count: 18 images of ResNet50 pass on the Exynos 5422 while
//! the A7 is at one, 19 of AlexNet on the Kirin 970 while the A53 is, and 8 to 11 elsewhere. The
//! memory's sustained bandwidth and the drivers' shares are those of the descriptions. The fit is
//! by least squares of relative errors, on the networks that are not predicted.
//!
//! **What a prediction is.** Whether a slow component takes an image just before the stream ends
//! is a matter of luck: the rounding of Table I decides it. The prediction is therefore the mean
//! over streams of 0.8 to 1.2 times the fitted length.
//!
//! **What is not claimed.** That the study's streams were this long: it is what reproduces them.
//! The alternative, endless streams that lose as much to contention, leaves 5.3 % at best (compute
//! time stretched by three times the share of the memory that the others use, which is hard to
//! believe) and has ResNet50 on the Exynos 5422, which moves few bytes, 15 % too fast. Run for 2000
//! images the model is 8.6 % above Table II on average: that is what the end of a stream costs.
//! The model's form was chosen with all ten rows in view; only its number was not.
//!
//! **What rounding contributes.** Table I is rounded to 0.1 images/s, ResNet50 on the A7 to
//! 0.2 ± 25 %. Drawn anew within their rounding, both tables move the errors by 0.75 % on average,
//! 2.7 % for ResNet50 on the Exynos 5422 and at most 1.1 % elsewhere.

use std::process::Command;
use std::sync::Arc;

use serde_json::Value;
use wattline_board::clock::JobId;
use wattline_board::description::{ComponentKind, Description};
use wattline_board::emulated::fluid::Fluid;
use wattline_board::emulated::work::Work;
use wattline_inference::coexecution::{STUDY_IMAGES, streams_around};
use wattline_inference::{layer_shapes, zoo};

/// Table II of the study, in images a second: CPU clusters and GPU together.
const PUBLISHED: [(&str, [(&str, f64); 5]); 2] = [
    (
        "exynos5422",
        [
            ("alexnet", 10.3),
            ("googlenet", 8.7),
            ("mobilenet", 14.9),
            ("resnet50", 2.9),
            ("squeezenet", 13.8),
        ],
    ),
    (
        "kirin970",
        [
            ("alexnet", 33.4),
            ("googlenet", 28.4),
            ("mobilenet", 51.5),
            ("resnet50", 12.3),
            ("squeezenet", 54.5),
        ],
    ),
];

/// Stream lengths that the fit chooses among.
const LENGTHS: std::ops::RangeInclusive<usize> = 20..=150;

/// The longest stream that a prediction for one of them looks at.
const LONGEST: usize = 180;

/// A row of Table II and the stream that is to reproduce it.
struct Row {
    board: &'static str,
    network: &'static str,
    published: f64,
    solo: f64,
    /// When each image was done, in the order in which they were taken, in seconds.
    done_s: Vec<f64>,
}

impl Row {
    /// Images a second of a stream of `images`, from its start until all are done.
    fn throughput(&self, images: usize) -> f64 {
        images as f64 / self.done_s[..images].iter().fold(0.0, |last, &done| done.max(last))
    }

    /// The mean over streams of about `images`.
    fn expected(&self, images: usize) -> f64 {
        let around = streams_around(images as u64);
        let count = around.clone().count() as f64;
        around.map(|length| self.throughput(length as usize)).sum::<f64>() / count
    }

    /// The relative error of the prediction.
    fn error(&self, images: usize) -> f64 {
        self.expected(images) / self.published - 1.0
    }
}

/// Every row, on boards changed by `change`.
fn rows(change: impl Fn(&mut Description)) -> Vec<Row> {
    let row = |board: &'static str, &(network, published): &(&'static str, f64)| {
        let mut description = Description::load(board).unwrap();
        change(&mut description);
        let graph = zoo::graph_structure(network).unwrap();
        let parts = description.components.iter().enumerate();
        let parts = parts.filter(|(_, component)| component.kind != ComponentKind::Npu);
        let works: Vec<_> = parts
            .clone()
            .map(|(index, component)| {
                let shapes = layer_shapes(&graph, component.precision);
                (index, Arc::new(Work::plan(network, &shapes, component).unwrap()))
            })
            .collect();
        let solo = parts.map(|(_, component)| component.calibration[network].images_per_s).sum();
        Row { board, network, published, solo, done_s: stream(&description, &works, LONGEST) }
    };
    PUBLISHED.iter().flat_map(|(board, rows)| rows.iter().map(|it| row(board, it))).collect()
}

/// Streams images through components that take the next one when they are free, and says when
/// each of the first `images` was done, in seconds. More follow behind them, so that one stream
/// answers for every shorter one.
fn stream(board: &Description, works: &[(usize, Arc<Work>)], images: usize) -> Vec<f64> {
    let mut fluid = Fluid::new(board, 0);
    let mut done_s = vec![0.0; images];
    let (mut taken, mut left) = (0, images);
    let mut in_flight: Vec<Option<usize>> = vec![None; works.len()];
    while left > 0 {
        for ((component, work), running) in works.iter().zip(&mut in_flight) {
            let finished = running.filter(|&image| fluid.take(JobId(image as u64)).is_some());
            if let Some(image) = finished {
                if let Some(done) = done_s.get_mut(image) {
                    *done = fluid.now_ns() as f64 * 1e-9;
                    left -= 1;
                }
                *running = None;
            }
            if running.is_none() {
                fluid.submit(*component, JobId(taken as u64), Arc::clone(work));
                *running = Some(taken);
                taken += 1;
            }
        }
        fluid.advance_to(fluid.next_event_ns().unwrap());
    }
    done_s
}

/// The stream length that fits the rows of every network but `left_out`.
fn fit(rows: &[Row], left_out: &str) -> usize {
    let cost = |images: usize| -> f64 {
        let fitted = rows.iter().filter(|row| row.network != left_out);
        fitted.map(|row| row.error(images).powi(2)).sum()
    };
    LENGTHS.min_by(|&one, &other| cost(one).total_cmp(&cost(other))).unwrap()
}

fn mean_absolute(errors: impl Iterator<Item = f64>) -> f64 {
    let errors: Vec<f64> = errors.map(f64::abs).collect();
    errors.iter().sum::<f64>() / errors.len() as f64
}

#[test]
fn co_execution_is_predicted_leave_one_network_out() {
    let rows = rows(|_| {});
    println!("board       network     solo sum  published  predicted   error  stream fitted");
    let errors = rows.iter().map(|row| {
        let images = fit(&rows, row.network);
        println!(
            "{:<10}  {:<10}  {:8.1}  {:9.1}  {:9.2}  {:+5.1} %  {images}",
            row.board,
            row.network,
            row.solo,
            row.published,
            row.expected(images),
            100.0 * row.error(images),
        );
        row.error(images)
    });
    let error = mean_absolute(errors);
    let images = fit(&rows, "");
    let all = mean_absolute(rows.iter().map(|row| row.error(images)));
    println!("mean absolute error {:.2} %, leave-one-network-out", 100.0 * error);
    println!("fitted on all rows: {images} images, {:.2} %", 100.0 * all);
    assert!(error <= 0.05, "{error}");
    assert_eq!(images as u64, STUDY_IMAGES, "the length that `wattline simulate` predicts for");
}

/// What the command says when it is not told a length is the prediction of these tests. Its
/// streams end, where those here are followed by more images: that is all they may differ by.
#[test]
fn the_command_predicts_the_same() {
    let rows = rows(|_| {});
    let errors = rows.iter().map(|row| {
        let predicted = command(row);
        let ratio = predicted / row.expected(STUDY_IMAGES as usize);
        // Nobody is slowed down by images that come after the last.
        assert!((1.0..1.03).contains(&ratio), "{} on {}: {ratio}", row.network, row.board);
        predicted / row.published - 1.0
    });
    let error = mean_absolute(errors);
    println!("mean absolute error of `wattline simulate` {:.2} %", 100.0 * error);
    assert!(error <= 0.04, "{error}");
}

/// Images a second that `wattline simulate` predicts for the components of a row.
fn command(row: &Row) -> f64 {
    let components = Description::load(row.board).unwrap().components;
    let parts = components.iter().filter(|it| it.kind != ComponentKind::Npu);
    let on = parts.map(|it| it.name()).collect::<Vec<_>>().join(",");
    let line = format!(
        "simulate --board {} --network {} --on {on} --policy steal --json",
        row.board, row.network
    );
    let output = Command::new(env!("CARGO_BIN_EXE_wattline")).args(line.split(' ')).output();
    let rows: Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
    let all = rows.as_array().unwrap().iter().find(|it| it["component"] == "all").unwrap();
    all["images_per_s"].as_f64().unwrap()
}

/// The limit of the memory earns its place: AlexNet, which moves most bytes, comes out too fast
/// without it, and the others hardly notice.
#[test]
fn the_memory_s_limit_is_felt_by_alexnet() {
    let (with, without) = (rows(|_| {}), rows(|board| board.memory.sustained = None));
    let images = fit(&with, "");
    for (with, without) in with.iter().zip(&without) {
        let gain = without.expected(images) / with.expected(images) - 1.0;
        println!("{} {}: {:+.1} % without a limit", with.board, with.network, 100.0 * gain);
        match with.network {
            "alexnet" => assert!(gain > 0.03, "{gain}"),
            _ => assert!(gain.abs() < 0.03, "{gain}"),
        }
    }
    let errors = |rows: &[Row]| mean_absolute(rows.iter().map(|row| row.error(images)));
    assert!(errors(&with) < errors(&without));
}
