//! When an emulated component is done: a timetable, and a clock that is slept on.

use std::ops::Range;

use wattline_board::clock::{Clock, WallClock};
use wattline_board::description::Component;
use wattline_board::emulated::work::Work;

use crate::clock::monotonic_ns;

/// A call this soon after an image ended found the next one waiting.
const AT_ONCE_NS: u64 = 1_000_000;

/// When each layer of an image starts and ends, in ns from the image's start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Timetable {
    /// Where layers end; the first begins at zero, each other where the one before ends.
    ends_ns: Vec<u64>,
}

impl Timetable {
    /// That of `work` on a component that has the memory to itself.
    pub(super) fn new(work: &Work, component: &Component) -> Self {
        let mut seconds = 0.0;
        let ends = work.layers.iter().map(|layer| {
            seconds += layer.solo_seconds(component);
            // Sums are rounded, not their terms: an image is as long as the model says.
            (seconds * 1e9).round() as u64
        });
        Timetable { ends_ns: ends.collect() }
    }

    pub(super) fn layers(&self) -> usize {
        self.ends_ns.len()
    }

    fn begin_ns(&self, layer: usize) -> u64 {
        layer.checked_sub(1).map_or(0, |before| self.ends_ns[before])
    }

    /// Start and end of each of `layers`, if the first begins at `start_ns`.
    pub(super) fn times(
        &self,
        layers: Range<usize>,
        start_ns: u64,
    ) -> impl Iterator<Item = (u64, u64)> {
        let origin = self.begin_ns(layers.start);
        layers.map(move |layer| {
            let from_start = |at: u64| start_ns + (at - origin);
            (from_start(self.begin_ns(layer)), from_start(self.ends_ns[layer]))
        })
    }
}

/// The wall clock, and what is made up of its lateness.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the last image ended by the timetable, and when this thread woke up.
    last: Option<(u64, u64)>,
}

impl Pace {
    /// When an image starts that is asked for now. If the one before has just ended, this one
    /// waited for it, as in the queue of a device: then the lateness of the wake-up is not the
    /// component's, and the image starts that much earlier.
    pub(super) fn start_ns(&self) -> u64 {
        start_ns(self.last, monotonic_ns())
    }

    /// Sleeps until an image's end. Answers how late it woke up.
    pub(super) fn sleep_until(&mut self, end_ns: u64) -> u64 {
        WallClock.sleep_until(end_ns);
        let woke_ns = monotonic_ns().max(end_ns);
        self.last = Some((end_ns, woke_ns));
        woke_ns - end_ns
    }
}

fn start_ns(last: Option<(u64, u64)>, now_ns: u64) -> u64 {
    match last {
        Some((end_ns, woke_ns)) if now_ns.saturating_sub(woke_ns) < AT_ONCE_NS => {
            end_ns + now_ns.saturating_sub(woke_ns)
        }
        _ => now_ns,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wattline_board::description::Description;
    use wattline_board::emulated::work::LayerWork;

    use super::*;

    fn npu() -> Component {
        Description::load("kirin970").unwrap().component("npu").unwrap().clone()
    }

    proptest! {
        /// Each layer takes dispatch + max(compute, bytes / bandwidth), to a nanosecond; no time
        /// lies between layers, and a part of a network takes what it takes in the whole.
        #[test]
        fn layers_take_what_the_model_says(
            layers in prop::collection::vec((0.0..1e-3f64, 0.0..1e-2f64, 0.0..1e8f64, 0.0..1e8f64), 1..40),
            cut in 0usize..40,
        ) {
            let component = npu();
            let bandwidth = component.bandwidth.unwrap().bytes_per_s();
            let layer = |&(dispatch_s, compute_s, read_bytes, write_bytes): &(f64, f64, f64, f64)| {
                LayerWork {
                    name: "it".into(),
                    kilohertz: None,
                    dispatch_s,
                    compute_s,
                    read_bytes,
                    write_bytes,
                }
            };
            let work = Work { network: "it".into(), layers: layers.iter().map(layer).collect() };
            let timetable = Timetable::new(&work, &component);
            let times: Vec<_> = timetable.times(0..layers.len(), 5).collect();
            let mut at = 5;
            for (&(start, end), &(dispatch, compute, read, write)) in times.iter().zip(&layers) {
                prop_assert_eq!(start, at);
                let model_ns = 1e9 * (dispatch + compute.max((read + write) / bandwidth));
                prop_assert!(((end - start) as f64 - model_ns).abs() <= 1.0);
                at = end;
            }
            let cut = cut.min(layers.len());
            let part: Vec<_> = timetable.times(cut..layers.len(), 0).collect();
            let moved = times[cut..].iter().map(|&(s, e)| (s - times[cut].0, e - times[cut].0));
            prop_assert_eq!(part, moved.collect::<Vec<_>>());
        }

        /// No image starts before the one before it ended, nor after it was asked for, and
        /// lateness is made up for at once or never.
        #[test]
        fn lateness_is_made_up_for(end in 0u64..1 << 40, late in 0u64..1 << 30, gap in 0u64..1 << 30) {
            let (woke, now) = (end + late, end + late + gap);
            let start = start_ns(Some((end, woke)), now);
            prop_assert!((end..=now).contains(&start));
            prop_assert_eq!(start, if gap < AT_ONCE_NS { end + gap } else { now });
        }
    }
}
