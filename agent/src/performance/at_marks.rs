//! Which counters are read at marks.

use wattline_ebpf::{MOST_COUNTERS, MarkCounter};
use wattline_trace::Name;

use super::event::Event;
use super::{BYTES_ESTIMATED, ComponentCounters};
use crate::watch::SpanCount;

/// The hardware counters of CPUs that can be read at marks.
#[derive(Debug, Default)]
pub struct MarkCounters<'a> {
    /// What is to be read on which CPU.
    pub counters: Vec<MarkCounter<'a>>,
    /// Names of the events, by slot, and what bytes are estimated from.
    pub events: MarkEvents,
}

/// What is counted over spans.
#[derive(Debug, Clone, Default)]
pub struct MarkEvents {
    names: Vec<Name>,
    /// Slots of refills and write-backs, and the cache line.
    traffic: Option<(usize, usize, u64)>,
}

/// Collects the counters of all components. An event has one slot on all of them.
pub(crate) fn at_marks(components: &[ComponentCounters]) -> MarkCounters<'_> {
    let mut slots: Vec<Event> = Vec::new();
    let mut counters = Vec::new();
    for (event, cpu, counter) in components.iter().flat_map(ComponentCounters::counters) {
        let known = slots.iter().position(|&known| known == event);
        let slot = known.unwrap_or(slots.len());
        if slot == MOST_COUNTERS {
            continue;
        }
        if known.is_none() {
            slots.push(event);
        }
        counters.push(MarkCounter { slot, cpu, event: counter });
    }
    let at = |wanted| slots.iter().position(|&event| event == wanted);
    let line_bytes = components.iter().map(|it| it.line_bytes).next();
    let traffic = at(Event::L2Refill).zip(at(Event::L2WriteBack)).zip(line_bytes);
    MarkCounters {
        counters,
        events: MarkEvents {
            names: slots.iter().map(|event| Name::new(event.name())).collect(),
            traffic: traffic.map(|((refills, write_backs), line)| (refills, write_backs, line)),
        },
    }
}

impl MarkEvents {
    /// How many events there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Names of the events, by slot.
    pub fn names(&self) -> &[Name] {
        &self.names
    }

    /// What is written of a span: (event, value, whether it is scaled), and bytes estimated from
    /// refills and write-backs where both are known.
    pub fn of_span(&self, counted: &[SpanCount]) -> Vec<(Name, u64, bool)> {
        let named = |it: &SpanCount| Some((self.names.get(it.slot)?.clone(), it.value, it.scaled));
        let mut rows: Vec<_> = counted.iter().filter_map(named).collect();
        let of = |slot: usize| counted.iter().find(|it| it.slot == slot);
        let estimate = self.traffic.and_then(|(refills, write_backs, line)| {
            let (refills, write_backs) = (of(refills)?, of(write_backs)?);
            let lines = refills.value.saturating_add(write_backs.value);
            let scaled = refills.scaled | write_backs.scaled;
            Some((Name::new(BYTES_ESTIMATED), lines.saturating_mul(line), scaled))
        });
        rows.extend(estimate);
        rows
    }
}
