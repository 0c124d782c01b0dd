//! Synthetic bundles: known power and traffic, seen through sensors that average over windows,
//! lag, jitter, quantise and miss.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(unreachable_pub, reason = "shared by test crates")]

pub mod accounts;
mod coexecution;

use std::path::Path;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, Normal};
use wattline_analysis::{Analysis, Options, SummaryRow, analyze};
use wattline_trace::rows::*;
use wattline_trace::*;

pub const MS: u64 = 1_000_000;
pub const S: u64 = 1_000 * MS;

/// A sensor on one rail.
#[derive(Clone, Debug)]
pub struct Sensor {
    pub window_ns: u64,
    /// The converter's true period, in windows: its oscillator is not exact.
    pub period: f64,
    pub poll_ns: u64,
    pub noise_watts: f64,
    pub volts: f64,
    pub volts_step: f64,
    pub amps_step: f64,
    /// Share of conversions that are never read.
    pub missed: f64,
}

impl Sensor {
    pub fn with_window(window_ns: u64) -> Self {
        Sensor {
            window_ns,
            period: 1.0,
            poll_ns: (window_ns / 4).clamp(MS / 2, 2 * MS),
            noise_watts: 0.01,
            volts: 5.0,
            volts_step: 0.00125,
            amps_step: 0.001,
            missed: 0.0,
        }
    }
}

/// Piecewise constant power: from each instant on, so many watts.
#[derive(Clone, Debug)]
pub struct Power(pub Vec<(u64, f64)>);

impl Power {
    /// Joules between two instants.
    pub fn joules(&self, from: u64, to: u64) -> f64 {
        let ends = self.0.iter().skip(1).map(|&(t, _)| t).chain([u64::MAX]);
        let pieces = self.0.iter().zip(ends);
        let part = |(&(start, watts), end): (&(u64, f64), u64)| {
            let (from, to) = (from.max(start), to.min(end));
            watts * to.saturating_sub(from) as f64 * 1e-9
        };
        pieces.map(part).sum()
    }

    pub fn readings(
        &self,
        rail: &str,
        sensor: &Sensor,
        end: u64,
        random: &mut StdRng,
    ) -> Vec<PowerRow> {
        let period = sensor.window_ns as f64 * sensor.period;
        let noise = Normal::new(0.0, sensor.noise_watts).unwrap();
        let phase = random.random_range(0.0..period);
        let poll_phase = random.random_range(0..sensor.poll_ns);
        let mut rows = Vec::new();
        let mut last_t = 0;
        for k in 1.. {
            let done = (phase + k as f64 * period) as u64;
            if done > end {
                return rows;
            }
            let t = (done - poll_phase).div_ceil(sensor.poll_ns) * sensor.poll_ns + poll_phase;
            if random.random_bool(sensor.missed) || t == last_t {
                continue;
            }
            last_t = t;
            let begun = (phase + (k - 1) as f64 * period) as u64;
            let mean = self.joules(begun, done) / ((done - begun) as f64 * 1e-9);
            let true_amps = (mean + noise.sample(random)) / sensor.volts;
            let round = |x: f64, step: f64| if step > 0.0 { (x / step).round() * step } else { x };
            let volts = round(sensor.volts, sensor.volts_step);
            let amps = round(true_amps, sensor.amps_step);
            rows.push(PowerRow {
                t_ns: t,
                rail: rail.into(),
                volts,
                amps,
                watts: volts * amps,
                window_ns: sensor.window_ns,
            });
        }
        rows
    }
}

