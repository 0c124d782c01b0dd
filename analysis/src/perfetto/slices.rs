//! Spans as slices: each component has a track, on which images lie in runs and layers in images.

use wattline_trace::rows::SpanRow;
use wattline_trace::{BundleReader, Name};

use super::Writer;
use super::schema::{DebugAnnotation, TrackEvent};
use crate::batch::Fault;

pub(super) fn write(bundle: &BundleReader, trace: &mut Writer<'_>, root: u64) -> Result<(), Fault> {
    let mut spans = bundle.table::<SpanRow>()?.collect::<Result<Vec<_>, _>>()?;
    // What contains comes before what is contained: a longer span that starts together, and of two
    // that are alike the run before the image before the layer.
    spans.sort_by(|a, b| {
        let key = |it: &SpanRow| (it.start_ns, std::cmp::Reverse(it.end_ns), it.kind as u8, it.id);
        key(a).cmp(&key(b))
    });
    let mut components: Vec<Name> = spans.iter().map(|span| span.component.clone()).collect();
    components.sort_unstable();
    components.dedup();
    for component in components {
        let mut lanes: Vec<Lane> = Vec::new();
        for span in spans.iter().filter(|span| span.component == component) {
            let place = match lanes.iter_mut().position(|lane| lane.takes(span)) {
                Some(place) => place,
                None => {
                    // Spans of a component that overlap and do not nest: a slice cannot do that.
                    let name = match lanes.len() {
                        0 => component.to_string(),
                        more => format!("{component} ({})", more + 1),
                    };
                    lanes.push(Lane { track: trace.track(&name, Some(root), None)?, open: vec![] });
                    lanes.len() - 1
                }
            };
            lanes[place].begin(span, trace)?;
        }
        for mut lane in lanes {
            lane.end_before(u64::MAX, trace)?;
        }
    }
    Ok(())
}

/// A track, and the ends of the slices that are open on it, the innermost last.
struct Lane {
    track: u64,
    open: Vec<u64>,
}

impl Lane {
    /// Whether a span that starts no earlier than those before it nests in what is open.
    fn takes(&self, span: &SpanRow) -> bool {
        let around = self.open.iter().rev().find(|end| **end > span.start_ns);
        around.is_none_or(|end| *end >= span.end_ns)
    }

    fn begin(&mut self, span: &SpanRow, trace: &mut Writer<'_>) -> Result<(), Fault> {
        self.end_before(span.start_ns, trace)?;
        let known = [
            ("image", span.image),
            ("flops", span.flops),
            ("bytes in theory", span.bytes_theoretical),
        ];
        let annotations = known
            .into_iter()
            .filter_map(|(name, value)| value.map(|value| DebugAnnotation::count(name, value)));
        let name = match (span.kind, span.image) {
            (wattline_trace::rows::SpanKind::Image, Some(image)) => {
                format!("{} #{image}", span.name)
            }
            _ => span.name.to_string(),
        };
        let category = span.kind.as_str();
        let event = TrackEvent::begin(self.track, name, category, annotations.collect());
        trace.event(span.start_ns, event)?;
        self.open.push(span.end_ns);
        Ok(())
    }

    /// Ends the slices that end by then.
    fn end_before(&mut self, t_ns: u64, trace: &mut Writer<'_>) -> Result<(), Fault> {
        while let Some(&end) = self.open.last().filter(|end| **end <= t_ns) {
            self.open.pop();
            trace.event(end, TrackEvent::end(self.track))?;
        }
        Ok(())
    }
}
