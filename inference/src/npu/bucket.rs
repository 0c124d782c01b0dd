//! How many bytes are owed to the memory now: two token buckets, filled by layers as they run.

use std::collections::VecDeque;

/// Bytes moved in one go.
pub(super) const CHUNK_BYTES: u64 = 256 << 10;

/// How long what is owed may wait. What is older could only be moved in another layer's time.
const LONGEST_WAIT_S: f64 = 0.01;

/// Bytes that a layer moves, evenly, between two instants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
    pub(super) read_bytes: u64,
    pub(super) write_bytes: u64,
}

/// What can be done to memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// What was asked, and what became of it: `asked = moved + lost + owed`, always.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) asked: u64,
    pub(super) moved: u64,
    /// Overflowed the bucket: the host was too slow.
    pub(super) lost: u64,
}

impl Account {
    fn owed(&self) -> u64 {
        self.asked - self.moved - self.lost
    }

    fn pour(&mut self, bytes: u64, depth: u64) {
        self.asked += bytes;
        self.lost += self.owed().saturating_sub(depth);
    }
}

/// The buckets of reads and writes, and the layers that will fill them.
#[derive(Debug)]
pub(super) struct Bucket {
    depth: u64,
    reads: Account,
    writes: Account,
    segments: VecDeque<Segment>,
    /// What of the front segment has been poured.
    poured: (u64, u64),
}

impl Bucket {
    /// Empty buckets of a component that moves this many bytes a second at most.
    pub(super) fn new(bandwidth_bytes_per_s: f64) -> Self {
        let depth = (bandwidth_bytes_per_s * LONGEST_WAIT_S) as u64;
        Bucket {
            depth: depth.max(4 * CHUNK_BYTES),
            reads: Account::default(),
            writes: Account::default(),
            segments: VecDeque::new(),
            poured: (0, 0),
        }
    }

    /// A layer that follows those before.
    pub(super) fn push(&mut self, segment: Segment) {
        self.segments.push_back(segment);
    }

    /// Whether all layers so far are over.
    pub(super) fn is_idle(&self) -> bool {
        self.segments.is_empty()
    }

    /// Pours what the layers have asked for up to `now_ns`.
    pub(super) fn advance(&mut self, now_ns: u64) {
        while let Some(segment) = self.segments.front().copied() {
            let share = |bytes: u64| match now_ns >= segment.end_ns {
                true => bytes,
                false => portion(bytes, now_ns, &segment),
            };
            let (read, write) = (share(segment.read_bytes), share(segment.write_bytes));
            self.reads.pour(read - self.poured.0, self.depth);
            self.writes.pour(write - self.poured.1, self.depth);
            if now_ns < segment.end_ns {
                self.poured = (read, write);
                return;
            }
            self.poured = (0, 0);
            self.segments.pop_front();
        }
    }

    /// What to move next: a whole chunk, or once the layers are over what is left.
    pub(super) fn next(&self) -> Option<(Access, u64)> {
        let (reads, writes) = (self.reads.owed(), self.writes.owed());
        let (access, owed) =
            if reads >= writes { (Access::Read, reads) } else { (Access::Write, writes) };
        let enough = owed >= CHUNK_BYTES || (self.is_idle() && owed > 0);
        enough.then_some((access, owed.min(CHUNK_BYTES)))
    }

    /// Takes out what was moved: what [`Bucket::next`] said.
    pub(super) fn moved(&mut self, access: Access, bytes: u64) {
        match access {
            Access::Read => self.reads.moved += bytes,
            Access::Write => self.writes.moved += bytes,
        }
    }

    /// When there may be something to move, if layers go on.
    pub(super) fn next_ns(&self, now_ns: u64) -> Option<u64> {
        let segment = self.segments.front()?;
        let begin = segment.start_ns.max(now_ns);
        let bytes = segment.read_bytes.max(segment.write_bytes).max(1);
        let chunk_ns = u128::from(CHUNK_BYTES) * u128::from(segment.end_ns - segment.start_ns)
            / u128::from(bytes);
        let full = begin.saturating_add(chunk_ns.try_into().unwrap_or(u64::MAX));
        Some(full.min(segment.end_ns).max(now_ns))
    }

    /// Reads and writes together.
    pub(super) fn total(&self) -> Account {
        let (reads, writes) = (self.reads, self.writes);
        Account {
            asked: reads.asked + writes.asked,
            moved: reads.moved + writes.moved,
            lost: reads.lost + writes.lost,
        }
    }
}

