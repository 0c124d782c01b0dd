//! Logarithmic and linear axes: where a value stands, and which values are written beside them.

/// Where values stand between two places.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    /// The least and the greatest value; logarithms of a logarithmic axis.
    from: f64,
    to: f64,
    /// Where those stand.
    start: f64,
    end: f64,
    logarithmic: bool,
}

impl Axis {
    /// An axis that holds all `values`, with room beyond them; those not above zero are left out.
    pub(super) fn logarithmic(values: impl Iterator<Item = f64>, start: f64, end: f64) -> Self {
        let positive = values.filter(|value| *value > 0.0 && value.is_finite());
        let logarithms = positive.map(f64::log10);
        let (least, most) = logarithms
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), it| (a.min(it), b.max(it)));
        let (least, most) = if least <= most { (least, most) } else { (0.0, 1.0) };
        // A factor of 1.6 to each side.
        Axis { from: least - 0.2, to: most + 0.2, start, end, logarithmic: true }
    }

    /// An axis from zero to the largest of `values`.
    pub(super) fn from_zero(values: impl Iterator<Item = f64>, start: f64, end: f64) -> Self {
        let most = values.filter(|value| value.is_finite()).fold(0.0, f64::max);
        let to = if most > 0.0 { most } else { 1.0 };
        Axis { from: 0.0, to, start, end, logarithmic: false }
    }

    /// Where a value stands.
    pub(super) fn at(&self, value: f64) -> f64 {
        let value = if self.logarithmic { value.log10() } else { value };
        self.start + (value - self.from) / (self.to - self.from) * (self.end - self.start)
    }

    /// The value at its start, and that at its end.
    pub(super) fn range(&self) -> (f64, f64) {
        match self.logarithmic {
            true => (10f64.powf(self.from), 10f64.powf(self.to)),
            false => (self.from, self.to),
        }
    }

    /// The values to write beside it, no closer than `apart`.
    pub(super) fn ticks(&self, apart: f64) -> Vec<f64> {
        let most = ((self.end - self.start).abs() / apart).max(1.0);
        if !self.logarithmic {
            let step = round_up((self.to - self.from) / most);
            let count = ((self.to - self.from) / step + 1e-9) as u64;
            return (0..=count).map(|index| self.from + step * index as f64).collect();
        }
        let choices: [&[f64]; 3] = [&[1.0, 2.0, 5.0], &[1.0, 3.0], &[1.0]];
        let ticks = |parts: &[f64]| -> Vec<f64> {
            let decades = self.from.floor() as i32..=self.to.ceil() as i32;
            let all = decades.flat_map(|it| parts.iter().map(move |part| part * 10f64.powi(it)));
            all.filter(|it| (self.from..=self.to).contains(&it.log10())).collect()
        };
        let fitting = choices.iter().map(|parts| ticks(parts)).find(|it| it.len() as f64 <= most);
        fitting.unwrap_or_else(|| {
            let all = ticks(&[1.0]);
            let every = (all.len() as f64 / most).ceil().max(1.0) as usize;
            all.into_iter().step_by(every).collect()
        })
    }
}

/// The next of 1, 2, 5, 10, 20, 50, …
fn round_up(step: f64) -> f64 {
    let decade = 10f64.powf(step.log10().floor());
    let part = [1.0, 2.0, 5.0].into_iter().find(|part| part * decade >= step * (1.0 - 1e-9));
    part.unwrap_or(10.0) * decade
}

/// A value beside an axis or a bar: four digits, no needless zeros.
pub(crate) fn written(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let magnitude = value.abs().log10().floor();
    if !(-4.0..7.0).contains(&magnitude) {
        return format!("{value:.2e}");
    }
    let decimals = (3.0 - magnitude).max(0.0) as usize;
    let text = format!("{value:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// Half of an interval behind its value: two digits, for more are not known.
pub(crate) fn uncertainty(half_width: f64) -> String {
    if half_width == 0.0 || !half_width.is_finite() {
        return written(half_width);
    }
    let decade = 10f64.powf(half_width.abs().log10().floor() - 1.0);
    written((half_width / decade).round() * decade)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_lies_on_the_axis() {
        let axis = Axis::logarithmic([0.5, 80.0, 0.0, f64::NAN].into_iter(), 10.0, 110.0);
        for value in [0.5, 80.0] {
            assert!((10.0..=110.0).contains(&axis.at(value)), "{value}");
        }
        assert_eq!(axis.ticks(12.0), [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
        assert_eq!(axis.ticks(15.0), [1.0, 3.0, 10.0, 30.0, 100.0]);
    }

    #[test]
    fn ticks_are_round_and_not_too_many() {
        let axis = Axis::from_zero([7.3].into_iter(), 0.0, 400.0);
        assert_eq!(axis.ticks(80.0), [0.0, 2.0, 4.0, 6.0]);
        for most in [3.0, 1e-9, 12_345.0] {
            let ticks = Axis::from_zero([most].into_iter(), 0.0, 300.0).ticks(60.0);
            assert!((2..=6).contains(&ticks.len()), "{most}: {ticks:?}");
        }
        let wide = Axis::logarithmic([1e-9, 1e9].into_iter(), 0.0, 100.0).ticks(30.0);
        assert!(wide.len() <= 4, "{wide:?}");
    }

    #[test]
    fn numbers_carry_no_needless_zeros() {
        let shown = [0.0, 0.5, 20.0, 1.2344, 98_765.0, 1e-7, 1e9].map(written);
        assert_eq!(shown, ["0", "0.5", "20", "1.234", "98765", "1.00e-7", "1.00e9"]);
        let uncertain = [0.0, 0.001_539, 0.051_18, 12.345, 3.0].map(uncertainty);
        assert_eq!(uncertain, ["0", "0.0015", "0.051", "12", "3"]);
    }
}