/// One run of one component.
#[derive(Clone, Debug)]
pub struct Job {
    pub component: &'static str,
    pub start: u64,
    pub end: u64,
    pub images: u64,
    pub watts: Vec<(&'static str, f64)>,
    pub bytes_per_s: f64,
    /// Whether it is a part of the co-execution.
    pub together: bool,
}

/// A whole recording.
#[derive(Clone, Debug)]
pub struct Scene {
    pub sensors: Vec<(&'static str, Sensor)>,
    pub idle_watts: f64,
    pub idle_bytes_per_s: f64,
    pub jobs: Vec<Job>,
    pub end: u64,
    pub seed: u64,
}

pub const FLOPS: u64 = 1_000_000_000;
pub const BYTES: u64 = 50_000_000;
const TRAFFIC_INTERVAL: u64 = 10 * MS;

impl Scene {
    /// Two components, one after the other, on a board with two rails: `big` draws from `VDD_ARM`
    /// and `VDD_MEM`, `gpu` from `VDD_G3D` (not recorded unless a sensor is there) and `VDD_MEM`.
    pub fn usual(window_ns: u64, seed: u64) -> Self {
        let sensor = Sensor::with_window(window_ns);
        let job = |component, start: u64, watts| Job {
            component,
            start: start * MS + 137_000,
            end: (start + 5_000) * MS + 912_345,
            images: 50,
            watts,
            bytes_per_s: 2e9,
            together: false,
        };
        Scene {
            sensors: ["VDD_ARM", "VDD_MEM", "VDD_G3D"].map(|rail| (rail, sensor.clone())).to_vec(),
            idle_watts: 0.4,
            idle_bytes_per_s: 1e8,
            jobs: vec![
                job("big", 1_500, vec![("VDD_ARM", 3.0), ("VDD_MEM", 0.7)]),
                job("gpu", 8_000, vec![("VDD_G3D", 2.0), ("VDD_MEM", 0.5)]),
            ],
            end: 14_500 * MS,
            seed,
        }
    }

    pub fn manifest(&self) -> Manifest {
        let rail = |(name, sensor): &(&str, Sensor)| RailRecord {
            name: (*name).into(),
            sensor: "ina231".into(),
            path: "/sys/class/hwmon/hwmon0".into(),
            window_ns: sensor.window_ns,
            volts_step: sensor.volts_step,
            amps_step: sensor.amps_step,
            inside: None,
            tolerance: None,
            provenance: Provenance::Measured,
        };
        let component = |name: &str, rails: &[&str]| ComponentRecord {
            name: name.into(),
            kind: "cpu".into(),
            executor: "test".into(),
            rails: rails.iter().map(|&rail| rail.into()).collect(),
            threads: None,
            cpus: vec![],
            peak_flops_per_s: None,
            bandwidth_bytes_per_s: None,
            provenance: Provenance::Measured,
            frequency: None,
            stand_in: None,
        };
        Manifest {
            schema: SCHEMA_VERSION,
            wattline: "0.1.0".into(),
            board: BoardRecord {
                name: "exynos5422".into(),
                model: "Odroid XU3".into(),
                emulated: true,
                unit: None,
            },
            kernel: "6.12".into(),
            command: vec!["wattline".into(), "run".into()],
            clock: ClockRecord { kind: ClockKind::Virtual, utc_offset_ns: 0 },
            seed: self.seed,
            rails: self.sensors.iter().map(rail).collect(),
            counters: vec![CounterRecord {
                source: "ppmu".into(),
                path: "/dev/mem".into(),
                ports: vec!["dmc0".into(), "dmc1".into()],
                bytes_per_count: 8.0,
                interval_ns: TRAFFIC_INTERVAL,
                covers: "all of the DRAM".into(),
                provenance: Provenance::Estimated,
            }],
            hardware_counters: Vec::new(),
            dram_source: Some("ppmu".into()),
            components: vec![
                component("big", &["VDD_ARM", "VDD_MEM"]),
                component("gpu", &["VDD_G3D", "VDD_MEM"]),
            ],
            models: vec![],
            coexecution: self.coexecution_record(),
            dither: None,
            inputs: None,
            complete: false,
            interrupted: false,
            failure: None,
        }
    }

    /// Piecewise constant: what idles, and what each job at work adds.
    fn steps(&self, idle: f64, of: impl Fn(&Job) -> f64) -> Power {
        let edges = self.jobs.iter().flat_map(|job| [job.start, job.end]);
        let mut instants: Vec<u64> = edges.chain([0]).collect();
        instants.sort_unstable();
        instants.dedup();
        let at = |t: u64| {
            let working = self.jobs.iter().filter(|job| job.start <= t && t < job.end);
            (t, idle + working.map(&of).sum::<f64>())
        };
        Power(instants.into_iter().map(at).collect())
    }

