//! The loaders where the programs were not built: nothing can be attached.

use std::convert::Infallible;

use crate::{
    Cost, CpuTime, EbpfError, FrequencyEvent, Left, Mark, MarkCounter, MarkSettings, Probe, Scope,
    Target, Watch,
};

/// One loaded program, to be metered.
#[derive(Debug)]
pub struct Program(Infallible);

impl Program {
    /// Its name.
    pub fn name(&self) -> &'static str {
        match self.0 {}
    }
}

/// Accounts CPU time at every switch. Not built.
#[derive(Debug)]
pub struct Sched(Infallible);

impl Sched {
    /// Starts accounting.
    ///
    /// # Errors
    /// [`EbpfError::NotBuilt`], always.
    pub fn attach(_target: Target) -> Result<Self, EbpfError> {
        Err(EbpfError::NotBuilt)
    }

    /// How many CPUs there may be: the length [`Sched::read`] wants.
    pub fn cpus(&self) -> usize {
        match self.0 {}
    }

    /// Puts the account of CPU `i` into `times[i]`; answers the instant it holds for, ns.
    pub fn read(&mut self, _times: &mut [CpuTime]) -> u64 {
        match self.0 {}
    }

    /// Processes that should have been followed and were not, because too many were already.
    pub fn untracked(&self) -> u64 {
        match self.0 {}
    }

    /// How many processes of a tree are followed now.
    pub fn tracked(&self) -> usize {
        match self.0 {}
    }

    /// Its programs, for [`SelfMeter::start`].
    ///
    /// # Errors
    /// None.
    pub fn programs(&self) -> Result<Vec<Program>, EbpfError> {
        match self.0 {}
    }
}

/// Reports changes of frequency and idle states. Not built.
#[derive(Debug)]
pub struct Frequency(Infallible);

impl Frequency {
    /// Starts reporting.
    ///
    /// # Errors
    /// [`EbpfError::NotBuilt`], always.
    pub fn attach(_watch: Watch) -> Result<Self, EbpfError> {
        Err(EbpfError::NotBuilt)
    }

    /// Hands over what happened since the last call, oldest first; answers how many events.
    pub fn drain(&mut self, _event: impl FnMut(FrequencyEvent)) -> usize {
        match self.0 {}
    }

    /// Events lost because the buffer was full, since the start.
    pub fn dropped(&self) -> u64 {
        match self.0 {}
    }

    /// Its programs, for [`SelfMeter::start`].
    ///
    /// # Errors
    /// None.
    pub fn programs(&self) -> Result<Vec<Program>, EbpfError> {
        match self.0 {}
    }
}

/// Reports begins and ends from probes. Not built.
#[derive(Debug)]
pub struct Marks(Infallible);

impl Marks {
    /// Attaches every probe, or none.
    ///
    /// # Errors
    /// [`EbpfError::NotBuilt`], always.
    pub fn attach(
        _probes: &[Probe],
        _scope: Scope,
        _settings: MarkSettings,
    ) -> Result<Self, EbpfError> {
        Err(EbpfError::NotBuilt)
    }

    /// Attaches every probe, or none, for the processes that `sched` follows.
    ///
    /// # Errors
    /// [`EbpfError::NotBuilt`], always.
    pub fn attach_to_followed(
        _probes: &[Probe],
        _sched: &Sched,
        _settings: MarkSettings,
    ) -> Result<Self, EbpfError> {
        Err(EbpfError::NotBuilt)
    }

    /// Attaches every probe, or none, with counters that are read at marks.
    ///
    /// # Errors
    /// [`EbpfError::NotBuilt`], always.
    pub fn attach_with_counters(
        _probes: &[Probe],
        _scope: Scope,
        _sched: Option<&Sched>,
        _settings: MarkSettings,
        _counters: &[MarkCounter<'_>],
    ) -> Result<Self, EbpfError> {
        Err(EbpfError::NotBuilt)
    }

    /// Hands over the marks since the last call; answers how many. Those of one thread come in
    /// order; those of several CPUs may be a few microseconds out of it.
    pub fn drain(&mut self, _mark: impl FnMut(&Mark<'_>)) -> usize {
        match self.0 {}
    }

    /// Marks lost because the buffer was full, since the start.
    pub fn dropped(&self) -> u64 {
        match self.0 {}
    }

    /// How far marks were left by now.
    pub fn left(&self) -> Left {
        match self.0 {}
    }

    /// Whether every mark that was left up to then has been drained.
    pub fn has_drained(&self, _left: Left) -> bool {
        match self.0 {}
    }

    /// Its programs, for [`SelfMeter::start`].
    ///
    /// # Errors
    /// None.
    pub fn programs(&self) -> Result<Vec<Program>, EbpfError> {
        match self.0 {}
    }
}

/// Says what BPF programs cost. Not built.
#[derive(Debug)]
pub struct SelfMeter(Infallible);

impl SelfMeter {
    /// Has the kernel keep statistics of BPF programs while the meter lives.
    ///
    /// # Errors
    /// [`EbpfError::NotBuilt`], always.
    pub fn start(_programs: impl IntoIterator<Item = Program>) -> Result<Self, EbpfError> {
        Err(EbpfError::NotBuilt)
    }

    /// What each program cost so far.
    ///
    /// # Errors
    /// None.
    pub fn costs(&mut self) -> Result<&[Cost], EbpfError> {
        match self.0 {}
    }
}
