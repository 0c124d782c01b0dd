//! The schema: one typed row for each CSV file of a bundle.
//!
//! Times are `CLOCK_MONOTONIC` nanoseconds; `manifest.json` holds the offset to UTC.

use crate::name::Name;
use crate::row::{row, words};

row! {
    /// A fresh reading of one power rail. Repeats of one conversion are not in the file.
    PowerRow in "power.csv" {
        /// When the reading was taken: the midpoint of the read.
        t_ns: u64,
        /// The rail's name in the board description.
        rail: Name,
        /// Bus voltage, mean over the window.
        volts: f64,
        /// Current, mean over the window.
        amps: f64,
        /// Power, mean over the window.
        watts: f64,
        /// What the value averages over: the window that ended at or shortly before `t_ns`.
        window_ns: u64,
    }
}

row! {
    /// Memory traffic seen by one port of a counter, cumulative since the recorder started, with
    /// counter wrap already undone.
    TrafficRow in "traffic.csv" {
        /// When the counters were read.
        t_ns: u64,
        /// The counter block, such as `ppmu` or `cci400`.
        source: Name,
        /// The port or memory channel within it.
        port: Name,
        /// Bytes read and written since the recorder started.
        total_bytes: u64,
        /// Of these, bytes read; empty where the counter does not tell reads from writes.
        read_bytes: Option<u64>,
        /// Of these, bytes written; empty as `read_bytes` is.
        write_bytes: Option<u64>,
        /// Whether part of the bytes was scaled up for time the counter was not scheduled.
        scaled: bool,
    }
}

row! {
    /// How busy a CPU was, cumulative since the recorder started. Where BPF programs account it:
    /// each sampling period, by the scheduler's own switches; else once a second, by `/proc/stat`.
    CpuRow in "cpu.csv" {
        /// When this was read.
        t_ns: u64,
        /// The CPU's number.
        cpu: u32,
        /// Time the target ran on it; empty where nothing accounts it. The target is the recorded
        /// program and what it starts; of a run by wattline itself, wattline, whose sampling
        /// (`cpu_ns` of `agent.csv`) is part of it.
        target_busy_ns: Option<u64>,
        /// Time anything ran on it.
        busy_ns: u64,
        /// Its frequency, as last reported or read by then; empty where the machine does not say.
        freq_khz: Option<u32>,
    }
}

/// The component of the span that a co-execution is: no board may name one so.
pub const ALL_COMPONENTS: &str = "all";

words! {
    /// What a span spans.
    SpanKind {
        /// One network on one component: the parent of images. In a co-execution the parent of
        /// such runs, which overlap, is another, of the component `all`; runs overlap in no other.
        Run = "run",
        /// One image: the parent of layers.
        Image = "image",
        /// One layer of one image.
        Layer = "layer",
        /// A component gets ready for a run that follows: weights are packed, and a first image runs
        /// that counts for nothing. Its power is no run's, and is not idle. It has no parent.
        Preparation = "preparation",
    }
}

row! {
    /// An interval of work.
    SpanRow in "spans.csv" {
        /// Unique in the bundle.
        id: u64,
        /// The span this one lies in.
        parent: Option<u64>,
        /// What it spans.
        kind: SpanKind,
        /// The network (run, image) or the layer.
        name: Name,
        /// The component that did the work, or [`ALL_COMPONENTS`].
        component: Name,
        /// Number of the image in its stream. In a pipeline each component that ran some layers of
        /// an image has a span of it, which covers these layers alone.
        image: Option<u64>,
        /// First instant.
        start_ns: u64,
        /// Last instant.
        end_ns: u64,
        /// Floating-point operations of the work, two per multiply-accumulate; empty where
        /// nobody knows them, as of a program that was only watched.
        flops: Option<u64>,
        /// Inputs, weights and outputs, each once; empty where nobody knows them.
        bytes_theoretical: Option<u64>,
    }
}

row! {
    /// A hardware counter, at an instant or over a span.
    CounterRow in "counters.csv" {
        /// When it was read; empty if it belongs to a span.
        t_ns: Option<u64>,
        /// The span it was counted over; empty if it was read at an instant.
        span: Option<u64>,
        /// The component it belongs to.
        component: Name,
        /// The event's name.
        event: Name,
        /// The count.
        value: u64,
        /// Whether the count was scaled up for time the counter was not scheduled.
        scaled: bool,
    }
}

