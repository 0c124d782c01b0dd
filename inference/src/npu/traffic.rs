//! Real bytes through real memory, at the rate of the emulated layers.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;

use wattline_board::clock::{Clock, WallClock};

use super::bucket::{Access, Bucket, Segment};
use super::report::{Counts, thread_cpu_ns};
use crate::affinity::{AffinityError, bind};
use crate::clock::monotonic_ns;
use crate::streams::{LINE_BYTES, Lines, lines, read, write};

/// Layers that may wait for the thread that moves their bytes: those of many images.
const QUEUED: usize = 4096;

/// A sleep shorter than this costs more than it saves.
const SHORTEST_SLEEP_NS: u64 = 100_000;

/// Where and through how much memory bytes are moved.
#[derive(Debug, Clone, PartialEq)]
pub struct TrafficSettings {
    /// CPUs of the thread that moves them: those of the cluster that drives the NPU.
    pub cpus: Vec<u32>,
    /// Bytes of memory it goes through in turn: several times the last-level cache, so that none
    /// of it is there when its turn comes again.
    pub working_set_bytes: u64,
    /// The most a second that is ever asked for.
    pub bandwidth_bytes_per_s: f64,
}

/// The bytes of an NPU's layers cannot be moved.
#[derive(Debug, thiserror::Error)]
pub enum TrafficError {
    /// The thread cannot run where it should.
    #[error("the NPU emulator's memory traffic: {0}")]
    Affinity(#[from] AffinityError),
    /// The thread cannot be started.
    #[error("the NPU emulator's memory traffic needs a thread: {0}")]
    Thread(#[from] io::Error),
}

/// The thread that moves bytes. It ends when this is dropped, having moved what is owed.
#[derive(Debug)]
pub(super) struct Mover {
    segments: Option<SyncSender<Segment>>,
    counts: Arc<Counts>,
    thread: Option<JoinHandle<()>>,
}

impl Mover {
    /// Starts the thread, and waits until its memory is there.
    pub(super) fn start(
        settings: TrafficSettings,
        counts: Arc<Counts>,
    ) -> Result<Self, TrafficError> {
        let (segments, incoming) = sync_channel(QUEUED);
        let (ready, started) = sync_channel(1);
        let progress = Arc::clone(&counts);
        let body = move || {
            let bound = bind(&settings.cpus);
            let sound = bound.is_ok();
            let memory = if sound { lines(settings.working_set_bytes) } else { Lines::none() };
            let told = ready.send(bound).is_ok();
            if sound && told {
                let bucket = Bucket::new(settings.bandwidth_bytes_per_s);
                Moving {
                    incoming,
                    bucket,
                    memory: Ring { lines: memory, at: 0 },
                    counts: progress,
                }
                .run();
            }
        };
        let thread = std::thread::Builder::new().name("npu-traffic".into()).spawn(body)?;
        // A thread that is gone said nothing: it panicked, and its message is out already.
        started.recv().unwrap_or(Ok(()))?;
        Ok(Mover { segments: Some(segments), counts, thread: Some(thread) })
    }

    /// A layer's bytes, to be moved while it runs.
    pub(super) fn push(&self, segment: Segment) {
        let bytes = segment.read_bytes + segment.write_bytes;
        if bytes == 0 || segment.end_ns <= segment.start_ns {
            return;
        }
        let sent = self.segments.as_ref().is_some_and(|it| it.try_send(segment).is_ok());
        if !sent {
            self.counts.lose(bytes);
        }
        self.counts.moving(segment.end_ns - segment.start_ns);
    }
}

impl Drop for Mover {
    fn drop(&mut self) {
        self.segments = None;
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has said what it had to say.
            let _ = thread.join();
        }
    }
}

/// What the thread works with.
#[derive(Debug)]
struct Moving {
    incoming: Receiver<Segment>,
    bucket: Bucket,
    memory: Ring,
    counts: Arc<Counts>,
}

impl Moving {
    fn run(mut self) {
        loop {
            let open = self.receive();
            let now_ns = monotonic_ns();
            self.bucket.advance(now_ns);
            if let Some((access, bytes)) = self.bucket.next() {
                self.memory.turn(access, bytes);
                self.bucket.moved(access, bytes);
            } else if let Some(next_ns) = self.bucket.next_ns(now_ns) {
                self.counts.set_traffic(self.bucket.total(), thread_cpu_ns());
                WallClock.sleep_until(next_ns.max(now_ns + SHORTEST_SLEEP_NS));
            } else {
                self.counts.set_traffic(self.bucket.total(), thread_cpu_ns());
                let Some(segment) = open.then(|| self.incoming.recv().ok()).flatten() else {
                    return;
                };
                self.bucket.push(segment);
            }
        }
    }

    /// Takes in what has come; answers whether more may come.
    fn receive(&mut self) -> bool {
        loop {
            match self.incoming.try_recv() {
                Ok(segment) => self.bucket.push(segment),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }
}

/// Memory gone through in turn.
#[derive(Debug)]
struct Ring {
    lines: Lines,
    at: usize,
}

impl Ring {
    /// Reads or writes the next `bytes`, in whole lines.
    fn turn(&mut self, access: Access, bytes: u64) {
        let count = (bytes as usize).div_ceil(LINE_BYTES).min(self.lines.len());
        if self.at + count > self.lines.len() {
            self.at = 0;
        }
        let next = &mut self.lines[self.at..self.at + count];
        match access {
            Access::Read => read(next),
            Access::Write => write(next),
        }
        self.at += count;
    }
}
