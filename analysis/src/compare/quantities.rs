//! What an analysis keeps of each row so that it can be compared.

use wattline_trace::Name;

use crate::held::Held;
use crate::images::Image;
use crate::interval::Interval;
use crate::power::moments::Moments;
use crate::power::variance::STAMP_S;
use crate::quantity::Quantity;
use crate::recording::Recording;
use crate::spans::{Part, seconds};

/// Batches of images in a row that means are taken of.
const MOST_BATCHES: usize = 20;
/// Fewest of them that say anything.
const FEWEST_BATCHES: usize = 4;

/// Numbers of a row of the summary; none where they are not known, or their error is not.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RowQuantities {
    pub(crate) joules_per_image: Option<Quantity>,
    pub(crate) images_per_s: Option<Quantity>,
    pub(crate) dram_bytes_per_image: Option<Quantity>,
}

/// Numbers of a row of the layers.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct LayerQuantities {
    /// The policy under which the component ran, where it ran beside others.
    pub(crate) policy: Option<Name>,
    pub(crate) joules_per_image: Option<Quantity>,
    pub(crate) seconds_per_image: Option<Quantity>,
    pub(crate) dram_bytes_per_image: Option<Quantity>,
}

/// How much the mean of a series varies, by means of its batches: as a share of its square, and on how
/// many degrees of freedom that rests.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spread {
    relative: f64,
    freedom: f64,
}

impl Spread {
    fn of(series: impl ExactSizeIterator<Item = f64>) -> Option<Self> {
        let each = (series.len() / MOST_BATCHES).max(1);
        let batches = series.len() / each;
        if batches < FEWEST_BATCHES {
            return None;
        }
        let mut means = Moments::default();
        let mut series = series;
        for _ in 0..batches {
            means.add(series.by_ref().take(each).sum::<f64>() / each as f64);
        }
        let relative = means.variance() / batches as f64 / means.mean.powi(2);
        relative.is_finite().then_some(Spread { relative, freedom: (batches - 1) as f64 })
    }

    /// Adds it to what is known of a number.
    fn widen(self, mut quantity: Quantity) -> Quantity {
        let variance = quantity.value.powi(2) * self.relative;
        quantity.own += variance;
        quantity.freedom += variance * variance / self.freedom;
        quantity
    }
}

/// The quantities of run `index`, of numbers that its row shows.
pub(crate) fn of_run(
    recording: &Recording<'_>,
    index: usize,
    energy: Option<Quantity>,
    images_per_s: Option<f64>,
    dram_bytes: Option<Quantity>,
) -> RowQuantities {
    let images = images(recording, index);
    let durations = || images.iter().map(|image| image.seconds());
    let mut ends: Held<u64> = images.iter().map(|image| image.to).collect();
    ends.sort_by_key(|end| *end);
    let apart = ends.windows(2).map(|pair| seconds(pair[0], pair[1]));
    let whole = durations().sum::<f64>().max(f64::MIN_POSITIVE);
    let rate = |value: f64| Quantity {
        value,
        own: value.powi(2) * 2.0 * (STAMP_S / whole).powi(2),
        clock: value * recording.clock_rate() / 3f64.sqrt(),
        ..Quantity::default()
    };
    RowQuantities {
        joules_per_image: energy.zip(Spread::of(durations())).map(|(it, spread)| spread.widen(it)),
        images_per_s: images_per_s
            .zip(Spread::of(apart))
            .map(|(it, spread)| spread.widen(rate(it))),
        dram_bytes_per_image: dram_bytes,
    }
}

/// When images ran: the run's own, or those of all components of a co-execution.
fn images(recording: &Recording<'_>, index: usize) -> Held<Interval> {
    let runs = &recording.spans.runs;
    let own = [index];
    let parts = match (runs[index].part, recording.coexecution(index)) {
        (Part::All(_), Some(together)) => &together.lanes[..],
        _ => &own[..],
    };
    let of_parts = parts.iter().flat_map(|&part| &runs[part].images);
    let mut images: Held<Interval> = of_parts.map(Image::interval).collect();
    images.sort_by_key(|image| *image);
    images
}

/// Seconds of a layer, from its times in images; none where they are too few.
pub(crate) fn layer_seconds(times: &Moments, clock_rate: f64) -> Option<Quantity> {
    let count = times.count as f64;
    if times.count < FEWEST_BATCHES as u64 {
        return None;
    }
    let own = times.variance() / count;
    Some(Quantity {
        value: times.mean,
        own: own + 2.0 * (STAMP_S / count.sqrt()).powi(2) / count,
        freedom: own * own / (count - 1.0),
        clock: times.mean * clock_rate / 3f64.sqrt(),
        ..Quantity::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_in_slow_waves_varies_more_than_one_of_chance() {
        let chance: Vec<f64> = (0..400).map(|k| 1.0 + 0.01 * f64::from(k * 37 % 11 - 5)).collect();
        let waves: Vec<f64> = (0..400).map(|k| 1.0 + 0.05 * (f64::from(k) / 60.0).sin()).collect();
        let relative = |series: &[f64]| Spread::of(series.iter().copied()).unwrap().relative.sqrt();
        assert!(relative(&chance) < 0.003, "{}", relative(&chance));
        assert!(relative(&waves) > 0.006, "{}", relative(&waves));
        assert_eq!(Spread::of([1.0; 3].into_iter()), None);
        assert_eq!(relative(&[1.0; 30]), 0.0);
    }
}
