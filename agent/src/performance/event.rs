//! What is counted, and by which code.

use super::pmu::Pmu;
use crate::perf_event::Code;

/// What a CPU's PMU counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// Cycles in which the core was not asleep.
    Cycles,
    /// Instructions that retired.
    Instructions,
    /// Lines fetched into the L2.
    L2Refill,
    /// Lines written back from the L2.
    L2WriteBack,
    /// Accesses to the bus beyond the cores.
    BusAccess,
    /// Misses of the last-level cache, on x86.
    CacheMisses,
}

/// How a kind of CPU names and numbers its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// ARMv7: the cycle counter has a number that only Linux gives it.
    /// [arch/arm/kernel/perf_event_v7.c, `ARMV7_PERFCTR_CPU_CYCLES`]
    Armv7,
    /// ARMv8 and later. [Arm ARM DDI 0487, D13.11, common events]
    Armv8,
    /// x86.
    X86,
}

/// `PERF_TYPE_HARDWARE`: events that the kernel knows for every CPU.
const HARDWARE: u32 = 0;

/// `PERF_HW_TYPE_SHIFT`: the upper half of a generic event's config names the PMU where a machine
/// has several. [include/uapi/linux/perf_event.h; Linux 5.13]
const PMU_SHIFT: u32 = 32;

impl Family {
    /// What is counted, the most useful first: what does not fit goes to a group of its own.
    pub(super) fn events(self) -> &'static [Event] {
        use Event::{BusAccess, CacheMisses, Cycles, Instructions, L2Refill, L2WriteBack};
        match self {
            Family::Armv7 | Family::Armv8 => {
                &[L2Refill, L2WriteBack, Cycles, Instructions, BusAccess]
            }
            Family::X86 => &[Cycles, Instructions, CacheMisses],
        }
    }
}

impl Event {
    /// The event's name in `counters.csv`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Event::Cycles => "cycles",
            Event::Instructions => "instructions",
            Event::L2Refill => "l2d_cache_refill",
            Event::L2WriteBack => "l2d_cache_wb",
            Event::BusAccess => "bus_access",
            Event::CacheMisses => "cache_misses",
        }
    }

    /// The code by which a PMU counts it, and who says so; none where its `events` directory
    /// lists others and not this one: the kernel lists what the CPU has, and a counter that the
    /// CPU has not would read 0 for ever.
    pub(super) fn code(self, pmu: &Pmu) -> Option<(Code, &'static str)> {
        match pmu.named_code(self.file(pmu.family)) {
            Some(code) => Some((code, "sysfs")),
            None if pmu.names_events() => None,
            None => self.architectural_code(pmu),
        }
    }

    /// Its file in the PMU's `events` directory.
    fn file(self, family: Family) -> &'static str {
        match (self, family) {
            (Event::Cycles, Family::X86) => "cpu-cycles",
            (Event::Cycles, _) => "cpu_cycles",
            (Event::Instructions, Family::X86) => "instructions",
            (Event::Instructions, _) => "inst_retired",
            (Event::CacheMisses, _) => "cache-misses",
            (Event::L2Refill | Event::L2WriteBack | Event::BusAccess, _) => self.name(),
        }
    }

    fn architectural_code(self, pmu: &Pmu) -> Option<(Code, &'static str)> {
        let arm = |config| {
            let code = Code { kind: pmu.kind, config, config1: 0 };
            Some((code, "Arm architecture, common events"))
        };
        let generic = |event: u64| {
            let config = if pmu.is_one_of_several { u64::from(pmu.kind) << PMU_SHIFT } else { 0 };
            let code = Code { kind: HARDWARE, config: config | event, config1: 0 };
            Some((code, "PERF_TYPE_HARDWARE"))
        };
        match (pmu.family, self) {
            (Family::Armv7, Event::Cycles) => arm(0xff),
            (Family::Armv8, Event::Cycles) => arm(0x11),
            (Family::Armv7 | Family::Armv8, Event::Instructions) => arm(0x08),
            (Family::Armv7 | Family::Armv8, Event::L2Refill) => arm(0x17),
            (Family::Armv7 | Family::Armv8, Event::L2WriteBack) => arm(0x18),
            (Family::Armv7 | Family::Armv8, Event::BusAccess) => arm(0x19),
            // PERF_COUNT_HW_CPU_CYCLES, _INSTRUCTIONS, _CACHE_MISSES.
            (Family::X86, Event::Cycles) => generic(0),
            (Family::X86, Event::Instructions) => generic(1),
            (Family::X86, Event::CacheMisses) => generic(3),
            _ => None,
        }
    }
}
