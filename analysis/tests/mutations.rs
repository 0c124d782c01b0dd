//! Damaged bundles: whatever happens to a file, an error, a warning, or the numbers as they were.
//!
//! Two recordings are damaged, one of components alone and one of a co-execution. The manifest of a
//! run that ended knows the checksum of each table, so that whatever was done to a table must be
//! told by its name. Where nobody knows the checksums (an earlier version's bundle, and one whose
//! power was cut off) what was read is held against itself: then numbers may not be wrong without a
//! word.

mod synthetic;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use synthetic::accounts::{Load, accounts};
use synthetic::{Scene, Tables};
use wattline_analysis::{Analysis, AnalysisError, Options, SummaryRow, analyze};
use wattline_trace::rows::*;
use wattline_trace::{Outcome, Row};

/// Mutations that are tried, unless `MUTATIONS` says how many.
const MUTATIONS: u64 = 4_000;

/// What an analysis reads; of a recording without a co-execution there is no `frames.csv`.
const FILES: [&str; 8] = [
    "manifest.json",
    PowerRow::FILE,
    TrafficRow::FILE,
    SpanRow::FILE,
    CpuRow::FILE,
    EventRow::FILE,
    AgentRow::FILE,
    FrameRow::FILE,
];

/// A number that somebody might find where another belongs.
const NUMBERS: [&str; 13] = [
    "0",
    "-1",
    "1",
    "NaN",
    "inf",
    "1e308",
    "-1e308",
    "18446744073709551615",
    "18446744073709551616",
    "",
    "4294967296",
    "0.000001",
    "three",
];

const OTHER_UNIT: &str = "a column has another unit";

/// The bytes of a file after something happened to them; `foreign` is the same file of another run.
fn mutate(bytes: &[u8], foreign: &[u8], random: &mut StdRng) -> (&'static str, Vec<u8>) {
    let at = random.random_range(0..bytes.len());
    let until = (at + random.random_range(1..60)).min(bytes.len());
    let mut changed = bytes.to_vec();
    let what = match random.random_range(0..20) {
        0 => {
            changed[at] ^= 1 << random.random_range(0..8);
            "a bit was flipped"
        }
        1 => {
            changed[at] = random.random();
            "a byte was replaced"
        }
        2 => {
            changed.drain(at..until);
            "bytes were lost"
        }
        3 => {
            changed.splice(at..at, bytes[at..until].iter().copied());
            "bytes were doubled"
        }
        4 => {
            changed.truncate(at);
            "the file was cut off"
        }
        5 => {
            changed[at..until].fill(0);
            "bytes were zeroed"
        }
        6 => {
            changed.truncate(at);
            changed.extend_from_slice(&foreign[foreign.len().min(at)..]);
            "two runs were mixed"
        }
        7 => {
            changed = foreign.to_vec();
            "the file is another run's"
        }
        8 => {
            let digits = (at..bytes.len()).filter(|&it| bytes[it].is_ascii_digit());
            for digit in digits.take(random.random_range(1..4)) {
                changed[digit] = random.random_range(b'0'..=b'9');
            }
            "digits were replaced"
        }
        9 => return (OTHER_UNIT, in_another_unit(bytes, random)),
        _ => return mutate_lines(bytes, random),
    };
    (what, changed)
}

/// The file with something done to its lines, or to a field of one.
fn mutate_lines(bytes: &[u8], random: &mut StdRng) -> (&'static str, Vec<u8>) {
    let mut lines: Vec<Vec<u8>> =
        bytes.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    let (one, other) = (random.random_range(0..lines.len()), random.random_range(0..lines.len()));
    let (first, last) = (one.min(other), one.max(other));
    let mut fields: Vec<&[u8]> = lines[one].trim_ascii_end().split(|&byte| byte == b',').collect();
    let field = random.random_range(0..fields.len());
    let joined = |fields: Vec<&[u8]>| [&fields.join(&b',')[..], b"\n"].concat();
    let what = match random.random_range(0..10) {
        0 => {
            lines.remove(one);
            "a line was lost"
        }
        1 => {
            lines.insert(one, lines[one].clone());
            "a line was doubled"
        }
        2 => {
            lines.swap(one, other);
            "lines were swapped"
        }
        3 => {
            lines.drain(first..last);
            "a stretch was lost"
        }
        4 => {
            let twice = lines[first..last].to_vec();
            lines.splice(last..last, twice);
            "a stretch was doubled"
        }
        5 => {
            lines[first..=last].reverse();
            "a stretch was turned round"
        }
        6 => {
            let line = lines.remove(one);
            lines.insert(other.min(lines.len()), line);
            "a line was moved"
        }
        7 => {
            let with = random.random_range(0..fields.len());
            fields.swap(field, with);
            lines[one] = joined(fields);
            "fields were swapped"
        }
        8 => {
            let from: Vec<u8> = lines[other].clone();
            let from = from.trim_ascii_end().split(|&byte| byte == b',').nth(field);
            fields[field] = from.unwrap_or_default();
            lines[one] = joined(fields);
            "a field is another line's"
        }
        _ => {
            fields[field] = NUMBERS.choose(random).unwrap().as_bytes();
            lines[one] = joined(fields);
            "a number was replaced"
        }
    };
    (what, lines.concat())
}

