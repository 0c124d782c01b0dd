//! Events that cast doubt on a recording, as warnings.

use wattline_trace::rows::{EventKind, EventRow};
use wattline_trace::{BundleReader, Row};

use crate::error::AnalysisError;
use crate::table::for_each_row;

/// How often something happened, and the first time in words.
#[derive(Debug)]
struct Tally {
    kind: EventKind,
    count: u64,
    first: String,
}

/// Warns of each kind of event that a reader of the numbers must know of.
///
/// # Errors
/// If the table is damaged.
pub(crate) fn warn_of_events(
    bundle: &BundleReader,
    warnings: &mut Vec<String>,
) -> Result<(), AnalysisError> {
    if !bundle.has::<EventRow>() {
        let missing = format!("{} is missing: drops and errors are not known", EventRow::FILE);
        warnings.push(missing);
        return Ok(());
    }
    let mut tallies: Vec<Tally> = Vec::new();
    for_each_row::<EventRow>(bundle, warnings, |_, event, _| {
        let Some(_) = meaning(event.kind) else { return Ok(()) };
        match tallies.iter_mut().find(|tally| tally.kind == event.kind) {
            Some(tally) => tally.count = tally.count.saturating_add(event.count),
            None => tallies.push(Tally {
                kind: event.kind,
                count: event.count,
                first: format!("{}: {}", event.source, event.detail),
            }),
        }
        Ok(())
    })?;
    for Tally { kind, count, first } in &tallies {
        if let Some(meaning) = meaning(*kind) {
            warnings.push(format!("{meaning} ({count} ×; first: {first})"));
        }
    }
    Ok(())
}

/// What a kind of event means for the numbers; nothing for those that are in order.
fn meaning(kind: EventKind) -> Option<&'static str> {
    match kind {
        EventKind::Drop => Some("readings were lost because a queue was full"),
        EventKind::Overrun => Some("the sampler missed deadlines"),
        EventKind::SensorError => Some("a sensor or counter answered wrongly"),
        EventKind::ChannelGone => Some("a sensor or counter went away for the rest of the run"),
        EventKind::Throttle => Some("the chip slowed itself down"),
        EventKind::ComponentFault => {
            Some("a component failed or stalled, and others went on without it")
        }
        EventKind::WriteError => Some("rows could not be written"),
        EventKind::Frequency | EventKind::Interrupted | EventKind::Note => None,
    }
}
