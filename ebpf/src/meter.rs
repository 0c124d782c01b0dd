//! What our programs cost.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use libbpf_rs::libbpf_sys;

use crate::{Cost, EbpfError, Step};

/// One loaded program, to be metered.
#[derive(Debug)]
pub struct Program {
    name: &'static str,
    fd: OwnedFd,
}

impl Program {
    pub(crate) fn new(name: &'static str, fd: OwnedFd) -> Self {
        Program { name, fd }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it cost since the kernel first kept statistics of it.
    fn cost(&self) -> Result<Cost, EbpfError> {
        let mut info = libbpf_sys::bpf_prog_info::default();
        let mut length = size_of_val(&info) as u32;
        // SAFETY: the kernel writes at most `length` bytes to a struct of plain numbers; with all
        // lengths in it 0 it follows none of its pointers.
        let answer = unsafe {
            libbpf_sys::bpf_prog_get_info_by_fd(self.fd.as_raw_fd(), &mut info, &mut length)
        };
        if answer != 0 {
            let (what, source) = ("statistics of it".to_owned(), io::Error::last_os_error());
            return Err(EbpfError::Failed { program: self.name, step: Step::Use, what, source });
        }
        Ok(Cost {
            program: self.name,
            run_ns: info.run_time_ns,
            runs: info.run_cnt,
            missed: info.recursion_misses,
        })
    }
}

/// Says what BPF programs cost, while it lives.
///
/// The kernel then takes the time around every BPF program of the machine, which itself adds some
/// tens of nanoseconds to each run, part of which is counted.
#[derive(Debug)]
pub struct SelfMeter {
    programs: Vec<Program>,
    at_start: Vec<Cost>,
    costs: Vec<Cost>,
    /// Statistics are kept while this is open.
    _enabled: OwnedFd,
}

impl SelfMeter {
    /// Has the kernel keep statistics of BPF programs while the meter lives. Programs whose loader
    /// is dropped meanwhile stay loaded until the meter is, unattached.
    ///
    /// # Errors
    /// [`EbpfError::NotPermitted`] without `CAP_SYS_ADMIN`; [`EbpfError::Failed`] where the kernel
    /// keeps none (before Linux 5.8).
    pub fn start(programs: impl IntoIterator<Item = Program>) -> Result<Self, EbpfError> {
        // SAFETY: takes a number, answers a file descriptor of ours or an error.
        let fd = unsafe { libbpf_sys::bpf_enable_stats(libbpf_sys::BPF_STATS_RUN_TIME) };
        if fd < 0 {
            return Err(refused(io::Error::last_os_error()));
        }
        // SAFETY: just opened, and nobody else's.
        let enabled = unsafe { OwnedFd::from_raw_fd(fd) };
        let programs: Vec<_> = programs.into_iter().collect();
        let at_start = programs.iter().map(Program::cost).collect::<Result<Vec<_>, _>>()?;
        Ok(SelfMeter { costs: at_start.clone(), programs, at_start, _enabled: enabled })
    }

    /// What each program cost since the meter was started, in the order they were given.
    ///
    /// # Errors
    /// [`EbpfError::Failed`] if the kernel does not tell: before Linux 5.19 it tells nobody
    /// without `CAP_BPF` where unprivileged BPF is disabled.
    pub fn costs(&mut self) -> Result<&[Cost], EbpfError> {
        for (index, program) in self.programs.iter().enumerate() {
            let (now, before) = (program.cost()?, self.at_start[index]);
            self.costs[index] = Cost {
                program: now.program,
                run_ns: now.run_ns.saturating_sub(before.run_ns),
                runs: now.runs.saturating_sub(before.runs),
                missed: now.missed.saturating_sub(before.missed),
            };
        }
        Ok(&self.costs)
    }
}

fn refused(source: io::Error) -> EbpfError {
    let program = "statistics";
    match source.kind() {
        io::ErrorKind::PermissionDenied => EbpfError::NotPermitted {
            program,
            step: Step::Use,
            missing: "CAP_SYS_ADMIN".to_owned(),
        },
        _ => EbpfError::Failed { program, step: Step::Use, what: "them".to_owned(), source },
    }
}