/// The file with the numbers of one column in another unit from some line on.
fn in_another_unit(bytes: &[u8], random: &mut StdRng) -> Vec<u8> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let columns = text.lines().next().map_or(1, |line| line.split(',').count());
    let (column, count) = (random.random_range(0..columns), text.lines().count());
    let from = if random.random() { 1 } else { random.random_range(0..count) };
    let factor = *[1e-9, 1e-6, 1e-3, 1e3, 1e6].choose(random).unwrap();
    let changed = |line: &str| {
        let changed = line.split(',').enumerate().map(|(place, field)| {
            let own = field.parse::<f64>().ok().filter(|_| place == column);
            let Some(number) = own.map(|it| it * factor) else { return field.to_owned() };
            // Where the column holds whole numbers, it holds them afterwards.
            if field.contains('.') { number.to_string() } else { number.round().to_string() }
        });
        changed.collect::<Vec<_>>().join(",") + "\n"
    };
    let lines = text.lines().enumerate();
    lines
        .map(|(place, it)| if place < from { format!("{it}\n") } else { changed(it) })
        .collect::<String>()
        .into()
}

/// What somebody who reads the results is told, beside the numbers.
fn told(analysis: &Analysis) -> (Vec<&String>, Vec<String>) {
    let notes = analysis.summary.iter().map(SummaryRow::note).collect();
    (analysis.warnings.iter().collect(), notes)
}

