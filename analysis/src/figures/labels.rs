//! Where the words beside points stand, so that they do not cover each other.

use super::scene::width_of;

/// A rectangle: left, top, right, bottom.
pub(super) type Extent = (f64, f64, f64, f64);

/// Places taken so far.
#[derive(Debug, Default)]
pub(super) struct Labels {
    taken: Vec<Extent>,
    /// Where words stand only if there is no other place.
    crossed: Vec<Extent>,
    within: Extent,
}

impl Labels {
    /// Words may stand in `within` alone.
    pub(super) fn new(within: Extent) -> Self {
        Labels { within, ..Labels::default() }
    }

    /// Nothing is written over a mark of this radius.
    pub(super) fn keep_clear(&mut self, at: (f64, f64), radius: f64) {
        self.taken.push((at.0 - radius, at.1 - radius, at.0 + radius, at.1 + radius));
    }

    /// Nothing is written over a line.
    pub(super) fn keep_line_clear(&mut self, line: &[(f64, f64)]) {
        self.taken.extend(line.windows(2).flat_map(|pair| along(pair[0], pair[1])));
    }

    /// Nor over this line, where words find another place.
    pub(super) fn keep_off(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.crossed.extend(along(from, to));
    }

    /// The middle of where a text beside a mark of this radius can stand; none if nowhere near.
    pub(super) fn place(
        &mut self,
        at: (f64, f64),
        radius: f64,
        text: &str,
        size: f64,
    ) -> Option<(f64, f64)> {
        let (half_width, half_height) = (0.5 * width_of(text, size) + 1.0, 0.6 * size);
        let (beside, above) = (radius + half_width + 3.0, radius + half_height + 1.0);
        let places = [
            (beside, 0.0),
            (0.0, -above),
            (0.0, above),
            (-beside, 0.0),
            (beside, -above),
            (beside, above),
            (-beside, -above),
            (-beside, above),
            (0.0, -2.2 * above),
            (0.0, 2.2 * above),
        ];
        let extent =
            |(x, y): (f64, f64)| (x - half_width, y - half_height, x + half_width, y + half_height);
        let is_free = |middle: &(f64, f64)| {
            let mine = extent(*middle);
            lies_in(mine, self.within) && self.taken.iter().all(|&taken| apart(mine, taken))
        };
        let crosses_none = |middle: &(f64, f64)| {
            self.crossed.iter().all(|&crossed| apart(extent(*middle), crossed))
        };
        let free = || places.into_iter().map(|(x, y)| (at.0 + x, at.1 + y)).filter(is_free);
        let free = free().find(crosses_none).or_else(|| free().next())?;
        self.taken.push(extent(free));
        Some(free)
    }
}

/// What a line covers.
fn along(from: (f64, f64), to: (f64, f64)) -> impl Iterator<Item = Extent> {
    const REACH: f64 = 1.5;
    let steps = ((to.0 - from.0).hypot(to.1 - from.1) / 4.0).ceil().max(1.0);
    (0..=steps as u32).map(move |step| {
        let share = f64::from(step) / steps;
        let (x, y) = (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1));
        (x - REACH, y - REACH, x + REACH, y + REACH)
    })
}

fn lies_in(one: Extent, other: Extent) -> bool {
    one.0 >= other.0 && one.1 >= other.1 && one.2 <= other.2 && one.3 <= other.3
}

fn apart(one: Extent, other: Extent) -> bool {
    one.2 <= other.0 || other.2 <= one.0 || one.3 <= other.1 || other.3 <= one.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_label_covers_another() {
        let mut labels = Labels::new((0.0, 0.0, 300.0, 300.0));
        let found: Vec<_> =
            (0..20).map(|_| labels.place((150.0, 150.0), 4.0, "conv1", 10.0)).collect();
        let placed = found.iter().flatten().count();
        assert!((4..20).contains(&placed), "{placed}");
        for (index, one) in labels.taken.iter().enumerate() {
            assert!(labels.taken[index + 1..].iter().all(|other| apart(*one, *other)));
        }
    }

    #[test]
    fn a_label_keeps_off_a_line_if_it_can() {
        let mut labels = Labels::new((0.0, 0.0, 300.0, 300.0));
        labels.keep_off((150.0, 150.0), (300.0, 150.0));
        let (_, y) = labels.place((150.0, 150.0), 4.0, "conv1", 10.0).unwrap();
        assert!((y - 150.0).abs() > 5.0, "{y}");
        let mut narrow = Labels::new((0.0, 140.0, 300.0, 160.0));
        narrow.keep_off((0.0, 150.0), (300.0, 150.0));
        assert!(narrow.place((150.0, 150.0), 4.0, "conv1", 10.0).is_some());
    }
}
