"""Decodes a Perfetto trace by the published schema and says what is in it, as JSON."""

import json
import sys
from collections import Counter, defaultdict

from google.protobuf.unknown_fields import UnknownFieldSet
from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as schema

trace = schema.Trace()
trace.ParseFromString(open(sys.argv[1], "rb").read())
event_type = schema.TrackEvent
tracks, slices, counters = {}, Counter(), defaultdict(list)
instants, depths, deepest, problems = Counter(), defaultdict(list), Counter(), []


def known(message, where):
    """No field of a message may be one that the schema lacks."""
    if len(UnknownFieldSet(message)):
        problems.append(f"{where}: fields that the schema does not have")
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in [value] if not hasattr(value, "__len__") else value:
                known(part, f"{where}.{field.name}")


for number, packet in enumerate(trace.packet):
    known(packet, f"packet {number}")
    if packet.HasField("track_descriptor"):
        track = packet.track_descriptor
        tracks[track.uuid] = track
        if track.HasField("parent_uuid") and track.parent_uuid not in tracks:
            problems.append(f"track {track.name} comes before its parent")
    if not packet.HasField("track_event"):
        continue
    event = packet.track_event
    track = tracks[event.track_uuid]
    if packet.timestamp_clock_id != schema.BUILTIN_CLOCK_MONOTONIC:
        problems.append(f"packet {number} is on another clock")
    if event.type == event_type.TYPE_COUNTER:
        if not track.HasField("counter"):
            problems.append(f"{track.name} is no counter")
        counters[track.name].append((packet.timestamp, event.double_counter_value))
    elif event.type == event_type.TYPE_SLICE_BEGIN:
        depths[track.name].append((packet.timestamp, event.categories[0]))
        slices[f"{track.name} {event.categories[0]}"] += 1
        deepest[track.name] = max(deepest[track.name], len(depths[track.name]))
    elif event.type == event_type.TYPE_SLICE_END:
        if not depths[track.name]:
            problems.append(f"{track.name}: an end without a begin")
        elif depths[track.name].pop()[0] > packet.timestamp:
            problems.append(f"{track.name}: a slice ends before it begins")
    elif event.type == event_type.TYPE_INSTANT:
        instants[track.name] += 1
problems += [f"{name}: {len(open)} slices never end" for name, open in depths.items() if open]
print(json.dumps({
    "problems": problems[:10],
    "tracks": [track.name for track in tracks.values()],
    "units": {track.name: track.counter.unit_name for track in tracks.values() if track.HasField("counter")},
    "slices": slices,
    "deepest": deepest,
    "instants": instants,
    "counters": {name: {"count": len(values), "mean": sum(v for _, v in values) / len(values)}
                 for name, values in counters.items()},
    "clocks": [clock.clock_id for packet in trace.packet for clock in packet.clock_snapshot.clocks],
}))
