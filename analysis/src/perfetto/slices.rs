//! Spans as slices: each component has a track, on which images lie in runs and layers in images.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use wattline_trace::rows::{SpanKind, SpanRow};
use wattline_trace::{BundleReader, Name};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::Writer;
use super::schema::{DebugAnnotation, TrackEvent};
use crate::batch::Fault;
use crate::held::{Held, Maybe};

/// A span but for its component.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Slice {
    start: u64,
    end: u64,
    id: u64,
    kind: u64,
    /// Which of the names.
    name: u64,
    image: Maybe,
    flops: Maybe,
    bytes_theoretical: Maybe,
}

/// Names of spans, each once.
#[derive(Default)]
struct Names {
    names: Vec<Name>,
    places: HashMap<Name, u64>,
}

pub(super) fn write(bundle: &BundleReader, trace: &mut Writer<'_>, root: u64) -> Result<(), Fault> {
    let mut names = Names::default();
    let mut components: BTreeMap<Name, Held<Slice>> = BTreeMap::new();
    for span in bundle.table::<SpanRow>()? {
        let span = span?;
        let slice = Slice::of(&span, &mut names);
        components.entry(span.component).or_default().push(slice);
    }
    for (component, mut slices) in components {
        // What contains comes before what is contained: a longer span that starts together, and of
        // two that are alike the run before the image before the layer.
        slices.sort_by_key(|it| (it.start, Reverse(it.end), it.kind, it.id));
        let mut lanes: Vec<Lane> = Vec::new();
        for span in &slices {
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
            lanes[place].begin(span, &names, trace)?;
        }
        for mut lane in lanes {
            lane.end_before(u64::MAX, trace)?;
        }
    }
    Ok(())
}

impl Slice {
    fn of(span: &SpanRow, names: &mut Names) -> Self {
        Slice {
            start: span.start_ns,
            end: span.end_ns,
            id: span.id,
            kind: span.kind as u64,
            name: names.place(&span.name),
            image: span.image.into(),
            flops: span.flops.into(),
            bytes_theoretical: span.bytes_theoretical.into(),
        }
    }

    fn kind(&self) -> SpanKind {
        let kinds = [SpanKind::Run, SpanKind::Image, SpanKind::Layer];
        let of_number = kinds.into_iter().find(|kind| *kind as u64 == self.kind);
        of_number.unwrap_or(SpanKind::Preparation)
    }
}

impl Names {
    fn place(&mut self, name: &Name) -> u64 {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let place = self.names.len() as u64;
        self.names.push(name.clone());
        self.places.insert(name.clone(), place);
        place
    }
}

/// A track, and the ends of the slices that are open on it, the innermost last.
struct Lane {
    track: u64,
    open: Vec<u64>,
}

impl Lane {
    /// Whether a span that starts no earlier than those before it nests in what is open.
    fn takes(&self, span: &Slice) -> bool {
        let around = self.open.iter().rev().find(|end| **end > span.start);
        around.is_none_or(|end| *end >= span.end)
    }

    fn begin(&mut self, span: &Slice, names: &Names, trace: &mut Writer<'_>) -> Result<(), Fault> {
        self.end_before(span.start, trace)?;
        let known = [
            ("image", span.image),
            ("flops", span.flops),
            ("bytes in theory", span.bytes_theoretical),
        ];
        let annotations = known
            .into_iter()
            .filter_map(|(name, value)| Some(DebugAnnotation::count(name, value.get()?)));
        let name = &names.names[span.name as usize];
        let name = match (span.kind(), span.image.get()) {
            (SpanKind::Image, Some(image)) => format!("{name} #{image}"),
            _ => name.to_string(),
        };
        let category = span.kind().as_str();
        let event = TrackEvent::begin(self.track, name, category, annotations.collect());
        trace.event(span.start, event)?;
        self.open.push(span.end);
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
