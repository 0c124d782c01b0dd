//! What the board knows of a bundle that was recorded in a guest, written beside it: the analysis
//! then holds its numbers against that, as it does for boards that are emulated in one process.

use std::fmt::Write;
use std::io;
use std::path::Path;

use wattline_board::emulated::EmulatedBoard;
use wattline_trace::BundleReader;
use wattline_trace::rows::{SpanKind, SpanRow, TruthQuantity};

use crate::guest::Offset;

/// Writes `truth.csv` into a bundle: of each run, by the guest's clock, what the board spent above
/// its idle power and moved above its idle traffic.
///
/// # Errors
/// If the bundle cannot be read, tells of a time that the board knows nothing of, or cannot be
/// written.
pub fn write(bundle: &Path, board: &EmulatedBoard, offset: Offset) -> io::Result<()> {
    let reader = BundleReader::open(bundle).map_err(io::Error::other)?;
    let spans = reader.table::<SpanRow>().map_err(io::Error::other)?;
    let history = board.history();
    let description = board.description();
    let mut text = "scope,component,image,name,start_ns,end_ns,quantity,subject,value\n".to_owned();
    for span in spans {
        let span = span.map_err(io::Error::other)?;
        if span.kind != SpanKind::Run {
            continue;
        }
        let SpanRow { component, name, start_ns, end_ns, .. } = span;
        let Some(within) = history.within(offset.our_span(start_ns..end_ns)) else {
            return Err(io::Error::other(format!(
                "the board knows nothing of {start_ns} to {end_ns}"
            )));
        };
        let seconds = (end_ns - start_ns) as f64 * 1e-9;
        let mut row = |quantity: TruthQuantity, subject: &str, value: f64| {
            let quantity = quantity.as_str();
            let row =
                format!("run,{component},,{name},{start_ns},{end_ns},{quantity},{subject},{value}");
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{row}");
        };
        for (rail, joules) in description.rails.iter().zip(&within.rail_joules) {
            let idle = rail.idle_power.watts() * seconds;
            row(TruthQuantity::ActiveJoules, rail.name(), joules - idle);
            row(TruthQuantity::TotalJoules, rail.name(), *joules);
        }
        let place = description.components.iter().position(|it| it.name() == component.as_str());
        let bytes = place.map_or(0.0, |place| within.component_bytes[place]);
        row(TruthQuantity::DramBytes, &component, bytes);
    }
    std::fs::write(bundle.join("truth.csv"), text)
}
