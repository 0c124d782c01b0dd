//! Begins and ends of one thread, paired.

use wattline_trace::Name;

use super::{CountsAtMark, Marking, SpanCount};

/// Begins and ends that are no span.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unmatched {
    /// Begins that no end followed: a thread that died inside, or the recording's end.
    pub begins: u64,
    /// Ends that no begin came before: the recording started in the middle.
    pub ends: u64,
    /// Calls inside a call of the same function, with the outer ones.
    pub recursions: u64,
    /// Layers that lie in no image.
    pub stray_layers: u64,
}

/// From a begin to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interval {
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
    pub(super) cpu: u32,
    pub(super) name: Option<Name>,
    /// What counters said when it began.
    pub(super) at_begin: Option<CountsAtMark>,
    /// What they counted until it ended.
    pub(super) counted: Vec<SpanCount>,
}

/// When something ended, and what counters said then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub(super) t_ns: u64,
    pub(super) counts: Option<CountsAtMark>,
}

/// The begins and ends of one level on one thread.
#[derive(Debug, Default)]
pub(super) struct Pairing {
    /// Begun and not ended, the outermost first; its end is not known yet.
    open: Vec<Interval>,
    /// Deepest nesting of what is open.
    deepest: usize,
    /// Ended, but begun while another was open: recursion, if that one ends yet.
    suspect: Option<Interval>,
}

impl Pairing {
    pub(super) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Something begins. Answers what is now known to have been whole.
    pub(super) fn begin(
        &mut self,
        interval: Interval,
        marking: Marking,
        unmatched: &mut Unmatched,
    ) -> Option<Interval> {
        let whole = self.suspect.take();
        if marking == Marking::Probes && self.open.len() > 1 {
            // The outer of two did not end before a third began.
            unmatched.begins += 1;
            self.open.remove(0);
        }
        if marking == Marking::Probes && whole.is_some() {
            unmatched.begins += self.open.len() as u64;
            self.open.clear();
        }
        self.open.push(interval);
        self.deepest = self.open.len().max(if self.open.len() == 1 { 1 } else { self.deepest });
        whole
    }

    /// Something ends. Answers what is whole.
    pub(super) fn end(
        &mut self,
        end: End,
        marking: Marking,
        unmatched: &mut Unmatched,
    ) -> Option<Interval> {
        let Some(begun) = self.open.pop() else {
            unmatched.ends += 1;
            return None;
        };
        let counts = begun.at_begin.as_ref().zip(end.counts.as_ref());
        let counted = counts.map(|(begin, end)| begin.until(end)).unwrap_or_default();
        let ended = Interval { end_ns: end.t_ns, counted, ..begun };
        if self.open.is_empty() && self.deepest <= 1 {
            return Some(ended);
        }
        if self.open.is_empty() {
            // The outermost of several: recursion after all.
            unmatched.recursions += self.deepest as u64;
            self.suspect = None;
        } else if marking == Marking::Probes {
            self.suspect = Some(ended);
        }
        None
    }

    /// No more will come. Answers what is whole.
    pub(super) fn finish(&mut self, unmatched: &mut Unmatched) -> Option<Interval> {
        unmatched.begins += self.open.len() as u64;
        self.open.clear();
        self.suspect.take()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Plays `(` and `)` at the times 0, 1, 2 …; answers the spans and what was unmatched.
    fn play(marks: &str, marking: Marking) -> (Vec<(u64, u64)>, Unmatched) {
        let (mut pairing, mut unmatched) = (Pairing::default(), Unmatched::default());
        let mut whole = Vec::new();
        for (t_ns, mark) in (0..).zip(marks.chars()) {
            let begun = Interval {
                start_ns: t_ns,
                end_ns: 0,
                cpu: 0,
                name: None,
                at_begin: None,
                counted: Vec::new(),
            };
            whole.extend(match mark {
                '(' => pairing.begin(begun, marking, &mut unmatched),
                _ => pairing.end(End { t_ns, counts: None }, marking, &mut unmatched),
            });
        }
        whole.extend(pairing.finish(&mut unmatched));
        (whole.iter().map(|it| (it.start_ns, it.end_ns)).collect(), unmatched)
    }

    #[test]
    fn what_has_no_partner_is_counted() {
        for marking in [Marking::Function, Marking::Probes] {
            let (spans, unmatched) = play(")()(", marking);
            assert_eq!(spans, [(1, 2)]);
            assert_eq!((unmatched.begins, unmatched.ends), (1, 1));
            let (spans, unmatched) = play("(())()", marking);
            assert_eq!(spans, [(4, 5)], "{marking:?}");
            assert_eq!(unmatched.recursions, 2);
        }
    }

    #[test]
    fn an_image_that_never_ends_costs_no_other() {
        // Times:                0123456
        let (spans, unmatched) = play("(()()()", Marking::Probes);
        assert_eq!(spans, [(1, 2), (3, 4), (5, 6)]);
        assert_eq!((unmatched.begins, unmatched.recursions), (1, 0));
    }

    proptest! {
        /// No span overlaps another, each begin is at most one span's, and every mark is
        /// accounted for.
        #[test]
        fn every_mark_is_in_a_span_or_counted(marks in "[()]{0,60}", probes: bool) {
            let marking = if probes { Marking::Probes } else { Marking::Function };
            let (spans, unmatched) = play(&marks, marking);
            for pair in spans.windows(2) {
                prop_assert!(pair[0].1 < pair[1].0);
            }
            for &(start, end) in &spans {
                prop_assert_eq!(&marks[start as usize..=start as usize], "(");
                prop_assert_eq!(&marks[end as usize..=end as usize], ")");
            }
            if spans.is_empty() && !marks.is_empty() {
                prop_assert!(unmatched != Unmatched::default());
            }
        }

        /// Balanced and not nested: a span each, whatever the marking.
        #[test]
        fn calls_in_a_row_are_all_spans(calls in 0usize..40, probes: bool) {
            let marking = if probes { Marking::Probes } else { Marking::Function };
            let (spans, unmatched) = play(&"()".repeat(calls), marking);
            prop_assert_eq!(spans.len(), calls);
            prop_assert_eq!(unmatched, Unmatched::default());
        }
    }
}
