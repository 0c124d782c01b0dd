//! All rails of one recording, read from `power.csv` in one pass.

use std::collections::HashMap;

use wattline_trace::BundleReader;
use wattline_trace::rows::PowerRow;

use super::rail::Rail;
use crate::error::AnalysisError;
use crate::layers::watch::Watch;
use crate::table::for_each_row;
use crate::taken::Taken;
use crate::timeline::Timeline;

/// Reads the rails, in the manifest's order; layers are told of each reading.
///
/// # Errors
/// If the table cannot be read, a rail's time does not ascend, a row's rail is not in the
/// manifest, or a window is empty.
pub(crate) fn read_rails(
    bundle: &BundleReader,
    timeline: &Timeline,
    poll_ns: Option<u64>,
    (watch, taken): (&mut Watch, &mut Taken),
    warnings: &mut Vec<String>,
) -> Result<Vec<Rail>, AnalysisError> {
    let records = &bundle.manifest().rails;
    let places: HashMap<&str, usize> =
        records.iter().enumerate().map(|(place, record)| (record.name.as_str(), place)).collect();
    let mut rails: Vec<Rail> =
        records.iter().map(|record| Rail::new(record, timeline, poll_ns)).collect();
    let mut next = 0;
    for_each_row::<PowerRow>(bundle, warnings, |row, reading, path| {
        let wrong = |reason| AnalysisError::Row { path: path.to_owned(), row, reason };
        // Rails come in turn: the next is where it was the last time round.
        let expected =
            records.get(next).filter(|record| record.name == *reading.rail).map(|_| next);
        let Some(place) = expected.or_else(|| places.get(reading.rail.as_str()).copied()) else {
            return Err(wrong(format!("rail {} is not in the manifest", reading.rail)));
        };
        next = if place + 1 < records.len() { place + 1 } else { 0 };
        if reading.window_ns == 0 {
            return Err(wrong(format!("rail {} averages over a window of 0 ns", reading.rail)));
        }
        let rail = &mut rails[place];
        if let Some((before, _)) = rail.last.filter(|&(before, _)| reading.t_ns <= before) {
            return Err(AnalysisError::Time {
                path: path.to_owned(),
                row,
                series: format!("rail {}", reading.rail),
                before,
                now: reading.t_ns,
            });
        }
        rail.add(reading);
        taken.row(reading.t_ns);
        watch.reading(place, reading.t_ns, reading.watts, || rail.sight(reading));
        Ok(())
    })?;
    Ok(rails)
}
