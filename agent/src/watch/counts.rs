//! What was counted over a span, from what the counters of its CPU said at its two marks.
//!
//! A program in the kernel can read the counters of the CPU it runs on and no others. So a span is
//! counted where its thread was marked on one CPU and did not move meanwhile, and what is counted
//! is what that CPU did: of work that other threads share, their part is missing, and what else ran
//! there is in it. About a microsecond of it is the marks' own.

use wattline_ebpf::{CounterReading, Counts};

use crate::perf_event::scaling::scaled;

/// What the counters of a CPU said at a mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountsAtMark {
    cpu: u32,
    /// How often the thread had moved by then.
    migrations: u64,
    readings: Box<[Option<CounterReading>]>,
}

/// What was counted over a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanCount {
    /// Which of the events: its index in [`crate::MarkEvents::names`].
    pub slot: usize,
    /// The count.
    pub value: u64,
    /// Whether it was scaled up for time the counter was not scheduled.
    pub scaled: bool,
}

impl CountsAtMark {
    /// Of a mark on this CPU, with so many events.
    pub fn new(cpu: u32, counts: &Counts<'_>, events: usize) -> Self {
        let readings = (0..events).map(|slot| counts.get(slot)).collect();
        CountsAtMark { cpu, migrations: counts.migrations(), readings }
    }

    /// What was counted from this mark to another of the same thread; nothing where it moved.
    pub(super) fn until(&self, end: &CountsAtMark) -> Vec<SpanCount> {
        if (self.cpu, self.migrations) != (end.cpu, end.migrations) {
            return Vec::new();
        }
        let readings = self.readings.iter().zip(&end.readings).enumerate();
        let counted = |(slot, (begin, end)): (usize, (&Option<_>, &Option<_>))| {
            let (value, scaled) = between((*begin)?, (*end)?)?;
            Some(SpanCount { slot, value, scaled })
        };
        readings.filter_map(counted).collect()
    }
}

/// The count between two readings, and whether it is scaled; none if the event had no counter.
fn between(begin: CounterReading, end: CounterReading) -> Option<(u64, bool)> {
    let count = end.count.saturating_sub(begin.count);
    let enabled_ns = end.enabled_ns.saturating_sub(begin.enabled_ns);
    match end.running_ns.saturating_sub(begin.running_ns) {
        running_ns if running_ns >= enabled_ns => Some((count, false)),
        0 => None,
        running_ns => Some((scaled(count, enabled_ns, running_ns), true)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(cpu: u32, migrations: u64, readings: &[(u64, u64, u64)]) -> CountsAtMark {
        let reading = |&(count, enabled_ns, running_ns): &(u64, u64, u64)| {
            Some(CounterReading { count, enabled_ns, running_ns })
        };
        CountsAtMark { cpu, migrations, readings: readings.iter().map(reading).collect() }
    }

    #[test]
    fn a_span_is_what_lies_between_its_marks() {
        let begin = at(1, 7, &[(100, 10, 10), (5, 10, 10), (1, 10, 2)]);
        let end = at(1, 7, &[(130, 30, 30), (6, 30, 20), (9, 30, 2)]);
        let exact = SpanCount { slot: 0, value: 30, scaled: false };
        let shared = SpanCount { slot: 1, value: 2, scaled: true };
        assert_eq!(begin.until(&end), [exact, shared], "the third had no counter meanwhile");
    }

    #[test]
    fn a_thread_that_moved_is_not_counted() {
        let begin = at(1, 7, &[(100, 10, 10)]);
        assert_eq!(begin.until(&at(0, 8, &[(200, 20, 20)])), []);
        assert_eq!(begin.until(&at(1, 9, &[(200, 20, 20)])), [], "there and back");
    }

    #[test]
    fn an_event_that_the_cpu_has_not_is_left_out() {
        let mut begin = at(1, 7, &[(100, 10, 10), (1, 1, 1)]);
        begin.readings[0] = None;
        let counted = begin.until(&at(1, 7, &[(200, 20, 20), (3, 2, 2)]));
        assert_eq!(counted, [SpanCount { slot: 1, value: 2, scaled: false }]);
    }
}