/// Whether nothing is told that was not told before, and a number differs by more than both
/// intervals.
fn silently_wrong(now: &Analysis, before: &Analysis) -> Option<String> {
    if told(now) != told(before) {
        return None;
    }
    if now.summary.len() != before.summary.len() {
        return Some(format!("{} rows, not {}", now.summary.len(), before.summary.len()));
    }
    for (now, before) in now.summary.iter().zip(&before.summary) {
        if (&now.network, &now.component) != (&before.network, &before.component) {
            return Some(format!("a row of {} on {}", now.network, now.component));
        }
        let joules = [now.joules_per_image, before.joules_per_image];
        let intervals = [now.joules_per_image_ci95, before.joules_per_image_ci95];
        if let ([Some(is), Some(was)], [Some(a), Some(b)]) = (joules, intervals)
            && (is - was).abs() > a + b
        {
            return Some(format!("{is} J an image, not {was} J"));
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

/// A bundle as it was written.
struct Bundle {
    tables: Tables,
    /// Whether its manifest knows the checksums.
    sealed: bool,
}

/// The files of a bundle in a directory, to be damaged.
struct Patient {
    directory: PathBuf,
    sealed: bool,
    files: Vec<(&'static str, Vec<u8>)>,
    before: Analysis,
}

/// A recording of components alone, or of a co-execution: short, so that many can be read.
fn recording(together: bool, seed: u64) -> Tables {
    let mut scene = match together {
        true => Scene::together(17_600_000, seed),
        false => Scene::usual(17_600_000, seed),
    };
    for job in &mut scene.jobs {
        (job.start, job.end) = (job.start / 4, job.end / 4);
    }
    scene.end = scene.end / 4 + seed * 60 * synthetic::MS;
    if together {
        return scene.tables_together();
    }
    let mut tables = scene.tables();
    // Others work beside the first run.
    let (start, end) = (scene.jobs[0].start, scene.jobs[0].end);
    let load = |from, target, others| Load { from, target, others, khz: Some(1_000_000) };
    let loads = [load(0, 0.0, 0.1), load(start, 0.6, 0.3), load(end, 0.0, 0.1)];
    tables.cpu = accounts(&loads, scene.end);
    tables.manifest.components[0].cpus = vec![0, 1];
    tables
}

impl Bundle {
    fn kinds(seed: u64) -> [Bundle; 4] {
        [(false, true), (false, false), (true, true), (true, false)]
            .map(|(together, sealed)| Bundle { tables: recording(together, seed), sealed })
    }

    fn write(&self, directory: &Path) -> Vec<(&'static str, Vec<u8>)> {
        self.tables.write(directory, Outcome::Completed);
        let manifest = directory.join(FILES[0]);
        if !self.sealed {
            let text = fs::read_to_string(&manifest).unwrap();
            let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
            let object = json.as_object_mut().unwrap();
            assert!(object.remove("tables").is_some() && object.remove("crc32").is_some());
            fs::write(&manifest, json.to_string()).unwrap();
        }
        // A manifest that nobody sealed cannot be told from another.
        let own = FILES.iter().skip(usize::from(!self.sealed));
        own.filter_map(|&file| Some((file, fs::read(directory.join(file)).ok()?))).collect()
    }
}

impl Patient {
    fn admit(directory: &Path, bundle: &Bundle) -> Self {
        let files = bundle.write(directory);
        let before = analyze(&[directory.to_owned()], &Options::default()).unwrap();
        assert!(before.summary.iter().all(|row| row.joules_per_image.is_some()), "{before:?}");
        Patient { directory: directory.to_owned(), sealed: bundle.sealed, files, before }
    }

    /// Damages it by `seed`, and answers what is wrong with what is then said of it.
    fn damage(&self, foreign: &Patient, seed: u64) -> Option<String> {
        let mut random = StdRng::seed_from_u64(seed);
        let index = random.random_range(0..self.files.len());
        let (file, bytes) = &self.files[index];
        let (what, mutated) = mutate(bytes, &foreign.files[index].1, &mut random);
        let path = self.directory.join(file);
        fs::write(&path, &mutated).unwrap();
        let found = catch_unwind(AssertUnwindSafe(|| self.analyze()));
        fs::write(&path, bytes).unwrap();
        let wrong = match found {
            Err(_) => Some("a panic".to_owned()),
            Ok(Err(error)) => {
                let error = error.to_string();
                let named = error.contains(self.directory.to_str().unwrap());
                (!named).then(|| format!("an error of no file: {error}"))
            }
            // With another run's manifest it is the tables that are not as they were.
            Ok(Ok(now)) if self.sealed && *file == FILES[0] => {
                let same = now == self.before || told(&now) != told(&self.before);
                (!same).then(|| "not told".to_owned())
            }
            Ok(Ok(now)) if self.sealed => {
                let named = now.warnings.iter().any(|warning| warning.contains(file));
                (mutated != *bytes && !named).then(|| "not told".to_owned())
            }
            // That somebody counted kilobytes throughout no count tells.
            Ok(Ok(_)) if *file == TrafficRow::FILE && what == OTHER_UNIT => None,
            Ok(Ok(now)) => silently_wrong(&now, &self.before),
        };
        wrong.map(|how| {
            let sealed = if self.sealed { "sealed" } else { "not sealed" };
            let place = difference(bytes, &mutated);
            format!("{seed}: {file} ({sealed}): {what}: {how}; {place}")
        })
    }

    fn analyze(&self) -> Result<Analysis, AnalysisError> {
        analyze(std::slice::from_ref(&self.directory), &Options::default())
    }
}

/// The first line that differs, as it was and as it is.
fn difference(before: &[u8], now: &[u8]) -> String {
    let (before, now) = (String::from_utf8_lossy(before), String::from_utf8_lossy(now));
    let line = before.lines().zip(now.lines()).position(|(was, is)| was != is);
    let line = line.unwrap_or(before.lines().count().min(now.lines().count()));
    let of = |text: &str| text.lines().nth(line).unwrap_or("nothing").to_owned();
    format!("line {}: {} became {}", line + 1, of(&before), of(&now))
}

/// Damages bundles by each of these seeds.
fn damage(seeds: std::ops::Range<u64>) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let of_thread = |thread: u64| {
        let memory = Path::new("/dev/shm");
        let home = if memory.is_dir() { memory.into() } else { std::env::temp_dir() };
        let place = tempfile::tempdir_in(home).unwrap();
        let admit = |name: &str, seed| {
            let directory = |kind| place.path().join(format!("{name}{kind}"));
            let bundles = Bundle::kinds(seed);
            [0, 1, 2, 3].map(|kind| Patient::admit(&directory(kind), &bundles[kind]))
        };
        let (patients, foreign) = (admit("own", 1), admit("foreign", 2));
        let own = seeds.clone().filter(|seed| seed % threads == thread);
        // A co-execution takes longer to read: one in four.
        let kind = |seed: u64| if seed / threads % 8 < 6 { seed / threads % 2 } else { 2 + seed / threads % 2 } as usize;
        own.filter_map(|seed| patients[kind(seed)].damage(&foreign[kind(seed)], seed))
            .collect::<Vec<_>>()
    };
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let of_thread = &of_thread;
        let running: Vec<_> =
            (0..threads).map(|thread| scope.spawn(move || of_thread(thread))).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let count = seeds.end - seeds.start;
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}

/// `SEED=$RANDOM$RANDOM MUTATIONS=1000000` tries others than usual, and many.
#[test]
fn no_damage_makes_a_panic_or_a_silent_wrong_number() {
    let number = |name, usual| std::env::var(name).map_or(usual, |it| it.parse().unwrap());
    let first = number("SEED", 0);
    damage(first..first + number("MUTATIONS", MUTATIONS));
}