row! {
    /// A result that left a co-execution, in the order in which they left: that of the stream.
    FrameRow in "frames.csv" {
        /// The image's number in its stream, which the spans of its runs carry too. Dropped frames
        /// are numbered and have no row.
        image: u64,
        /// When it came.
        arrival_ns: u64,
        /// When the run began whose result left. In a pipeline that of its last layers.
        start_ns: u64,
        /// When that run ended.
        end_ns: u64,
        /// When the result left the reorder buffer.
        delivered_ns: u64,
        /// The component that finished it.
        component: Name,
        /// Images that had come by then and that nobody ran yet.
        queued: u64,
        /// Results that were still held back then, for an earlier image's.
        reordering: u64,
    }
}

words! {
    /// What happened.
    EventKind {
        /// A CPU, GPU or memory frequency changed, or a CPU entered or left an idle state.
        Frequency = "frequency",
        /// Samples were lost because a queue was full.
        Drop = "drop",
        /// The sampler missed one or more deadlines.
        Overrun = "overrun",
        /// A sensor or counter answered wrongly and is tried again.
        SensorError = "sensor_error",
        /// A sensor or counter is gone for the rest of the run.
        ChannelGone = "channel_gone",
        /// The chip slowed itself down.
        Throttle = "throttle",
        /// A component failed or stalled in a co-execution, and others went on without it; or it
        /// came back.
        ComponentFault = "component_fault",
        /// The user ended the run early.
        Interrupted = "interrupted",
        /// The bundle itself could not be written as it should.
        WriteError = "write_error",
        /// Anything else worth knowing when reading the data.
        Note = "note",
    }
}

row! {
    /// Something that happened while recording.
    EventRow in "events.csv" {
        /// When.
        t_ns: u64,
        /// What.
        kind: EventKind,
        /// Which sensor, counter, CPU or thread.
        source: Name,
        /// In words.
        detail: Name,
        /// How many times, where that means something; else 1.
        count: u64,
    }
}

row! {
    /// The agent's own cost, cumulative since the recorder started.
    AgentRow in "agent.csv" {
        /// When this was read.
        t_ns: u64,
        /// CPU time of the agent's threads.
        cpu_ns: u64,
        /// Resident memory of the process.
        resident_bytes: u64,
        /// Sampling instants.
        ticks: u64,
        /// Fresh readings.
        samples: u64,
        /// Readings dropped because they repeated a conversion.
        repeats: u64,
        /// Readings lost because a queue was full.
        drops: u64,
        /// Deadlines missed by a whole period or more.
        overruns: u64,
        /// Median lateness of a sampling instant.
        lateness_p50_ns: u64,
        /// 99th percentile of the lateness.
        lateness_p99_ns: u64,
        /// Time our BPF programs ran, on all CPUs; not part of `cpu_ns`. Empty where there are
        /// none, or the kernel does not tell.
        bpf_ns: Option<u64>,
        /// How often they ran; empty as `bpf_ns` is.
        bpf_runs: Option<u64>,
        /// Events they lost because a ring buffer was full; empty where there is none.
        bpf_drops: Option<u64>,
    }
}

words! {
    /// What a row of truth is about.
    TruthQuantity {
        /// Joules above idle that this work caused on the rail named by `subject`.
        ActiveJoules = "active_joules",
        /// All joules of the rail named by `subject` over the interval.
        TotalJoules = "total_joules",
        /// DRAM bytes moved by the component named by `subject`.
        DramBytes = "dram_bytes",
    }
}

row! {
    /// What the emulated board knows: written by it alone, read by nothing but tests and
    /// `--check-truth`.
    TruthRow in "truth.csv" {
        /// A run, an image or a layer.
        scope: SpanKind,
        /// The component that did the work.
        component: Name,
        /// Index of the image in its stream.
        image: Option<u64>,
        /// The network (run, image) or the layer.
        name: Name,
        /// First instant.
        start_ns: u64,
        /// Last instant.
        end_ns: u64,
        /// What the value is.
        quantity: TruthQuantity,
        /// The rail or the component it is about.
        subject: Name,
        /// Joules or bytes.
        value: f64,
    }
}
