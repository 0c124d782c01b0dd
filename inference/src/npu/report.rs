//! How well the emulator kept its pace.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use nix::time::{ClockId, clock_gettime};

use super::bucket::Account;

/// Moved bytes short of what was asked by more than this share are worth a mark.
const SHORT: f64 = 0.01;

/// An image is late if it is by more than this share of its time, and by more than a wake-up on a
/// busy machine takes.
const LATE: f64 = 0.02;
const LATE_NS: u64 = 1_000_000;

/// What the emulator's threads count.
#[derive(Debug, Default)]
pub(super) struct Counts {
    images: AtomicU64,
    busy_ns: AtomicU64,
    late_images: AtomicU64,
    longest_lateness_ns: AtomicU64,
    pacing_cpu_ns: AtomicU64,
    /// Bytes that never came to the thread that moves them.
    refused: AtomicU64,
    asked: AtomicU64,
    moved: AtomicU64,
    lost: AtomicU64,
    moving_ns: AtomicU64,
    moving_cpu_ns: AtomicU64,
}

impl Counts {
    /// An image, or a part of one, that took `length_ns` and was handed over `late_ns` after that.
    pub(super) fn ran(&self, ends_image: bool, length_ns: u64, late_ns: u64, cpu_ns: u64) {
        self.images.fetch_add(u64::from(ends_image), Relaxed);
        self.busy_ns.fetch_add(length_ns, Relaxed);
        let late = late_ns > LATE_NS.max((length_ns as f64 * LATE) as u64);
        self.late_images.fetch_add(u64::from(late), Relaxed);
        self.longest_lateness_ns.fetch_max(late_ns, Relaxed);
        self.pacing_cpu_ns.fetch_add(cpu_ns, Relaxed);
    }

    pub(super) fn lose(&self, bytes: u64) {
        self.refused.fetch_add(bytes, Relaxed);
    }

    pub(super) fn moving(&self, length_ns: u64) {
        self.moving_ns.fetch_add(length_ns, Relaxed);
    }

    pub(super) fn set_traffic(&self, total: Account, cpu_ns: u64) {
        self.asked.store(total.asked, Relaxed);
        self.moved.store(total.moved, Relaxed);
        self.lost.store(total.lost, Relaxed);
        self.moving_cpu_ns.store(cpu_ns, Relaxed);
    }
}

/// Looks at an emulator from outside, also after it is gone.
#[derive(Debug, Clone)]
pub struct Watch {
    pub(super) counts: Arc<Counts>,
    pub(super) moves: bool,
}

impl Watch {
    /// How it went so far. Once the emulator is dropped, all of it.
    pub fn report(&self) -> Report {
        let get = |count: &AtomicU64| count.load(Relaxed);
        let counts = &*self.counts;
        Report {
            images: get(&counts.images),
            busy_s: get(&counts.busy_ns) as f64 * 1e-9,
            late_images: get(&counts.late_images),
            longest_lateness_s: get(&counts.longest_lateness_ns) as f64 * 1e-9,
            cpu_s: get(&counts.pacing_cpu_ns) as f64 * 1e-9,
            traffic: self.moves.then(|| {
                let refused = get(&counts.refused);
                TrafficReport {
                    asked_bytes: get(&counts.asked) + refused,
                    moved_bytes: get(&counts.moved),
                    lost_bytes: get(&counts.lost) + refused,
                    moving_s: get(&counts.moving_ns) as f64 * 1e-9,
                    cpu_s: get(&counts.moving_cpu_ns) as f64 * 1e-9,
                }
            }),
        }
    }
}

/// How well an emulator kept its pace.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Images that came to their end.
    pub images: u64,
    /// Time they took by the model.
    pub busy_s: f64,
    /// Images handed over late by more than 2 % of their time and a millisecond.
    pub late_images: u64,
    /// The latest.
    pub longest_lateness_s: f64,
    /// CPU time of keeping the pace.
    pub cpu_s: f64,
    /// What was moved through memory, if that was asked for.
    pub traffic: Option<TrafficReport>,
}

