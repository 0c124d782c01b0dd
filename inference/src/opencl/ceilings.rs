//! What bounds an OpenCL device, measured: peak arithmetic and sustained bandwidth.
//!
//! Times are the device's own: of several commands one after another, from the start of the first
//! to the end of the last. What starting a command takes is in between, and counts.

use std::iter;

use super::arguments::Argument;
use super::clock::device_times;
use super::device::{Device, DeviceKind};
use super::error::OpenClError;
use super::program::Kernels;
use super::queue::{Command, Queue, Range};
use crate::cost::ElementType;
use crate::roofline::{Bandwidth, Kernel, Measured, Repeats};
use crate::streams::Lines;

/// Work items of a group on a GPU. See `site.rs`.
const GROUP: usize = 64;

/// Work items for each core of a GPU: all that it keeps under way at once, several times over.
const ITEMS_PER_GPU_CORE: usize = 2048;

/// Work items for each core of a CPU, which runs one after another.
const ITEMS_PER_CPU_CORE: usize = 4;

/// Commands that are queued before the first is waited for: one after another without a gap, and
/// no driver's queue fills.
const QUEUED: usize = 256;

/// A kernel of chains: which vectors, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chains {
    /// Values of a vector.
    pub lanes: usize,
    /// Accumulators, none of which waits for another.
    pub count: usize,
}

/// Those in `ceilings.cl`. Which is fastest depends on the device: a Mali-T628 computes on vectors of
/// four, a Mali-G72 on single values of many items, a CPU on whole registers, and too many
/// accumulators do not fit.
const CHAINS: [Chains; 8] = [
    Chains { lanes: 2, count: 8 },
    Chains { lanes: 4, count: 4 },
    Chains { lanes: 4, count: 8 },
    Chains { lanes: 4, count: 12 },
    Chains { lanes: 8, count: 4 },
    Chains { lanes: 8, count: 8 },
    Chains { lanes: 8, count: 12 },
    Chains { lanes: 16, count: 8 },
];

/// Turns of a chain that one pass of the kernel's loop takes.
const UNROLLED: usize = 4;

impl Chains {
    fn kernel(self) -> String {
        format!("chains_{}x{}", self.lanes, self.count)
    }

    fn flops_per_pass(self, items: usize, turns: usize) -> f64 {
        (items * turns * UNROLLED * self.lanes * self.count * 2) as f64
    }
}

/// Measures FLOP/s of `device` at `storage`: of multiply-adds, with whichever [`Chains`] are
/// fastest, which it answers too. `step` hears of each repeat.
///
/// # Errors
/// [`OpenClError`] when the device has no FP16 and that is asked for, or refuses every kernel.
pub fn peak(
    device: &Device,
    storage: ElementType,
    repeats: Repeats,
    step: &mut dyn FnMut(),
) -> Result<Option<(Measured, Chains)>, OpenClError> {
    let bench = Bench::new(device, storage)?;
    let (items, turns) = match device.kind {
        DeviceKind::Cpu => (device.compute_units * ITEMS_PER_CPU_CORE, 65_536),
        _ => (device.compute_units * ITEMS_PER_GPU_CORE, 1_024),
    };
    let sink = bench.queue.memory(items * 16 * size_of::<f32>())?;
    let command = |chains: Chains| {
        // One is where values go and stay: neither infinite nor subnormal.
        let numbers = [Argument::Float(0.5), Argument::Float(0.5), Argument::Int(turns as i32)];
        let [factor, term, turns] = numbers;
        bench.command(&chains.kernel(), &[Argument::Memory(&sink), factor, term, turns], items)
    };
    let mut best: Option<(f64, Chains, Command)> = None;
    let mut refusal = None;
    for chains in CHAINS {
        // A device may lack the registers for some.
        let tried = command(chains).and_then(|command| {
            bench.seconds([&command])?;
            Ok((bench.seconds([&command; 2])? / 2.0, command))
        });
        match tried {
            Ok((seconds, command)) => {
                let rate = chains.flops_per_pass(items, turns) / seconds;
                if best.as_ref().is_none_or(|best| rate > best.0) {
                    best = Some((rate, chains, command));
                }
            }
            Err(error) => refusal = Some(error),
        }
    }
    let Some((_, chains, command)) = best else { return refusal.map_or(Ok(None), Err) };
    let round = |passes| bench.seconds(iter::repeat_n(&command, passes as usize));
    let seconds = repeats.seconds_per_pass(step, round)?;
    let flops = chains.flops_per_pass(items, turns);
    let measured = Measured::of(seconds.iter().map(|seconds| flops / seconds).collect());
    Ok(measured.map(|measured| (measured, chains)))
}

