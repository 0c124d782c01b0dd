//! How far components go in step: whether images of one begin at the same phase of another's, time after
//! time.
//!
//! What an image draws differs from layer to layer. Where images of two components meet at random, each
//! layer of one meets each of the other, and what they draw beyond their mean averages out. Where they
//! go in step, it never does: nothing then tells the mean of one from the layers that the other always
//! meets.

use crate::images::Image;
use crate::spans::{Run, seconds};

/// Parts of an image; resting is one more.
const PHASES: usize = 8;
/// From fewer images nobody knows.
const FEWEST_IMAGES: usize = 8;

/// From 0, as if by chance, to 1, always the same: the largest of all pairs. For each pair the phases of
/// the one at the starts of the other's images, held against those at all times (total variation), less
/// what chance gives of so many images.
pub(super) fn in_step(lanes: &[&Run], start: u64, end: u64) -> f64 {
    let pairs = lanes.iter().enumerate().flat_map(|(a, one)| {
        let others = lanes.iter().enumerate().filter(move |(b, _)| *b != a);
        others.map(move |(_, other)| (one, other))
    });
    let of_pair = |(one, other): (&&Run, &&Run)| of_pair(one, other, seconds(start, end));
    pairs.map(of_pair).fold(0.0, f64::max)
}

fn of_pair(one: &Run, other: &Run, whole: f64) -> f64 {
    let count = one.images.len();
    if count < FEWEST_IMAGES || other.images.is_empty() {
        return if one.images.is_empty() || other.images.is_empty() { 0.0 } else { 1.0 };
    }
    let mut seen = [0.0; PHASES + 1];
    for image in &one.images {
        let next = other.images.partition_point(|it| it.end <= image.start);
        let at_work = other.images.get(next).filter(|it| it.start <= image.start);
        let phase = at_work.map_or(PHASES, |it| {
            let part = seconds(it.start, image.start) / seconds(it.start, it.end);
            ((part * PHASES as f64) as usize).min(PHASES - 1)
        });
        seen[phase] += 1.0 / count as f64;
    }
    let busy: f64 = other.images.iter().map(Image::seconds).sum::<f64>() / whole;
    let busy = busy.min(1.0);
    let mut expected = [busy / PHASES as f64; PHASES + 1];
    expected[PHASES] = 1.0 - busy;
    let apart = seen.iter().zip(expected).map(|(seen, expected)| (seen - expected).abs());
    // The mean of |x| of a normal x.
    let by_chance = expected.iter().map(|it| (it * (1.0 - it) / count as f64).sqrt());
    let by_chance = (2.0 / std::f64::consts::PI).sqrt() * by_chance.sum::<f64>();
    0.5 * (apart.sum::<f64>() - by_chance).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::Image;
    use crate::spans::Part;

    fn run(images: impl Iterator<Item = (u64, u64)>) -> Run {
        Run {
            id: None,
            network: "n".into(),
            component: "c".into(),
            start: 0,
            end: 100_000,
            whole: true,
            part: Part::Lane(0),
            images: images.map(|times| Image::new(times, None, None)).collect(),
        }
    }

    #[test]
    fn images_that_always_begin_together_are_in_step_and_others_are_not() {
        let one = run((0..100).map(|k| (1000 * k, 1000 * k + 600)));
        let same = run((0..100).map(|k| (1000 * k + 50, 1000 * k + 400)));
        let of = |other: &Run| in_step(&[&one, other], 0, 100_000);
        assert!(of(&same) > 0.6, "{}", of(&same));
        let slower = run((0..73).map(|k| (1370 * k, 1370 * k + 700)));
        assert!(of(&slower) < 0.15, "{}", of(&slower));
        assert_eq!(of(&run(std::iter::empty())), 0.0);
        assert_eq!(of(&run((0..3).map(|k| (1000 * k, 1000 * k + 600)))), 1.0);
    }
}
