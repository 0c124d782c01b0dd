//! Images per second of the fastest executor beside other engines, on the same files.
//!
//! `make bench`, or `cargo bench -p wattline-inference --bench engines -- [KEY=VALUE]…` with
//! `engines=onnxruntime,ncnn,mnn`, `networks=alexnet,…`, `threads=1,2`, `rounds=9`, `json=FILE`.
//!
//! Engines take turns, a batch each, on a machine that may be busy with other things: a ratio is
//! the median over rounds of the ratio within a round, and times of different runs are never
//! compared. Before each batch a pause lets the last engine's threads stop spinning, and one image
//! warms the caches.

#[path = "../engines/mod.rs"]
mod engines;

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use engines::{Engine, Result, environment, scratch};
use serde_json::json;
use wattline_inference::executor::{self, Executor};
use wattline_inference::{Model, Tensor, synthetic_image, zoo};

/// How long a batch takes, roughly.
const BATCH_SECONDS: f64 = 0.25;

/// How long engines' threads may go on spinning after a batch.
const PAUSE: Duration = Duration::from_millis(50);

fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let option = |key: &str, default: &str| {
        let values = arguments.iter().filter_map(|word| word.split_once('='));
        values.clone().find(|(name, _)| *name == key).map_or(default, |(_, value)| value).to_owned()
    };
    let list = |key: &str, default: &str| -> Vec<String> {
        option(key, default).split(',').map(str::to_owned).collect()
    };
    let rounds: usize = option("rounds", "9").parse()?;
    let others = list("engines", "onnxruntime,ncnn,mnn");
    // The others take no 8-bit steps, but for ONNX Runtime: those are asked for by name.
    let networks = list("networks", &zoo::STUDY.join(","));
    let ours = executor::names().last().copied().unwrap_or("reference");

    let python =
        environment(if others == ["onnxruntime"] { "onnxruntime.txt" } else { "all.txt" })?;
    let models = scratch().join("bench");
    fs::create_dir_all(&models)?;
    let mut results = Vec::new();
    for threads in list("threads", "1,2") {
        let threads: usize = threads.parse()?;
        println!("\n{ours} on {threads} thread(s), images/s, and as a multiple of each engine's");
        let header = others.iter().map(|other| format!(" {other:>12} {:>7}", "ratio"));
        println!("{:<12} {ours:>9}{}", "network", header.collect::<String>());
        let mut ratios = vec![Vec::new(); others.len()];
        for network in &networks {
            let file = models.join(format!("{network}.onnx"));
            if !file.exists() {
                fs::write(&file, zoo::build_onnx(network, 1)?)?;
            }
            let mut contest = Contest::open(&python, ours, &others, &file, threads)?;
            let standings = contest.standings(rounds)?;
            let mut line = format!("{network:<12} {:>9.2}", standings.ours);
            for (index, (rate, ratio)) in standings.others.iter().enumerate() {
                line += &format!(" {rate:>12.2} {ratio:>7.2}");
                // The mean is over the study's own networks, in FP32.
                if zoo::STUDY.contains(&network.as_str()) {
                    ratios[index].push(*ratio);
                }
                results.push(json!({
                    "network": network, "threads": threads, "engine": others[index],
                    "images_per_s": rate, "wattline_images_per_s": standings.ours, "ratio": ratio,
                }));
            }
            println!("{line}");
        }
        let means =
            ratios.iter().map(|ratios| format!(" {:>12} {:>7.2}", "", geometric_mean(ratios)));
        println!("{:<12} {:>9}{}", "geomean", "", means.collect::<String>());
    }
    let json = option("json", &scratch().join("bench.json").to_string_lossy());
    fs::write(&json, serde_json::to_string_pretty(&results)?)?;
    println!("\n{json}");
    Ok(())
}

/// One network on all engines, one of them ours.
struct Contest {
    ours: Box<dyn Executor>,
    others: Vec<Engine>,
    image: Tensor,
}

/// Images per second, and ours as a multiple of each other's: medians.
struct Standings {
    ours: f64,
    others: Vec<(f64, f64)>,
}

impl Contest {
    fn open(
        python: &Path,
        ours: &str,
        others: &[String],
        file: &Path,
        threads: usize,
    ) -> Result<Self> {
        let graph = Model::open(&file.to_string_lossy(), 1)?.graph;
        let image = synthetic_image(graph.input_shape(), 1, 0)?;
        let mut contest =
            Self { ours: executor::open(ours, &graph, threads)?, others: Vec::new(), image };
        let expected = contest.ours.run(&contest.image, &mut ())?;
        let range = expected.values().iter().fold(0.0_f32, |range, value| range.max(value.abs()));
        for name in others {
            let mut engine = Engine::open(python, name, file, threads)?;
            // An engine that computes something else is no match. (Winograd's transforms, which
            // some use, cost digits.)
            let actual = engine.run(&contest.image)?;
            let error = |(one, other): (&f32, &f32)| (one - other).abs() / range;
            let worst = actual.iter().zip(expected.values()).map(error).fold(0.0, f32::max);
            if actual.len() != expected.values().len() || worst > 1e-2 {
                return Err(format!("{name} on {}: another result, {worst}", file.display()).into());
            }
            contest.others.push(engine);
        }
        Ok(contest)
    }

    fn standings(&mut self, rounds: usize) -> Result<Standings> {
        let once = seconds(self.ours.as_mut(), &self.image, 2)? / 2.0;
        let images = (BATCH_SECONDS / once).ceil() as usize;
        let (mut ours, mut others) = (Vec::new(), vec![Vec::new(); self.others.len()]);
        for _ in 0..rounds {
            thread::sleep(PAUSE);
            seconds(self.ours.as_mut(), &self.image, 1)?;
            ours.push(images as f64 / seconds(self.ours.as_mut(), &self.image, images)?);
            for (engine, rates) in self.others.iter_mut().zip(&mut others) {
                thread::sleep(PAUSE);
                engine.seconds(1)?;
                rates.push(images as f64 / engine.seconds(images)?);
            }
        }
        let others = others.into_iter().map(|rates| {
            let ratios = ours.iter().zip(&rates).map(|(ours, rate)| ours / rate).collect();
            (median(rates), median(ratios))
        });
        Ok(Standings { others: others.collect(), ours: median(ours.clone()) })
    }
}

/// Seconds for `images` runs of `image`.
fn seconds(executor: &mut dyn Executor, image: &Tensor, images: usize) -> Result<f64> {
    let start = Instant::now();
    for _ in 0..images {
        executor.run(image, &mut ())?;
    }
    Ok(start.elapsed().as_secs_f64())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn geometric_mean(values: &[f64]) -> f64 {
    (values.iter().map(|value| value.ln()).sum::<f64>() / values.len() as f64).exp()
}
