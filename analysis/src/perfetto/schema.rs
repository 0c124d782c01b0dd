//! The part of Perfetto's trace format that is written here. Field numbers are those of
//! `protos/perfetto/trace/` in <https://github.com/google/perfetto>: `trace.proto`,
//! `trace_packet.proto`, `clock_snapshot.proto`, and in `track_event/` `track_event.proto`,
//! `track_descriptor.proto`, `counter_descriptor.proto` and `debug_annotation.proto`.

use prost::Message;

/// `perfetto.protos.BuiltinClock` (`common/builtin_clock.proto`).
pub(super) const BUILTIN_CLOCK_REALTIME: u32 = 1;
pub(super) const BUILTIN_CLOCK_MONOTONIC: u32 = 3;

/// `TrackEvent.Type`.
pub(super) const TYPE_SLICE_BEGIN: i32 = 1;
pub(super) const TYPE_SLICE_END: i32 = 2;
pub(super) const TYPE_INSTANT: i32 = 3;
pub(super) const TYPE_COUNTER: i32 = 4;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Trace {
    #[prost(message, repeated, tag = "1")]
    pub(super) packet: Vec<TracePacket>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TracePacket {
    #[prost(uint64, optional, tag = "8")]
    pub(super) timestamp: Option<u64>,
    #[prost(uint32, optional, tag = "58")]
    pub(super) timestamp_clock_id: Option<u32>,
    #[prost(uint32, optional, tag = "10")]
    pub(super) trusted_packet_sequence_id: Option<u32>,
    #[prost(uint32, optional, tag = "13")]
    pub(super) sequence_flags: Option<u32>,
    #[prost(message, optional, tag = "6")]
    pub(super) clock_snapshot: Option<ClockSnapshot>,
    #[prost(message, optional, tag = "11")]
    pub(super) track_event: Option<TrackEvent>,
    #[prost(message, optional, tag = "60")]
    pub(super) track_descriptor: Option<TrackDescriptor>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ClockSnapshot {
    #[prost(message, repeated, tag = "1")]
    pub(super) clocks: Vec<Clock>,
    #[prost(int32, optional, tag = "2")]
    pub(super) primary_trace_clock: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Clock {
    #[prost(uint32, optional, tag = "1")]
    pub(super) clock_id: Option<u32>,
    #[prost(uint64, optional, tag = "2")]
    pub(super) timestamp: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TrackDescriptor {
    #[prost(uint64, optional, tag = "1")]
    pub(super) uuid: Option<u64>,
    #[prost(string, optional, tag = "2")]
    pub(super) name: Option<String>,
    #[prost(uint64, optional, tag = "5")]
    pub(super) parent_uuid: Option<u64>,
    #[prost(message, optional, tag = "8")]
    pub(super) counter: Option<CounterDescriptor>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CounterDescriptor {
    #[prost(string, optional, tag = "6")]
    pub(super) unit_name: Option<String>,
}

impl CounterDescriptor {
    pub(super) fn of_unit(unit: &str) -> Self {
        CounterDescriptor { unit_name: Some(unit.to_owned()) }
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TrackEvent {
    #[prost(message, repeated, tag = "4")]
    pub(super) debug_annotations: Vec<DebugAnnotation>,
    #[prost(int32, optional, tag = "9")]
    pub(super) r#type: Option<i32>,
    #[prost(uint64, optional, tag = "11")]
    pub(super) track_uuid: Option<u64>,
    #[prost(string, repeated, tag = "22")]
    pub(super) categories: Vec<String>,
    #[prost(string, optional, tag = "23")]
    pub(super) name: Option<String>,
    #[prost(double, optional, tag = "44")]
    pub(super) double_counter_value: Option<f64>,
}

impl TrackEvent {
    fn on(track: u64, r#type: i32) -> Self {
        TrackEvent { track_uuid: Some(track), r#type: Some(r#type), ..TrackEvent::default() }
    }

    pub(super) fn begin(
        track: u64,
        name: String,
        category: &str,
        debug_annotations: Vec<DebugAnnotation>,
    ) -> Self {
        let categories = vec![category.to_owned()];
        let plain = Self::on(track, TYPE_SLICE_BEGIN);
        TrackEvent { name: Some(name), categories, debug_annotations, ..plain }
    }

    pub(super) fn end(track: u64) -> Self {
        Self::on(track, TYPE_SLICE_END)
    }

    pub(super) fn instant(
        track: u64,
        name: String,
        debug_annotations: Vec<DebugAnnotation>,
    ) -> Self {
        TrackEvent { name: Some(name), debug_annotations, ..Self::on(track, TYPE_INSTANT) }
    }

    pub(super) fn counter(track: u64, value: f64) -> Self {
        TrackEvent { double_counter_value: Some(value), ..Self::on(track, TYPE_COUNTER) }
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct DebugAnnotation {
    #[prost(uint64, optional, tag = "3")]
    pub(super) uint_value: Option<u64>,
    #[prost(string, optional, tag = "6")]
    pub(super) string_value: Option<String>,
    #[prost(string, optional, tag = "10")]
    pub(super) name: Option<String>,
}

impl DebugAnnotation {
    pub(super) fn text(name: &str, value: &str) -> Self {
        DebugAnnotation {
            name: Some(name.to_owned()),
            string_value: Some(value.to_owned()),
            uint_value: None,
        }
    }

    pub(super) fn count(name: &str, value: u64) -> Self {
        let name = Some(name.to_owned());
        DebugAnnotation { name, uint_value: Some(value), string_value: None }
    }
}
