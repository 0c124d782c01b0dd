//! Reports changes of frequency and idle states.

use crate::mapping::Numbers;
use crate::object::{Loaded, Opened, compiled};
use crate::ring::Ring;
use crate::{Change, EbpfError, FrequencyEvent, Program, Step, Watch, cpus};

const NAME: &str = "frequency";
const ON_FREQUENCY: &str = "on_frequency";
const ON_IDLE: &str = "on_idle";

/// Room for 32,000 events: seconds, even of idle states.
const BUFFER_BYTES: usize = 1 << 20;

/// What `struct event` in `bpf/frequency.bpf.c` calls an idle event.
const WHAT_IDLE: u32 = 1;

/// What the kernel calls leaving an idle state (`PWR_EVENT_EXIT`).
const LEFT: u32 = u32::MAX;

/// Reports changes of frequency and idle states.
///
/// The machine's cpufreq driver must say when it changes the frequency: those in which firmware
/// decides (intel_pstate in its active mode, and virtual machines) report nothing.
#[derive(Debug)]
pub struct Frequency {
    loaded: Loaded,
    ring: Ring,
    drops: Numbers,
}

impl Frequency {
    /// Starts reporting.
    ///
    /// # Errors
    /// What keeps the programs from being loaded or attached.
    pub fn attach(watch: Watch) -> Result<Self, EbpfError> {
        let mut opened = Opened::open(NAME, compiled!("frequency.bpf.o"))?;
        let programs: &[&'static str] = match watch {
            Watch::Frequency => &[ON_FREQUENCY],
            Watch::FrequencyAndIdle => &[ON_FREQUENCY, ON_IDLE],
        };
        opened.only(programs);
        opened.size("records", BUFFER_BYTES as u32)?;
        opened.size("drops", cpus::possible() as u32)?;
        let loaded = opened.load()?;
        let failed = |what: &str, source| EbpfError::Failed {
            program: NAME,
            step: Step::Use,
            what: what.to_owned(),
            source,
        };
        let ring = Ring::map(loaded.map("records")?, BUFFER_BYTES);
        let ring = ring.map_err(|source| failed("its ring buffer", source))?;
        let drops = Numbers::map(loaded.map("drops")?, cpus::possible());
        let drops = drops.map_err(|source| failed("its drop counters", source))?;
        let mut frequency = Frequency { loaded, ring, drops };
        for program in programs {
            frequency.loaded.attach_as_named(program)?;
        }
        Ok(frequency)
    }

    /// Hands over what happened since the last call, oldest first; answers how many events.
    /// Allocates nothing and makes no system call.
    pub fn drain(&mut self, mut event: impl FnMut(FrequencyEvent)) -> usize {
        self.ring.drain(|record| {
            if let Some(parsed) = parse(record) {
                event(parsed);
            }
        })
    }

    /// Events lost because the buffer was full, since the start.
    pub fn dropped(&self) -> u64 {
        self.drops.sum()
    }

    /// Its programs, for [`SelfMeter::start`](crate::SelfMeter::start).
    ///
    /// # Errors
    /// If file descriptors run out.
    pub fn programs(&self) -> Result<Vec<Program>, EbpfError> {
        self.loaded.programs(&[ON_FREQUENCY, ON_IDLE])
    }
}

/// From `struct event` in `bpf/frequency.bpf.c`.
fn parse(record: &[u8]) -> Option<FrequencyEvent> {
    let (t_ns, rest) = record.split_first_chunk()?;
    let (cpu, rest) = rest.split_first_chunk()?;
    let (what, rest) = rest.split_first_chunk()?;
    let value = u32::from_ne_bytes(*rest.first_chunk()?);
    let change = match (u32::from_ne_bytes(*what), value) {
        (WHAT_IDLE, LEFT) => Change::IdleLeft,
        (WHAT_IDLE, state) => Change::IdleEntered { state },
        (_, khz) => Change::Frequency { khz },
    };
    Some(FrequencyEvent { t_ns: u64::from_ne_bytes(*t_ns), cpu: u32::from_ne_bytes(*cpu), change })
}

#[cfg(test)]
mod tests {
    use libbpf_rs::ProgramInput;

    use super::*;

    /// Calls a program with the arguments of its tracepoint.
    fn fire(frequency: &Frequency, program: &str, arguments: [u64; 2], times: u32) {
        let mut context = [arguments[0].to_ne_bytes(), arguments[1].to_ne_bytes()].concat();
        for _ in 0..times {
            let input = ProgramInput { context_in: Some(&mut context), ..ProgramInput::default() };
            frequency.loaded.program(program).unwrap().test_run(input).unwrap();
        }
    }

    #[test]
    fn each_tracepoint_gives_its_event() {
        if !crate::has_root_for("each_tracepoint_gives_its_event") {
            return;
        }
        let mut frequency = Frequency::attach(Watch::FrequencyAndIdle).unwrap();
        const CPU: u64 = 4093;
        fire(&frequency, ON_FREQUENCY, [1_400_000, CPU], 1);
        fire(&frequency, ON_IDLE, [2, CPU], 1);
        fire(&frequency, ON_IDLE, [LEFT.into(), CPU], 1);
        let mut changes = Vec::new();
        let mut last_ns = 0;
        frequency.drain(|event| {
            // The machine itself goes idle meanwhile, on CPUs it has.
            if u64::from(event.cpu) == CPU {
                assert!(event.t_ns >= last_ns);
                last_ns = event.t_ns;
                changes.push(event.change);
            }
        });
        let expected = [
            Change::Frequency { khz: 1_400_000 },
            Change::IdleEntered { state: 2 },
            Change::IdleLeft,
        ];
        assert_eq!(changes, expected);
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        if !crate::has_root_for("what_finds_no_room_is_counted") {
            return;
        }
        let mut frequency = Frequency::attach(Watch::Frequency).unwrap();
        // This machine may change its own frequency: those events are told apart by their CPU.
        let sent = 40_000;
        fire(&frequency, ON_FREQUENCY, [1, 4093], sent);
        let dropped = frequency.dropped();
        let mut received = 0;
        let mut others = 0;
        frequency.drain(|event| match event.cpu {
            4093 => received += 1,
            _ => others += 1,
        });
        assert!(dropped > 0, "{received} events found room");
        assert_eq!(received + dropped + others, u64::from(sent) + others);
        fire(&frequency, ON_FREQUENCY, [1, 4093], 1);
        assert!(frequency.drain(|_| ()) > 0, "there is room again");
    }
}