/// Measures what `device` moves through buffers of `array_bytes` each: at least four times the
/// last-level cache, or that is what is measured. Each [`Kernel`] is repeated, and `step` hears of
/// each repeat.
///
/// # Errors
/// [`OpenClError`] when there is no memory for two such buffers, or a command fails.
pub fn bandwidth(
    device: &Device,
    array_bytes: u64,
    repeats: Repeats,
    step: &mut dyn FnMut(),
) -> Result<Bandwidth, OpenClError> {
    let bench = Bench::new(device, ElementType::F32)?;
    let piece = if bench.is_cpu() { 64 } else { 16 };
    let items = match bench.is_cpu() {
        true => device.compute_units * ITEMS_PER_CPU_CORE,
        false => device.compute_units * ITEMS_PER_GPU_CORE,
    };
    // Pairs of pieces, as the kernel that reads takes.
    let each = (array_bytes as usize).div_ceil(items * piece).next_multiple_of(2);
    let bytes = each * items * piece;
    // A CPU is given memory as its clusters are measured on.
    let mut lent = match bench.is_cpu() {
        true => [(); 2].map(|()| Lines::untouched(bytes as u64)),
        false => [Lines::none(), Lines::none()],
    };
    let [one, other] = match (bench.is_cpu(), &mut lent) {
        // SAFETY: they are dropped after the buffers over them, and nothing else reaches them.
        (true, [one, other]) => unsafe { [bench.queue.over(one)?, bench.queue.over(other)?] },
        (false, _) => [bench.queue.memory(bytes)?, bench.queue.memory(bytes)?],
    };
    let sink = bench.queue.memory(items * piece)?;
    let (apart, between) = if bench.is_cpu() { (each, 1) } else { (1, items) };
    // A command goes through all of an array. Cores that have gone to sleep between two commands take
    // up to 0.1 ms to start on the next, which beside a shorter one would be much.
    let pass = |name: &str, from: Argument<'_>, to: Argument<'_>| {
        let walk = [0, apart, between, each].map(|number| Argument::Int(number as i32));
        let [start, apart, between, each] = walk;
        bench.command(name, &[from, to, start, apart, between, each], items)
    };
    let [from, to] = [Argument::Memory(&one), Argument::Memory(&other)];
    // Pages that were never written share one page of zeros, which stays in the cache.
    for memory in [from, to] {
        bench.seconds([&pass("write_all", memory, Argument::Float(1.0))?])?;
    }
    let kernels = [
        (Kernel::Read, pass("read_all", from, Argument::Memory(&sink))?, bytes),
        (Kernel::Write, pass("write_all", to, Argument::Float(2.0))?, bytes),
        (Kernel::Copy, pass("copy_all", from, to)?, 2 * bytes),
    ];
    let mut rates = Kernel::ALL.map(|_| Vec::new());
    for _ in 0..Repeats::SWEEPS {
        for ((_, command, moved), rates) in kernels.iter().zip(&mut rates) {
            let round = |passes| bench.seconds(iter::repeat_n(command, passes as usize));
            let seconds = repeats.of_a_sweep().seconds_per_pass(step, round)?;
            rates.extend(seconds.iter().map(|seconds| *moved as f64 / seconds));
        }
    }
    let measured =
        |((kernel, ..), rates): (&(Kernel, _, _), _)| Some((*kernel, Measured::of(rates)?));
    let bytes_per_s = kernels.iter().zip(rates).filter_map(measured).collect();
    Ok(Bandwidth { bytes_per_s, array_bytes: bytes as u64 })
}

/// A device with the kernels built for it.
struct Bench<'a> {
    device: &'a Device,
    kernels: Kernels,
    queue: Queue,
}

impl<'a> Bench<'a> {
    fn new(device: &'a Device, storage: ElementType) -> Result<Self, OpenClError> {
        if storage == ElementType::F16 && !device.fp16 {
            return Err(OpenClError::NoFp16 { device: device.to_string() });
        }
        let queue = Queue::new(device)?;
        let real = if storage == ElementType::F16 { "-DREAL=half -DHALF" } else { "-DREAL=float" };
        let wide = if device.kind == DeviceKind::Cpu { " -DWIDE" } else { "" };
        let options = format!("-cl-std=CL1.2 -cl-mad-enable -w {real}{wide}");
        let source = include_str!("kernels/ceilings.cl");
        let kernels = Kernels::of(queue.context(), device, source, &options)?;
        Ok(Self { device, kernels, queue })
    }

    fn is_cpu(&self) -> bool {
        self.device.kind == DeviceKind::Cpu
    }

    fn command(
        &self,
        name: &str,
        arguments: &[Argument<'_>],
        items: usize,
    ) -> Result<Command, OpenClError> {
        // Items are a power of two for each core, so groups of one are whole.
        let group = if self.is_cpu() { 1 } else { GROUP.min(self.device.max_work_group.max(1)) };
        let group = 1 << group.ilog2();
        Command::new(&self.kernels, name, arguments, Range::new([items, 1, 1], [group, 1, 1]), "")
    }

    /// Seconds that `commands` take one after another, by the device's clock.
    fn seconds<'c>(
        &self,
        commands: impl IntoIterator<Item = &'c Command>,
    ) -> Result<f64, OpenClError> {
        let mut seconds = 0.0;
        let mut commands = commands.into_iter();
        loop {
            let batch = commands.by_ref().take(QUEUED);
            let events: Vec<_> =
                batch.map(|command| self.queue.submit(command)).collect::<Result<_, _>>()?;
            let (Some(first), Some(last)) = (events.first(), events.last()) else { break };
            self.queue.finish()?;
            let (start_ns, end_ns) = (device_times(first)?.0, device_times(last)?.1);
            // A clock that stands still gives no infinite rate.
            seconds += 1e-9 * end_ns.saturating_sub(start_ns).max(1) as f64;
        }
        Ok(seconds)
    }
}
