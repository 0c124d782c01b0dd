//! Layers put into the images they belong to.

use std::collections::HashMap;

use wattline_trace::Name;

use super::pairing::{End, Interval, Pairing, Unmatched};
use super::{Level, Mark, Marking, SpanCount};

/// No network has more layers; what a program marks beyond is counted as stray.
const MOST_LAYERS: usize = 1 << 16;

/// An image, with its layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSpan {
    /// When it began.
    pub start_ns: u64,
    /// When it ended.
    pub end_ns: u64,
    /// The CPU it began on.
    pub cpu: u32,
    /// In the order in which they ended.
    pub layers: Vec<LayerSpan>,
    /// What its CPU's counters counted; empty where its thread moved, or nothing is counted.
    pub counted: Vec<SpanCount>,
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerSpan {
    /// When it began.
    pub start_ns: u64,
    /// When it ended.
    pub end_ns: u64,
    /// What the program calls it, where it says.
    pub name: Option<Name>,
    /// As [`ImageSpan::counted`].
    pub counted: Vec<SpanCount>,
}

/// A thread of a process.
type Thread = (u32, u32);

/// What one thread is at.
#[derive(Debug, Default)]
struct Work {
    images: Pairing,
    layers: Pairing,
    /// Layers of the image that is open, from whichever thread.
    finished: Vec<LayerSpan>,
}

/// Pairs marks and nests what they span.
///
/// A layer belongs to the image that is open on its own thread, else to the only one that is
/// open in its process: engines run layers on threads of a pool.
#[derive(Debug)]
pub struct Nesting {
    images: Marking,
    layers: Marking,
    threads: HashMap<Thread, Work>,
    unmatched: Unmatched,
}

impl Nesting {
    /// Images and layers are marked like this.
    pub fn new(images: Marking, layers: Marking) -> Self {
        Nesting { images, layers, threads: HashMap::new(), unmatched: Unmatched::default() }
    }

    /// Takes a mark. Those of one thread must come in order. Answers an image that is whole.
    pub fn mark(&mut self, mark: Mark) -> Option<ImageSpan> {
        let thread = (mark.pid, mark.tid);
        let Mark { t_ns, cpu, level, begins, name, counts, .. } = mark;
        let work = self.threads.entry(thread).or_default();
        let unmatched = &mut self.unmatched;
        let begun = |at_begin| {
            let counted = Vec::new();
            Interval { start_ns: t_ns, end_ns: 0, cpu, name, at_begin, counted }
        };
        match level {
            Level::Image => {
                let image = match begins {
                    true => work.images.begin(begun(counts), self.images, unmatched),
                    false => work.images.end(End { t_ns, counts }, self.images, unmatched),
                };
                image.map(|image| close(work, image, unmatched))
            }
            Level::Layer => {
                let layer = match begins {
                    true => work.layers.begin(begun(counts), self.layers, unmatched),
                    false => work.layers.end(End { t_ns, counts }, self.layers, unmatched),
                };
                if let Some(layer) = layer {
                    self.put_into_image(thread, layer);
                }
                None
            }
        }
    }

    fn put_into_image(&mut self, thread: Thread, layer: Interval) {
        let open = |(of, work): &(&Thread, &mut Work)| of.0 == thread.0 && work.images.is_open();
        let mut hosts: Vec<_> = self.threads.iter_mut().filter(open).collect();
        let own = hosts.iter().position(|(of, _)| **of == thread);
        let host = match (own, &hosts[..]) {
            (Some(own), _) => Some(own),
            (None, [_]) => Some(0),
            _ => None,
        };
        match host.map(|host| &mut hosts[host].1.finished) {
            Some(layers) if layers.len() < MOST_LAYERS => {
                layers.push(span(layer));
            }
            _ => self.unmatched.stray_layers += 1,
        }
    }

