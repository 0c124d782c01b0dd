//! Scenes in which components work at once, after each has had the board to itself.

use wattline_trace::rows::*;
use wattline_trace::*;

use super::{BYTES, FLOPS, Job, MS, Scene, Sensor};

/// The id of the co-execution's span.
pub(super) const ALL: u64 = 900_000_000;

/// Bytes of an image, alone or not.
const IMAGE_BYTES: f64 = 2e8;

impl Scene {
    /// `big`, `little` and `gpu` alone for five seconds each, then together for six. `little`
    /// drives `gpu`, which costs it nothing while it computes itself. Contention stretches images
    /// and leaves their bytes, and the joules of those, as they are.
    pub fn together(window_ns: u64, seed: u64) -> Self {
        let memory = [("big", 0.02), ("little", 0.01), ("gpu", 0.04)];
        let job = |component: &'static str, start: u64, seconds: u64, images: u64, own: &[_]| {
            let per_image = memory.iter().find(|it| it.0 == component).unwrap().1;
            let rate = images as f64 / seconds as f64;
            Job {
                component,
                start: start * MS + 137_000,
                end: (start + 1_000 * seconds) * MS + 137_000,
                images,
                watts: [own, &[("VDD_MEM", per_image * rate)][..]].concat(),
                bytes_per_s: IMAGE_BYTES * rate,
                together: false,
            }
        };
        let part = |job| Job { together: true, ..job };
        let sensor = Sensor { noise_watts: 0.003, ..Sensor::with_window(window_ns) };
        let rails = ["VDD_ARM", "VDD_KFC", "VDD_G3D", "VDD_MEM"];
        Scene {
            sensors: rails.map(|rail| (rail, sensor.clone())).to_vec(),
            idle_watts: 0.4,
            idle_bytes_per_s: 1e8,
            jobs: vec![
                job("big", 1_500, 5, 50, &[("VDD_ARM", 3.0)]),
                job("little", 8_000, 5, 20, &[("VDD_KFC", 0.5)]),
                job("gpu", 14_500, 5, 60, &[("VDD_G3D", 1.5), ("VDD_KFC", 0.075)]),
                part(job("big", 21_000, 6, 54, &[("VDD_ARM", 3.0)])),
                part(job("little", 21_000, 6, 18, &[("VDD_KFC", 0.5)])),
                part(job("gpu", 21_000, 6, 70, &[("VDD_G3D", 1.5), ("VDD_KFC", 0.0)])),
            ],
            end: 28_500 * MS,
            seed,
        }
    }

    /// The tables of [`Scene::together`], with a manifest that knows its components.
    pub fn tables_together(&self) -> super::Tables {
        let mut tables = self.tables();
        let component = |name: &str, kind: &str, rails: &[&str]| ComponentRecord {
            name: name.into(),
            kind: kind.into(),
            executor: "test".into(),
            rails: rails.iter().map(|&rail| rail.into()).collect(),
            peak_flops_per_s: None,
            bandwidth_bytes_per_s: None,
            frequency: None,
            stand_in: None,
            threads: None,
            cpus: vec![],
            provenance: Provenance::Measured,
        };
        tables.manifest.components = vec![
            component("big", "cpu", &["VDD_ARM", "VDD_MEM"]),
            component("little", "cpu", &["VDD_KFC", "VDD_MEM"]),
            component("gpu", "gpu", &["VDD_G3D", "VDD_KFC", "VDD_MEM"]),
        ];
        tables
    }

    fn parts(&self) -> impl Iterator<Item = (usize, &Job)> {
        self.jobs.iter().enumerate().filter(|(_, job)| job.together)
    }

    pub(super) fn span_of_all(&self) -> Option<SpanRow> {
        let images: u64 = self.parts().map(|(_, job)| job.images).sum();
        Some(SpanRow {
            id: ALL,
            parent: None,
            kind: SpanKind::Run,
            name: "alexnet".into(),
            component: ALL_COMPONENTS.into(),
            image: None,
            start_ns: self.parts().map(|(_, job)| job.start).min()?,
            end_ns: self.parts().map(|(_, job)| job.end).max()?,
            flops: Some(FLOPS * images),
            bytes_theoretical: Some(BYTES * images),
        })
    }

    pub(super) fn coexecution_record(&self) -> Option<CoexecutionRecord> {
        let images = self.parts().map(|(_, job)| job.images).sum();
        self.parts().next()?;
        Some(CoexecutionRecord {
            policy: "steal".into(),
            window: 64,
            source: SourceRecord::Finite { images },
            dropped: 0,
            faults: vec![],
            profiles: vec![],
        })
    }

    pub(super) fn frame_rows(&self) -> Vec<FrameRow> {
        let start = self.parts().map(|(_, job)| job.start).min().unwrap_or(0);
        let frames = self.parts().flat_map(|(index, job)| {
            let each = (job.end - job.start) / job.images.max(1);
            (0..job.images).map(move |image| FrameRow {
                image: image * 100 + index as u64,
                arrival_ns: start,
                start_ns: job.start + image * each,
                end_ns: job.start + (image + 1) * each,
                delivered_ns: job.start + (image + 1) * each,
                component: job.component.into(),
                queued: 0,
                reordering: 0,
            })
        });
        frames.collect()
    }
}