    pub fn power(&self, rail: &str) -> Power {
        self.steps(self.idle_watts, |job| {
            job.watts.iter().find(|(name, _)| *name == rail).map_or(0.0, |w| w.1)
        })
    }

    pub fn power_rows(&self) -> Vec<PowerRow> {
        let mut random = StdRng::seed_from_u64(self.seed);
        let mut rows: Vec<PowerRow> = Vec::new();
        for (rail, sensor) in &self.sensors {
            rows.extend(self.power(rail).readings(rail, sensor, self.end, &mut random));
        }
        rows.sort_by_key(|row| row.t_ns);
        rows
    }

    pub fn traffic_rows(&self) -> Vec<TrafficRow> {
        let bytes = self.steps(self.idle_bytes_per_s, |job| job.bytes_per_s);
        let instants = (1..).map(|k| k * TRAFFIC_INTERVAL).take_while(|&t| t <= self.end);
        instants
            .flat_map(|t_ns| {
                let half = (bytes.joules(0, t_ns) / 4.0) as u64;
                ["dmc0", "dmc1"].map(|port| TrafficRow {
                    t_ns,
                    source: "ppmu".into(),
                    port: port.into(),
                    total_bytes: 2 * half,
                    read_bytes: Some(half),
                    write_bytes: Some(half),
                    scaled: false,
                })
            })
            .collect()
    }

    pub fn span_rows(&self) -> Vec<SpanRow> {
        let mut rows = Vec::new();
        for (index, job) in self.jobs.iter().enumerate() {
            let run = 1_000_000 * (index as u64 + 1);
            let outer = job.together.then_some(coexecution::ALL);
            let span = |id, parent, kind, image, start_ns, end_ns, images| SpanRow {
                id,
                parent,
                kind,
                name: "alexnet".into(),
                component: job.component.into(),
                image,
                start_ns,
                end_ns,
                flops: Some(FLOPS * images),
                bytes_theoretical: Some(BYTES * images),
            };
            let each = (job.end - job.start) / job.images.max(1);
            for image in 0..job.images {
                let (start, id) = (job.start + image * each, run + 1 + 10 * image);
                let (end, parent) = (start + each, Some(run));
                rows.push(SpanRow {
                    name: "conv1".into(),
                    ..span(id + 1, Some(id), SpanKind::Layer, None, start, end, 1)
                });
                let number = if job.together { image * 100 + index as u64 } else { image };
                rows.push(span(id, parent, SpanKind::Image, Some(number), start, end, 1));
            }
            rows.push(span(run, outer, SpanKind::Run, None, job.start, job.end, job.images));
        }
        rows.extend(self.span_of_all());
        rows
    }

    pub fn truth_rows(&self) -> Vec<TruthRow> {
        let mut rows = Vec::new();
        for job in &self.jobs {
            let truth = |quantity, subject: &str, value| TruthRow {
                scope: SpanKind::Run,
                component: job.component.into(),
                image: None,
                name: "alexnet".into(),
                start_ns: job.start,
                end_ns: job.end,
                quantity,
                subject: subject.into(),
                value,
            };
            let seconds = (job.end - job.start) as f64 * 1e-9;
            for &(rail, watts) in &job.watts {
                rows.push(truth(TruthQuantity::ActiveJoules, rail, watts * seconds));
            }
            rows.push(truth(TruthQuantity::DramBytes, job.component, job.bytes_per_s * seconds));
        }
        rows
    }

    pub fn agent_rows(&self) -> Vec<AgentRow> {
        let poll = self.sensors.iter().map(|(_, sensor)| sensor.poll_ns).max().unwrap_or(MS);
        let rows = self.power_rows().into_iter().map(|row| row.t_ns);
        let rows: Vec<u64> =
            rows.chain(self.traffic_rows().into_iter().map(|row| row.t_ns)).collect();
        let row = |t_ns: u64| AgentRow {
            t_ns,
            cpu_ns: t_ns / 50,
            resident_bytes: 8_000_000,
            ticks: t_ns / poll,
            samples: rows.iter().filter(|&&t| t <= t_ns).count() as u64,
            repeats: 17,
            drops: 0,
            overruns: 2,
            lateness_p50_ns: 10_000,
            lateness_p99_ns: 90_000,
            bpf_ns: Some(t_ns / 500),
            bpf_runs: Some(t_ns / MS),
            bpf_drops: Some(3),
        };
        vec![row(poll), row(self.end)]
    }