    /// Marks were lost: what is open may never end, or has ended already.
    pub fn forget_open(&mut self) -> Vec<ImageSpan> {
        let mut whole = Vec::new();
        for work in self.threads.values_mut() {
            if let Some(layer) = work.layers.finish(&mut self.unmatched) {
                work.finished.push(span(layer));
            }
            let image = work.images.finish(&mut self.unmatched);
            whole.extend(image.map(|image| close(work, image, &mut self.unmatched)));
            self.unmatched.stray_layers += work.finished.len() as u64;
        }
        self.threads.clear();
        whole.sort_by_key(|image| image.start_ns);
        whole
    }

    /// What was never made into a span.
    pub fn unmatched(&self) -> Unmatched {
        self.unmatched
    }
}

/// Takes the layers of an image that is whole.
fn close(work: &mut Work, image: Interval, unmatched: &mut Unmatched) -> ImageSpan {
    let within =
        |layer: &LayerSpan| layer.start_ns >= image.start_ns && layer.end_ns <= image.end_ns;
    let finished = std::mem::take(&mut work.finished);
    let (layers, others): (Vec<_>, Vec<_>) = finished.into_iter().partition(within);
    // Those of an image that is still open come later.
    let (later, stray): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|layer| layer.start_ns > image.end_ns);
    unmatched.stray_layers += stray.len() as u64;
    work.finished = later;
    let Interval { start_ns, end_ns, cpu, counted, .. } = image;
    ImageSpan { start_ns, end_ns, cpu, layers, counted }
}

fn span(layer: Interval) -> LayerSpan {
    let Interval { start_ns, end_ns, name, counted, .. } = layer;
    LayerSpan { start_ns, end_ns, name, counted }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SELF: u32 = 10;
    const POOL: u32 = 11;

    fn mark(t_ns: u64, tid: u32, level: Level, begins: bool) -> Mark {
        Mark { t_ns, pid: SELF, tid, cpu: 1, level, begins, name: None, counts: None }
    }

    fn play(marks: impl IntoIterator<Item = Mark>) -> (Vec<ImageSpan>, Unmatched) {
        let mut nesting = Nesting::new(Marking::Function, Marking::Probes);
        let mut images: Vec<_> = marks.into_iter().filter_map(|mark| nesting.mark(mark)).collect();
        images.extend(nesting.forget_open());
        (images, nesting.unmatched())
    }

    #[test]
    fn layers_lie_in_the_image_of_their_thread_or_process() {
        use Level::{Image, Layer};
        let (images, unmatched) = play([
            mark(0, SELF, Layer, true),
            mark(1, SELF, Layer, false),
            mark(2, SELF, Image, true),
            mark(3, SELF, Layer, true),
            mark(4, POOL, Layer, true),
            mark(5, POOL, Layer, false),
            mark(6, SELF, Layer, false),
            mark(7, SELF, Image, false),
        ]);
        let times: Vec<_> =
            images[0].layers.iter().map(|layer| (layer.start_ns, layer.end_ns)).collect();
        assert_eq!((images.len(), times), (1, vec![(4, 5), (3, 6)]));
        assert_eq!(unmatched, Unmatched { stray_layers: 1, ..Unmatched::default() });
    }

    #[test]
    fn a_pool_that_serves_two_images_gives_its_layers_to_neither() {
        use Level::{Image, Layer};
        let (images, unmatched) = play([
            mark(0, SELF, Image, true),
            mark(1, 12, Image, true),
            mark(2, POOL, Layer, true),
            mark(3, POOL, Layer, false),
            mark(4, 12, Image, false),
            mark(5, SELF, Image, false),
        ]);
        assert_eq!(images.len(), 2);
        assert!(images.iter().all(|image| image.layers.is_empty()));
        assert_eq!(unmatched.stray_layers, 1);
    }

    #[test]
    fn layers_of_an_image_that_is_none_are_stray() {
        use Level::{Image, Layer};
        let (images, unmatched) = play([
            mark(0, SELF, Image, true),
            mark(1, SELF, Layer, true),
            mark(2, SELF, Layer, false),
        ]);
        assert!(images.is_empty());
        assert_eq!((unmatched.begins, unmatched.stray_layers), (1, 1));
    }
}