fn portion(bytes: u64, now_ns: u64, segment: &Segment) -> u64 {
    let (gone, whole) =
        (now_ns.saturating_sub(segment.start_ns), segment.end_ns - segment.start_ns);
    (u128::from(bytes) * u128::from(gone) / u128::from(whole.max(1))) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Layers, one after another, of up to ten milliseconds and 6.5 GB/s.
    fn segments() -> impl Strategy<Value = Vec<Segment>> {
        prop::collection::vec((1u64..10_000_000, 0.0..6.5f64, 0.0..=1.0f64), 1..30).prop_map(
            |layers| {
                let mut at = 1_000_000;
                let segment = |(length_ns, rate, reads): (u64, f64, f64)| {
                    let (start_ns, bytes) = (at, length_ns as f64 * rate);
                    at += length_ns + 100_000;
                    Segment {
                        start_ns,
                        end_ns: start_ns + length_ns,
                        read_bytes: (bytes * reads) as u64,
                        write_bytes: (bytes * (1.0 - reads)) as u64,
                    }
                };
                layers.into_iter().map(segment).collect()
            },
        )
    }

    /// A host that moves `rate` bytes a nanosecond and wakes up `late_ns` after it wanted to.
    /// Calls `check` after each step; ends when nothing is left to do.
    fn host(bucket: &mut Bucket, rate: f64, late_ns: u64, mut check: impl FnMut(&Bucket)) {
        let mut now_ns = 0;
        loop {
            bucket.advance(now_ns);
            match (bucket.next(), bucket.next_ns(now_ns)) {
                (Some((access, bytes)), _) => {
                    now_ns += (bytes as f64 / rate).ceil() as u64;
                    bucket.moved(access, bytes);
                }
                (None, Some(next)) => now_ns = next.max(now_ns + 1) + late_ns,
                (None, None) => return,
            }
            check(bucket);
        }
    }

    fn asked(segments: &[Segment]) -> u64 {
        segments.iter().map(|it| it.read_bytes + it.write_bytes).sum()
    }

    proptest! {
        /// A host that keeps pace moves what is asked, is never more than it may be behind, and
        /// loses nothing.
        #[test]
        fn what_is_asked_is_moved(segments in segments(), rate in 8.0..40.0f64, late in 0u64..300_000) {
            let mut bucket = Bucket::new(6.5e9);
            segments.iter().for_each(|&it| bucket.push(it));
            // Late wake-ups are made up for: what came meanwhile, and a chunk of each.
            let most = 2 * CHUNK_BYTES + (6.5 * 3.0 * (late + 100_000) as f64) as u64;
            let mut behind = 0;
            host(&mut bucket, rate, late, |bucket| {
                behind = behind.max(bucket.reads.owed() + bucket.writes.owed());
            });
            let total = bucket.total();
            prop_assert_eq!(total, Account { asked: asked(&segments), moved: asked(&segments), lost: 0 });
            prop_assert!(behind <= most, "{} of {}", behind, most);
        }

        /// However slow the host: asked = moved + lost at the end, nothing moves that was not
        /// asked for, and what is owed never exceeds the buckets.
        #[test]
        fn the_shortfall_is_exact(segments in segments(), rate in 0.01..8.0f64, late in 0u64..30_000_000) {
            let mut bucket = Bucket::new(6.5e9);
            let depth = bucket.depth;
            segments.iter().for_each(|&it| bucket.push(it));
            let mut sound = true;
            host(&mut bucket, rate, late, |bucket| {
                for account in [bucket.reads, bucket.writes] {
                    sound &= account.moved + account.lost <= account.asked;
                    sound &= account.owed() <= depth;
                }
            });
            let total = bucket.total();
            prop_assert!(sound);
            prop_assert_eq!(total.asked, asked(&segments));
            prop_assert_eq!(total.moved + total.lost, total.asked);
        }
    }

    /// Half of what is asked for cannot be moved: what is lost is that half, but for one bucket.
    #[test]
    fn a_host_of_half_the_speed_loses_half() {
        let mut bucket = Bucket::new(4e9);
        let bytes = 4_000_000_000;
        let segment =
            Segment { start_ns: 0, end_ns: 1_000_000_000, read_bytes: bytes, write_bytes: 0 };
        bucket.push(segment);
        host(&mut bucket, 2.0, 0, |_| {});
        let total = bucket.total();
        assert_eq!(total.asked, bytes);
        assert!(total.lost.abs_diff(bytes / 2) <= bucket.depth + CHUNK_BYTES, "{total:?}");
    }
}
