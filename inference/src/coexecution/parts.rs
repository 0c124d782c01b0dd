//! A network's work on a component of the emulated board, cut as pipelines cut it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use wattline_board::emulated::fluid::Completion;
use wattline_board::emulated::work::Work;

use super::task::Job;
use super::watcher::{Timing, Watcher};

/// The work of a whole image, and of the parts of it that were asked for.
#[derive(Debug)]
pub(super) struct Parts {
    whole: Arc<Work>,
    parts: HashMap<Range<usize>, Arc<Work>>,
}

impl Parts {
    pub(super) fn new(whole: Arc<Work>) -> Self {
        Parts { whole, parts: HashMap::new() }
    }

    /// What a job is to do.
    pub(super) fn of(&mut self, job: &Job) -> Arc<Work> {
        if job.is_whole() {
            return Arc::clone(&self.whole);
        }
        let cut = || {
            let layers = self.whole.layers[job.layers.clone()].to_vec();
            Arc::new(Work { network: self.whole.network.clone(), layers })
        };
        Arc::clone(self.parts.entry(job.layers.clone()).or_insert_with(cut))
    }
}

/// Tells a watcher what the board says of a job, by way of a buffer that is used again.
pub(super) fn tell(
    watcher: &mut dyn Watcher,
    job: &Job,
    completion: &Completion,
    layers: &mut Vec<(u64, u64)>,
) {
    layers.clear();
    layers.extend(completion.layers.iter().map(|layer| (layer.start_ns, layer.end_ns)));
    let image = &completion.image;
    let (start_ns, end_ns) = (image.start_ns, image.end_ns);
    watcher.ran(job, &Timing { start_ns, end_ns, layers, clock_error_ns: 0, transfer_ns: 0 });
}
