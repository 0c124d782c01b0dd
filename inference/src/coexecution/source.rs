//! Where images come from, and when.

/// A stream of images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Source {
    /// So many, all there from the beginning: a directory, a benchmark.
    Finite {
        /// How many.
        images: u64,
    },
    /// One after another, until the consumer has had enough.
    Endless,
    /// Frames at a rate, as from a camera, the first at the start.
    Camera {
        /// Frames per second.
        fps: f64,
        /// How many; `None` for an endless stream.
        frames: Option<u64>,
        /// What becomes of a frame that comes when earlier ones still wait.
        late: Late,
    },
}

/// What becomes of a frame for which nobody is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// It is dropped if as many as this, at least one, wait already.
    Drop {
        /// Frames that may wait.
        backlog: usize,
    },
    /// It waits, however long: its latency counts from when it came.
    Queue,
}

/// A frame that has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Arrival {
    /// Its number at the source, dropped ones counted.
    pub(super) frame: u64,
    /// When it came. All frames of a source without a rate come when there is room for them.
    pub(super) at_ns: u64,
}

/// A source as a run goes through it.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    source: Source,
    start_ns: u64,
    next_frame: u64,
    dropped: u64,
    stopped: bool,
}

impl Stream {
    pub(super) fn new(source: Source) -> Self {
        Stream { source, start_ns: 0, next_frame: 0, dropped: 0, stopped: false }
    }

    pub(super) fn start(&mut self, now_ns: u64) {
        self.start_ns = now_ns;
    }

    /// No more frames from here on.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }

    pub(super) fn fps(&self) -> Option<f64> {
        match self.source {
            Source::Camera { fps, .. } => Some(fps),
            Source::Finite { .. } | Source::Endless => None,
        }
    }

    /// Frames that have not come yet; `None` for an endless stream.
    pub(super) fn to_come(&self) -> Option<u64> {
        if self.stopped {
            return Some(0);
        }
        let all = match self.source {
            Source::Finite { images } => Some(images),
            Source::Endless => None,
            Source::Camera { frames, .. } => frames,
        };
        all.map(|all| all.saturating_sub(self.next_frame))
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// When the next frame comes; `None` when all have.
    pub(super) fn next_arrival_ns(&self) -> Option<u64> {
        if self.to_come() == Some(0) {
            return None;
        }
        let after_s = self.fps().map_or(0.0, |fps| self.next_frame as f64 / fps);
        Some(self.start_ns + (after_s * 1e9) as u64)
    }

    /// The next frame that has come by now and is not dropped. `waiting` wait already; whether
    /// there is `room` for one more is the reorder buffer's word.
    pub(super) fn admit(&mut self, now_ns: u64, waiting: usize, room: bool) -> Option<Arrival> {
        while let Some(at_ns) = self.next_arrival_ns().filter(|&at_ns| at_ns <= now_ns) {
            let (drops, at_ns) = match self.source {
                Source::Camera { late: Late::Drop { backlog }, .. } => {
                    (!room || waiting >= backlog.max(1), at_ns)
                }
                Source::Camera { late: Late::Queue, .. } => (false, at_ns),
                Source::Finite { .. } | Source::Endless => (false, now_ns),
            };
            if !drops && !room {
                return None;
            }
            let frame = self.next_frame;
            self.next_frame += 1;
            if !drops {
                return Some(Arrival { frame, at_ns });
            }
            self.dropped += 1;
        }
        None
    }

    /// Whether [`Stream::admit`] can do anything before there is room: drop late frames.
    pub(super) fn drops(&self) -> bool {
        matches!(self.source, Source::Camera { late: Late::Drop { .. }, .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(late: Late) -> Stream {
        let mut stream = Stream::new(Source::Camera { fps: 10.0, frames: Some(5), late });
        stream.start(1000);
        stream
    }

    #[test]
    fn a_camera_drops_frames_that_find_others_waiting() {
        let mut stream = camera(Late::Drop { backlog: 1 });
        assert_eq!(stream.admit(999, 0, true), None);
        assert_eq!(stream.admit(1000, 0, true), Some(Arrival { frame: 0, at_ns: 1000 }));
        assert_eq!(stream.admit(100_001_000, 1, true), None);
        assert_eq!((stream.dropped(), stream.to_come()), (1, Some(3)));
        assert_eq!(stream.admit(200_001_000, 0, false), None);
        assert_eq!(stream.dropped(), 2);
        assert_eq!(
            stream.admit(300_001_000, 0, true),
            Some(Arrival { frame: 3, at_ns: 300_001_000 })
        );
    }

    #[test]
    fn a_queueing_camera_keeps_the_time_at_which_frames_came() {
        let mut stream = camera(Late::Queue);
        assert_eq!(stream.admit(1_000_000_000, 9, false), None);
        for frame in 0..5 {
            let at_ns = 1000 + frame * 100_000_000;
            assert_eq!(stream.admit(1_000_000_000, 9, true), Some(Arrival { frame, at_ns }));
        }
        assert_eq!(stream.next_arrival_ns(), None);
        assert_eq!(stream.dropped(), 0);
    }

    #[test]
    fn a_stopped_stream_has_no_more() {
        let mut stream = Stream::new(Source::Endless);
        assert!(stream.admit(5, 0, true).is_some());
        assert_eq!(stream.to_come(), None);
        stream.stop();
        assert_eq!((stream.to_come(), stream.admit(6, 0, true)), (Some(0), None));
    }
}
