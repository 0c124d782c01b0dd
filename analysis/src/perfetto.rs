//! A bundle as a trace for <https://ui.perfetto.dev>: rails, bandwidth and clock frequencies as
//! counter tracks; components as tracks with runs, images and layers nested in each other; events
//! as instants.
//!
//! All times are those of the bundle, on `CLOCK_MONOTONIC`; one clock snapshot puts them on UTC.

mod counters;
mod schema;
mod slices;

use std::io::{self, Write};

use prost::Message;
use wattline_trace::BundleReader;
use wattline_trace::rows::{EventKind, EventRow, SpanRow};

use crate::batch::Fault;
use schema::{
    BUILTIN_CLOCK_MONOTONIC, BUILTIN_CLOCK_REALTIME, Clock, ClockSnapshot, DebugAnnotation, Trace,
    TracePacket, TrackDescriptor, TrackEvent,
};

/// All packets are of one writer.
const SEQUENCE: u32 = 1;
/// Says that nothing before the packet is needed to read what follows.
const SEQ_INCREMENTAL_STATE_CLEARED: u32 = 1;

/// Writes the trace of a bundle. Tables are streamed; spans are put in order first. A table that the
/// bundle lacks has no track.
///
/// # Errors
/// If a table cannot be read, or the trace not be written.
pub(crate) fn write(bundle: &BundleReader, file: &mut dyn Write) -> Result<(), Fault> {
    let mut trace = Writer { file, tracks: 0 };
    trace.begin(bundle)?;
    let board = &bundle.manifest().board;
    let emulated = if board.emulated { "emulated " } else { "" };
    let root = trace.track(&format!("{emulated}{}", board.name), None, None)?;
    if bundle.has::<SpanRow>() {
        slices::write(bundle, &mut trace, root)?;
    }
    counters::write(bundle, &mut trace, root)?;
    if bundle.has::<EventRow>() {
        instants(bundle, &mut trace, root)?;
    }
    Ok(())
}

/// Each kind of event on a track of its own.
fn instants(bundle: &BundleReader, trace: &mut Writer<'_>, root: u64) -> Result<(), Fault> {
    let mut tracks: Vec<(EventKind, u64)> = Vec::new();
    for event in bundle.table::<EventRow>()? {
        let event = event?;
        let known = tracks.iter().find(|(kind, _)| *kind == event.kind).map(|(_, track)| *track);
        let track = match known {
            Some(track) => track,
            None => {
                let name = format!("events: {}", event.kind.as_str().replace('_', " "));
                let track = trace.track(&name, Some(root), None)?;
                tracks.push((event.kind, track));
                track
            }
        };
        let annotations = vec![
            DebugAnnotation::text("source", &event.source),
            DebugAnnotation::text("detail", &event.detail),
            DebugAnnotation::count("count", event.count),
        ];
        let name = format!("{}: {}", event.source, event.detail);
        trace.event(event.t_ns, TrackEvent::instant(track, name, annotations))?;
    }
    Ok(())
}

/// Writes packets one after another: a trace is what they are put together.
struct Writer<'a> {
    file: &'a mut dyn Write,
    tracks: u64,
}

impl Writer<'_> {
    fn begin(&mut self, bundle: &BundleReader) -> io::Result<()> {
        let offset = bundle.manifest().clock.utc_offset_ns;
        // An instant at which both clocks are above zero.
        let monotonic = offset.min(0).unsigned_abs();
        let clock =
            |clock_id, timestamp| Clock { clock_id: Some(clock_id), timestamp: Some(timestamp) };
        let snapshot = ClockSnapshot {
            clocks: vec![
                clock(BUILTIN_CLOCK_MONOTONIC, monotonic),
                clock(BUILTIN_CLOCK_REALTIME, monotonic.saturating_add_signed(offset)),
            ],
            primary_trace_clock: Some(BUILTIN_CLOCK_MONOTONIC as i32),
        };
        self.packet(TracePacket {
            sequence_flags: Some(SEQ_INCREMENTAL_STATE_CLEARED),
            clock_snapshot: Some(snapshot),
            ..TracePacket::default()
        })
    }

    /// Declares a track; of a counter with its unit.
    fn track(&mut self, name: &str, parent: Option<u64>, unit: Option<&str>) -> io::Result<u64> {
        self.tracks += 1;
        let descriptor = TrackDescriptor {
            uuid: Some(self.tracks),
            name: Some(name.to_owned()),
            parent_uuid: parent,
            counter: unit.map(schema::CounterDescriptor::of_unit),
        };
        let track = Some(descriptor);
        self.packet(TracePacket { track_descriptor: track, ..TracePacket::default() })?;
        Ok(self.tracks)
    }

    fn event(&mut self, t_ns: u64, event: TrackEvent) -> io::Result<()> {
        self.packet(TracePacket {
            timestamp: Some(t_ns),
            timestamp_clock_id: Some(BUILTIN_CLOCK_MONOTONIC),
            track_event: Some(event),
            ..TracePacket::default()
        })
    }

    fn packet(&mut self, packet: TracePacket) -> io::Result<()> {
        let packet = TracePacket { trusted_packet_sequence_id: Some(SEQUENCE), ..packet };
        // Traces put together are one trace: each may hold a single packet.
        self.file.write_all(&Trace { packet: vec![packet] }.encode_to_vec())
    }
}
