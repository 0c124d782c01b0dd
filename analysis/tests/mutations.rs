//! Damaged bundles: whatever happens to a file, an error, a warning, or the numbers as they were.

mod synthetic;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use synthetic::accounts::{Load, accounts};
use synthetic::{MS, Scene};
use wattline_analysis::{Analysis, AnalysisError, Options, SummaryRow, analyze};
use wattline_trace::Outcome;

/// Mutations that are tried, unless `MUTATIONS` says how many.
const MUTATIONS: u64 = 4_000;

const FILES: [&str; 6] =
    ["manifest.json", "power.csv", "traffic.csv", "spans.csv", "agent.csv", "cpu.csv"];

/// A number that somebody might find where another belongs.
const NUMBERS: [&str; 12] = [
    "0",
    "-1",
    "1",
    "NaN",
    "inf",
    "1e308",
    "18446744073709551615",
    "18446744073709551616",
    "",
    "4294967296",
    "0.000001",
    "three",
];

/// The bytes of a file after something happened to them; `foreign` is the same file of another run.
fn mutate(bytes: &[u8], foreign: &[u8], random: &mut StdRng) -> (&'static str, Vec<u8>) {
    let mut bytes = bytes.to_vec();
    let at = random.random_range(0..bytes.len());
    let until = (at + random.random_range(1..60)).min(bytes.len());
    let what = match random.random_range(0..11) {
        0 => {
            bytes[at] ^= 1 << random.random_range(0..8);
            "a bit was flipped"
        }
        1 => {
            bytes[at] = random.random();
            "a byte was replaced"
        }
        2 => {
            bytes.drain(at..until);
            "bytes were lost"
        }
        3 => {
            let twice = bytes[at..until].to_vec();
            bytes.splice(at..at, twice);
            "bytes were doubled"
        }
        4 => {
            bytes.truncate(at);
            "the file was cut off"
        }
        5 => {
            bytes[at..until].fill(0);
            "bytes were zeroed"
        }
        6 => {
            let there = foreign.len().min(at);
            bytes.truncate(at);
            bytes.extend_from_slice(&foreign[there..]);
            "two runs were mixed"
        }
        lines => {
            let mut all: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
            let (one, other) =
                (random.random_range(0..all.len()), random.random_range(0..all.len()));
            let (what, changed) = match lines {
                7 => {
                    all.remove(one);
                    ("a line was lost", all.concat())
                }
                8 => {
                    all.insert(one, all[one]);
                    ("a line was doubled", all.concat())
                }
                9 => {
                    all.swap(one, other);
                    ("lines were swapped", all.concat())
                }
                _ => {
                    let number = NUMBERS.choose(random).unwrap().as_bytes();
                    let line = all[one].to_vec();
                    let mut fields: Vec<&[u8]> = line.split(|&byte| byte == b',').collect();
                    let field = random.random_range(0..fields.len());
                    fields[field] = number;
                    let line = fields.join(&b',');
                    all[one] = &line;
                    ("a number was replaced", all.concat())
                }
            };
            bytes = changed;
            what
        }
    };
    (what, bytes)
}

/// What somebody who reads the results is told, beside the numbers.
fn told(analysis: &Analysis) -> (usize, Vec<String>) {
    let notes = analysis.summary.iter().map(SummaryRow::note).collect();
    (analysis.warnings.len(), notes)
}

/// Whether nothing is told that was not told before, and a number differs by more than both
/// intervals.
fn silently_wrong(now: &Analysis, before: &Analysis) -> Option<String> {
    if told(now) != told(before) {
        return None;
    }
    for (now, before) in now.summary.iter().zip(&before.summary) {
        let joules = [now.joules_per_image, before.joules_per_image];
        let intervals = [now.joules_per_image_ci95, before.joules_per_image_ci95];
        let ([Some(is), Some(was)], [Some(a), Some(b)]) = (joules, intervals) else { continue };
        if (is - was).abs() > a + b {
            return Some(format!("{} J an image, not {} J", is, was));
        }
        let rates = [now.images_per_s, before.images_per_s];
        if let [Some(is), Some(was)] = rates
            && (is / was - 1.0).abs() > 0.05
        {
            return Some(format!("{is} images/s, not {was}"));
        }
        let bytes = [now.dram_bytes_per_image, before.dram_bytes_per_image];
        if let [Some(is), Some(was)] = bytes
            && (is / was - 1.0).abs() > 0.05
        {
            return Some(format!("{is} bytes an image, not {was}"));
        }
    }
    None
}

struct Bundle {
    directory: PathBuf,
    files: Vec<(&'static str, Vec<u8>)>,
}

impl Bundle {
    fn write(directory: &Path, seed: u64) -> Self {
        let mut scene = Scene::usual(35_200_000, seed);
        scene.end += seed * 300 * MS;
        let mut tables = scene.tables();
        // Others work beside the first run.
        let (start, end) = (scene.jobs[0].start, scene.jobs[0].end);
        let load = |from, target, others| Load { from, target, others, khz: Some(1_000_000) };
        let loads = [load(0, 0.0, 0.1), load(start, 0.6, 0.3), load(end, 0.0, 0.1)];
        tables.cpu = accounts(&loads, scene.end);
        tables.manifest.components[0].cpus = vec![0, 1];
        tables.write(directory, Outcome::Completed);
        let read = |file| (file, fs::read(directory.join(file)).unwrap());
        Bundle { directory: directory.to_owned(), files: FILES.map(read).to_vec() }
    }

    fn analyze(&self) -> Result<Analysis, AnalysisError> {
        analyze(std::slice::from_ref(&self.directory), &Options::default())
    }
}

#[test]
fn no_damage_makes_a_panic_or_a_silent_wrong_number() {
    let mutations = std::env::var("MUTATIONS").map_or(MUTATIONS, |it| it.parse().unwrap());
    let place = tempfile::tempdir().unwrap();
    let bundle = Bundle::write(&place.path().join("bundle"), 1);
    let foreign = Bundle::write(&place.path().join("foreign"), 2);
    let before = bundle.analyze().unwrap();
    let mut wrong = Vec::new();
    for seed in 0..mutations {
        let mut random = StdRng::seed_from_u64(seed);
        let index = random.random_range(0..FILES.len());
        let (file, bytes) = &bundle.files[index];
        let (what, mutated) = mutate(bytes, &foreign.files[index].1, &mut random);
        fs::write(bundle.directory.join(file), &mutated).unwrap();
        match catch_unwind(AssertUnwindSafe(|| bundle.analyze())) {
            Err(_) => wrong.push(format!("{seed}: {file}: {what}: a panic")),
            Ok(Err(error)) => {
                let error = error.to_string();
                assert!(error.contains(place.path().to_str().unwrap()), "{seed}: {what}: {error}");
            }
            Ok(Ok(now)) => {
                let found = silently_wrong(&now, &before);
                wrong.extend(found.map(|how| format!("{seed}: {file}: {what}: {how}")));
            }
        }
        fs::write(bundle.directory.join(file), bytes).unwrap();
    }
    assert!(wrong.is_empty(), "{} of {mutations}:\n{}", wrong.len(), wrong.join("\n"));
}
