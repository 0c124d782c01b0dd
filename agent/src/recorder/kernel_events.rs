//! What the kernel reports of CPUs' clocks, as rows of `events.csv`.

use wattline_ebpf::{Change as What, Frequency, FrequencyEvent};
use wattline_trace::rows::{EventKind, EventRow};
use wattline_trace::{Name, TableWriter, WriteError};

use super::frequencies::{Change, Frequencies};

/// Writes changes of frequency and idle states down.
#[derive(Debug)]
pub(super) struct KernelEvents {
    source: Option<Frequency>,
    events: TableWriter<EventRow>,
    /// `cpu0`, `cpu1`, …
    cpus: Vec<Name>,
    /// Lost, as far as it was written down.
    told_lost: u64,
}

impl KernelEvents {
    pub(super) fn new(source: Option<Frequency>, events: TableWriter<EventRow>) -> Self {
        KernelEvents { source, events, cpus: Vec::new(), told_lost: 0 }
    }

    /// Writes what was reported since the last call, and tells `frequencies` of it.
    pub(super) fn drain(&mut self, frequencies: &mut Frequencies) -> Result<(), WriteError> {
        let Some(source) = &mut self.source else { return Ok(()) };
        let (events, cpus) = (&self.events, &mut self.cpus);
        let mut written = Ok(());
        source.drain(|event| {
            if let What::Frequency { khz } = event.change {
                frequencies.report(Change { t_ns: event.t_ns, cpu: event.cpu, khz });
            }
            if written.is_ok() {
                written = events.write(&row(event, cpus));
            }
        });
        written
    }

    /// A change that was found by looking.
    pub(super) fn write_sampled(&mut self, change: Change) -> Result<(), WriteError> {
        let Change { t_ns, cpu, khz } = change;
        let event = FrequencyEvent { t_ns, cpu, change: What::Frequency { khz } };
        self.events.write(&row(event, &mut self.cpus))
    }

    /// Writes how many events were lost since the last call, if any were.
    pub(super) fn tell_lost(&mut self, t_ns: u64) -> Result<(), WriteError> {
        let lost = self.lost().unwrap_or(0);
        let count = lost - self.told_lost;
        self.told_lost = lost;
        if count == 0 {
            return Ok(());
        }
        let detail = "changes of frequency or idle states lost: the ring buffer was full";
        let (source, detail) = (Name::new("frequency"), Name::new(detail));
        self.events.write(&EventRow { t_ns, kind: EventKind::Drop, source, detail, count })
    }

    /// Events lost since the start; `None` where nothing is reported.
    pub(super) fn lost(&self) -> Option<u64> {
        self.source.as_ref().map(Frequency::dropped)
    }
}

fn row(event: FrequencyEvent, cpus: &mut Vec<Name>) -> EventRow {
    let cpu = event.cpu as usize;
    while cpus.len() <= cpu {
        cpus.push(Name::new(&format!("cpu{}", cpus.len())));
    }
    let detail = match event.change {
        What::Frequency { khz } => Name::new(&format!("{khz} kHz")),
        What::IdleEntered { state } => Name::new(&format!("entered idle state {state}")),
        What::IdleLeft => Name::new("left idle state"),
    };
    let (kind, source) = (EventKind::Frequency, cpus[cpu].clone());
    EventRow { t_ns: event.t_ns, kind, source, detail, count: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_says_what_happened_to_which_cpu() {
        let mut cpus = Vec::new();
        let mut said = |cpu, change| {
            let row = row(FrequencyEvent { t_ns: 7, cpu, change }, &mut cpus);
            assert_eq!((row.t_ns, row.kind, row.count), (7, EventKind::Frequency, 1));
            format!("{} {}", row.source, row.detail)
        };
        assert_eq!(said(4, What::Frequency { khz: 2_000_000 }), "cpu4 2000000 kHz");
        assert_eq!(said(0, What::IdleEntered { state: 2 }), "cpu0 entered idle state 2");
        assert_eq!(said(0, What::IdleLeft), "cpu0 left idle state");
    }
}
