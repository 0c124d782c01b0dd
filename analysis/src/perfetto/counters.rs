//! Power, bandwidth and clock frequencies as counter tracks.

use std::collections::HashMap;

use wattline_trace::rows::{CpuRow, PowerRow, TrafficRow};
use wattline_trace::{BundleReader, Name};

use super::Writer;
use super::schema::TrackEvent;
use crate::batch::Fault;

pub(super) fn write(bundle: &BundleReader, trace: &mut Writer<'_>, root: u64) -> Result<(), Fault> {
    if bundle.has::<PowerRow>() {
        power(bundle, trace, root)?;
    }
    if bundle.has::<TrafficRow>() {
        traffic(bundle, trace, root)?;
    }
    if bundle.has::<CpuRow>() {
        frequencies(bundle, trace, root)?;
    }
    Ok(())
}

/// A reading is a mean over the window that ended when it was taken: its step begins with that.
fn power(bundle: &BundleReader, trace: &mut Writer<'_>, root: u64) -> Result<(), Fault> {
    let mut tracks: HashMap<Name, u64> = HashMap::new();
    for row in bundle.table::<PowerRow>()? {
        let row = row?;
        let track = match tracks.get(&row.rail) {
            Some(track) => *track,
            None => {
                let track = trace.track(&format!("{} power", row.rail), Some(root), Some("W"))?;
                tracks.insert(row.rail.clone(), track);
                track
            }
        };
        let begun = row.t_ns.saturating_sub(row.window_ns);
        trace.event(begun, TrackEvent::counter(track, row.watts))?;
    }
    Ok(())
}

/// A port's tracks, and when it was last read: reads and writes where it tells them apart.
struct Port {
    tracks: Vec<u64>,
    last_ns: u64,
    last_bytes: Vec<u64>,
}

/// Between two readings the mean rate holds: the step begins with the first of them.
fn traffic(bundle: &BundleReader, trace: &mut Writer<'_>, root: u64) -> Result<(), Fault> {
    let mut ports: HashMap<(Name, Name), Port> = HashMap::new();
    for row in bundle.table::<TrafficRow>()? {
        let row = row?;
        let (words, bytes): (&[&str], Vec<u64>) = match (row.read_bytes, row.write_bytes) {
            (Some(read), Some(write)) => (&["read", "write"], vec![read, write]),
            _ => (&["traffic"], vec![row.total_bytes]),
        };
        let key = (row.source.clone(), row.port.clone());
        let Some(port) = ports.get_mut(&key) else {
            let track = |what: &&str| {
                let name = format!("{} {} {what}", row.source, row.port);
                trace.track(&name, Some(root), Some("MB/s"))
            };
            let tracks = words.iter().map(track).collect::<Result<_, _>>()?;
            ports.insert(key, Port { tracks, last_ns: row.t_ns, last_bytes: bytes });
            continue;
        };
        let taken = row.t_ns.saturating_sub(port.last_ns) as f64;
        if taken > 0.0 {
            let counted = port.tracks.iter().zip(bytes.iter().zip(&port.last_bytes));
            for (&track, (now, before)) in counted {
                // Bytes a nanosecond are 10⁹ bytes a second.
                let rate = 1e3 * now.saturating_sub(*before) as f64 / taken;
                trace.event(port.last_ns, TrackEvent::counter(track, rate))?;
            }
        }
        (port.last_ns, port.last_bytes) = (row.t_ns, bytes);
    }
    Ok(())
}

/// Only where a frequency changes.
fn frequencies(bundle: &BundleReader, trace: &mut Writer<'_>, root: u64) -> Result<(), Fault> {
    let mut cpus: HashMap<u32, (u64, u32)> = HashMap::new();
    for row in bundle.table::<CpuRow>()? {
        let row = row?;
        let Some(khz) = row.freq_khz else { continue };
        let (track, before) = match cpus.get(&row.cpu) {
            Some(&(track, before)) => (track, Some(before)),
            None => {
                let name = format!("cpu {} frequency", row.cpu);
                (trace.track(&name, Some(root), Some("MHz"))?, None)
            }
        };
        if before != Some(khz) {
            cpus.insert(row.cpu, (track, khz));
            trace.event(row.t_ns, TrackEvent::counter(track, 1e-3 * f64::from(khz)))?;
        }
    }
    Ok(())
}