    /// The rows of the whole bundle, to be changed before they are written.
    pub fn tables(&self) -> Tables {
        Tables {
            manifest: self.manifest(),
            power: self.power_rows(),
            traffic: self.traffic_rows(),
            spans: self.span_rows(),
            agent: self.agent_rows(),
            events: vec![],
            truth: self.truth_rows(),
            frames: self.frame_rows(),
            cpu: vec![],
        }
    }

    pub fn true_joules_per_image(&self, job: usize) -> f64 {
        let job = &self.jobs[job];
        let watts: f64 = job.watts.iter().map(|(_, watts)| watts).sum();
        watts * (job.end - job.start) as f64 * 1e-9 / job.images as f64
    }
}

/// All rows of a bundle.
#[derive(Clone, Debug)]
pub struct Tables {
    pub manifest: Manifest,
    pub power: Vec<PowerRow>,
    pub traffic: Vec<TrafficRow>,
    pub spans: Vec<SpanRow>,
    pub agent: Vec<AgentRow>,
    pub events: Vec<EventRow>,
    pub truth: Vec<TruthRow>,
    pub frames: Vec<FrameRow>,
    pub cpu: Vec<CpuRow>,
}

impl Tables {
    pub fn write(&self, directory: &Path, outcome: Outcome) {
        self.write_with(self.spans.iter().cloned(), directory, outcome);
    }

    /// The bundle with other spans, of which none needs to be held.
    pub fn write_with(
        &self,
        spans: impl Iterator<Item = SpanRow>,
        directory: &Path,
        outcome: Outcome,
    ) {
        fn all<R: Row>(bundle: &BundleWriter, rows: &[R]) {
            let table = bundle.table().unwrap();
            rows.iter().for_each(|row| table.write(row).unwrap());
        }
        let bundle = BundleWriter::create(directory, &self.manifest, true).unwrap();
        all(&bundle, &self.power);
        all(&bundle, &self.traffic);
        let table = bundle.table().unwrap();
        spans.for_each(|row| table.write(&row).unwrap());
        all(&bundle, &self.agent);
        all(&bundle, &self.events);
        all(&bundle, &self.truth);
        all(&bundle, &self.cpu);
        if !self.frames.is_empty() {
            all(&bundle, &self.frames);
        }
        bundle.finish(self.manifest.clone(), outcome).unwrap();
    }

    /// Writes the bundle, analyses it, and holds it against the truth.
    pub fn analysis(&self) -> Analysis {
        self.try_analysis().unwrap()
    }

    pub fn try_analysis(&self) -> Result<Analysis, wattline_analysis::AnalysisError> {
        let directory = tempfile::tempdir().unwrap();
        self.write(directory.path(), Outcome::Completed);
        analyze(
            &[directory.path().to_owned()],
            &Options { check_truth: true, ..Options::default() },
        )
    }

    /// Adds to every time.
    pub fn shift(&mut self, by: u64) {
        self.power.iter_mut().for_each(|row| row.t_ns += by);
        self.traffic.iter_mut().for_each(|row| row.t_ns += by);
        self.agent.iter_mut().for_each(|row| row.t_ns += by);
        self.spans.iter_mut().for_each(|row| {
            row.start_ns += by;
            row.end_ns += by;
        });
        self.truth.iter_mut().for_each(|row| {
            row.start_ns += by;
            row.end_ns += by;
        });
        self.frames.iter_mut().for_each(|row| {
            let times =
                [&mut row.arrival_ns, &mut row.start_ns, &mut row.end_ns, &mut row.delivered_ns];
            times.into_iter().for_each(|t| *t += by);
        });
    }
}

/// Joules per image and half of their interval.
pub fn energy(row: &SummaryRow) -> (f64, f64) {
    let known = row.joules_per_image.zip(row.joules_per_image_ci95);
    known.unwrap_or_else(|| panic!("no energy: {}", row.note()))
}