/// What an emulator moved through memory.
#[derive(Debug, Clone, PartialEq)]
pub struct TrafficReport {
    /// Bytes that the layers asked for.
    pub asked_bytes: u64,
    /// Bytes read and written.
    pub moved_bytes: u64,
    /// Bytes that the host was too slow for. What is in neither is still to be moved.
    pub lost_bytes: u64,
    /// Time in which layers move bytes.
    pub moving_s: f64,
    /// CPU time of the thread that moves them.
    pub cpu_s: f64,
}

impl TrafficReport {
    /// Bytes asked for a second, while layers move bytes.
    pub fn asked_bytes_per_s(&self) -> f64 {
        self.asked_bytes as f64 / self.moving_s.max(f64::MIN_POSITIVE)
    }

    /// Bytes moved a second, while layers move bytes.
    pub fn moved_bytes_per_s(&self) -> f64 {
        self.moved_bytes as f64 / self.moving_s.max(f64::MIN_POSITIVE)
    }

    /// Bytes that were not moved, of those asked for.
    pub fn shortfall(&self) -> f64 {
        1.0 - self.moved_bytes as f64 / self.asked_bytes.max(1) as f64
    }
}

impl Report {
    /// By how much the host was too slow, in words; nothing if it kept pace.
    pub fn behind(&self) -> Option<String> {
        let mut said = Vec::new();
        if self.late_images > 0 {
            said.push(format!(
                "{} of {} images were handed over late, by up to {:.1} ms",
                self.late_images,
                self.images,
                1e3 * self.longest_lateness_s
            ));
        }
        if let Some(traffic) = self.traffic.as_ref().filter(|it| it.shortfall() > SHORT) {
            said.push(format!(
                "memory traffic fell short by {:.1} %: {:.2} of {:.2} GB/s",
                100.0 * traffic.shortfall(),
                1e-9 * traffic.moved_bytes_per_s(),
                1e-9 * traffic.asked_bytes_per_s()
            ));
        }
        (!said.is_empty()).then(|| format!("this machine did not keep pace: {}", said.join("; ")))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let busy = self.busy_s.max(f64::MIN_POSITIVE);
        let percent = 100.0 * self.cpu_s / busy;
        write!(
            f,
            "{} images in {:.3} s by the model, pacing took {percent:.2} % of one core",
            self.images, self.busy_s
        )?;
        if let Some(traffic) = &self.traffic {
            write!(
                f,
                "; moved {:.1} of {:.1} MB, {:.2} GB/s while layers move bytes, with {:.0} % of one core",
                1e-6 * traffic.moved_bytes as f64,
                1e-6 * traffic.asked_bytes as f64,
                1e-9 * traffic.moved_bytes_per_s(),
                100.0 * traffic.cpu_s / busy
            )?;
        }
        Ok(())
    }
}

/// CPU time of the calling thread.
pub(super) fn thread_cpu_ns() -> u64 {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map_or(0, |now| now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traffic(moved_bytes: u64, lost_bytes: u64) -> Report {
        let asked_bytes = moved_bytes + lost_bytes;
        let moved =
            TrafficReport { asked_bytes, moved_bytes, lost_bytes, moving_s: 1.0, cpu_s: 0.5 };
        Report {
            images: 10,
            busy_s: 2.0,
            late_images: 0,
            longest_lateness_s: 1e-4,
            cpu_s: 0.01,
            traffic: Some(moved),
        }
    }

    #[test]
    fn what_was_not_moved_is_said() {
        assert_eq!(traffic(1000, 0).behind(), None);
        let behind = traffic(600_000_000, 400_000_000).behind().unwrap();
        assert!(behind.contains("short by 40.0 %: 0.60 of 1.00 GB/s"), "{behind}");
    }

    #[test]
    fn images_that_come_late_are_said() {
        let counts = Counts::default();
        counts.ran(true, 20_000_000, 900_000, 0);
        counts.ran(true, 20_000_000, 1_100_000, 0);
        counts.ran(true, 200_000_000, 3_900_000, 0);
        let watch = Watch { counts: Arc::new(counts), moves: false };
        let behind = watch.report().behind().unwrap();
        assert!(behind.contains("1 of 3 images") && behind.contains("3.9 ms"), "{behind}");
    }
}
