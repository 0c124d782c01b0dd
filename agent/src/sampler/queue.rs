//! What passes from the sampler to the writer: plain data through bounded queues.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Thread;

use crossbeam::queue::ArrayQueue;
use wattline_trace::WriteError;

use super::cpu_channel::CpuReading;
use crate::counter::Moved;
use crate::fault::{ReadFault, Verdict};
use crate::perf_event::GroupFault;
use crate::sensor::source::RailReading;

/// A reading that becomes a row.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reading {
    /// Of the rail of this index.
    Rail(u16, RailReading),
    /// Of the port of this index, counted through all traffic counters.
    Port { t_ns: u64, port: u16, moved: Moved, scaled: bool },
    /// Of a CPU's account.
    Cpu(CpuReading),
    /// Of the hardware counter of this index, counted through all components.
    Hardware { t_ns: u64, counter: u16, count: u64, scaled: bool },
}

/// Something the writer should know besides readings.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Notice {
    /// A rail's reading failed.
    Failed { t_ns: u64, rail: u16, fault: ReadFault, verdict: Verdict },
    /// The group of hardware counters of this index, through all components, says no more.
    Group { t_ns: u64, group: u16, fault: GroupFault },
    /// The group of this index, counted through all traffic counters, says no more.
    Traffic { t_ns: u64, group: u16, fault: GroupFault },
    /// From now on the traffic counter of this index is scaled.
    Scaled { t_ns: u64, counter: u16 },
    /// The last rail is gone and there is no counter.
    AllGone { t_ns: u64 },
    /// The sampler's account, once a second and at the end.
    Tally(Tally),
}

/// The sampler's account since it started.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) t_ns: u64,
    pub(crate) cpu_ns: u64,
    pub(crate) ticks: u64,
    pub(crate) samples: u64,
    pub(crate) repeats: u64,
    pub(crate) drops: u64,
    pub(crate) overruns: u64,
    pub(crate) lateness_p50_ns: u64,
    pub(crate) lateness_p99_ns: u64,
}

/// What to do when a queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhenFull {
    /// Time goes on: drop the entry and count it.
    Drop,
    /// Time stands still meanwhile: wait for the writer.
    Wait,
}

/// Notices are few: one a second, and at most one a second a rail.
const NOTICES: usize = 1024;

/// The queues between sampler and writer, and what each must know of the other.
#[derive(Debug)]
pub(crate) struct Queue {
    readings: ArrayQueue<Reading>,
    notices: ArrayQueue<Notice>,
    when_full: WhenFull,
    drops: AtomicU64,
    lost_marks: AtomicU64,
    stop: AtomicBool,
    sampled_all: AtomicBool,
    writer: OnceLock<Thread>,
    failure: OnceLock<WriteError>,
}

impl Queue {
    pub(crate) fn new(capacity: usize, when_full: WhenFull) -> Self {
        Queue {
            readings: ArrayQueue::new(capacity.max(1)),
            notices: ArrayQueue::new(NOTICES),
            when_full,
            drops: AtomicU64::new(0),
            lost_marks: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            sampled_all: AtomicBool::new(false),
            writer: OnceLock::new(),
            failure: OnceLock::new(),
        }
    }

    /// Sampler: hands a reading over.
    pub(super) fn reading(&self, reading: Reading) {
        self.push(&self.readings, reading);
    }

    /// Sampler: hands a notice over.
    pub(super) fn notice(&self, notice: Notice) {
        self.push(&self.notices, notice);
    }

    fn push<T>(&self, queue: &ArrayQueue<T>, mut entry: T) {
        while let Err(back) = queue.push(entry) {
            if self.when_full == WhenFull::Drop {
                self.drops.fetch_add(1, Ordering::Relaxed);
                return;
            }
            entry = back;
            self.wake_writer();
            std::thread::yield_now();
        }
    }

    /// Entries lost because a queue was full.
    pub(super) fn drops(&self) -> u64 {
        self.drops.load(Ordering::Relaxed)
    }

    /// Marks that someone else found to be lost.
    pub(crate) fn count_lost_marks(&self, lost: u64) {
        self.lost_marks.fetch_add(lost, Ordering::Relaxed);
    }

    /// How many marks were lost so far.
    pub(crate) fn lost_marks(&self) -> u64 {
        self.lost_marks.load(Ordering::Relaxed)
    }

    /// Writer: takes the next reading.
    pub(crate) fn take_reading(&self) -> Option<Reading> {
        self.readings.pop()
    }

    /// Writer: takes the next notice.
    pub(crate) fn take_notice(&self) -> Option<Notice> {
        self.notices.pop()
    }

    /// Makes the calling thread the one to wake when a queue is full.
    pub(crate) fn i_am_the_writer(&self) {
        let _ = self.writer.set(std::thread::current());
    }

    pub(crate) fn wake_writer(&self) {
        if let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }

    /// Asks the sampler to take a last sample and end.
    pub(crate) fn ask_to_stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    pub(crate) fn is_asked_to_stop(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// The sampler has ended: what is in the queues is all there will be.
    pub(crate) fn sampled_all(&self) {
        self.sampled_all.store(true, Ordering::Release);
        self.wake_writer();
    }

    pub(crate) fn has_sampled_all(&self) -> bool {
        self.sampled_all.load(Ordering::Acquire)
    }

    /// Remembers the first write error and stops the sampler.
    pub(crate) fn fail(&self, error: WriteError) {
        let _ = self.failure.set(error);
        self.ask_to_stop();
    }

    pub(crate) fn failure(&self) -> Option<&WriteError> {
        self.failure.get()
    }
}
