//! How many images' worth of work each component of a co-execution did.

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::held::Held;
use crate::images::Image;
use crate::spans::Run;

/// What work an image is altogether.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Whole {
    index: u64,
    weight: f64,
}

/// For each run the images it did, a shared image counted by the run's share of its work. Over all
/// runs that is the number of distinct images.
///
/// In a pipeline several components run layers of one image; an image that was run again elsewhere
/// is shared too. Work is counted in floating-point operations, or in time where an image says
/// nothing of them.
pub(crate) fn images_worth(runs: &[&Run]) -> Vec<f64> {
    let images = || runs.iter().flat_map(|run| &run.images);
    let flops = |image: &Image| image.flops().filter(|&flops| flops > 0);
    let flops_known = images().all(|image| flops(image).is_some());
    let weight = |image: &Image| match flops(image) {
        Some(flops) if flops_known => flops as f64,
        _ => (image.end - image.start).max(1) as f64,
    };
    let part = |image: &Image| Some(Whole { index: image.index()?, weight: weight(image) });
    let mut parts: Held<Whole> = images().filter_map(part).collect();
    parts.sort_by_key(|part| part.index);
    let mut wholes: Held<Whole> = Held::default();
    for part in &parts {
        match wholes.last_mut().filter(|whole| whole.index == part.index) {
            Some(whole) => whole.weight += part.weight,
            None => wholes.push(*part),
        }
    }
    let whole = |index: u64| wholes.binary_search_by_key(&index, |whole| whole.index).ok();
    let share = |image: &Image| match image.index().and_then(whole) {
        Some(place) => weight(image) / wholes[place].weight,
        None => 1.0,
    };
    runs.iter().map(|run| run.images.iter().map(share).sum()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spans::Part;

    fn run(images: &[(Option<u64>, Option<u64>)]) -> Run {
        let image = |&(index, flops)| Image::new((0, 10), index, flops);
        Run {
            id: None,
            network: "n".into(),
            component: "c".into(),
            start: 0,
            end: 10,
            whole: true,
            part: Part::Lane(0),
            images: images.iter().map(image).collect(),
        }
    }

    #[test]
    fn a_shared_image_is_shared_by_its_work() {
        let one = run(&[(Some(0), Some(30)), (Some(1), Some(7))]);
        let two = run(&[(Some(0), Some(10)), (None, Some(5))]);
        assert_eq!(images_worth(&[&one, &two]), [1.75, 1.25]);
        let silent = run(&[(Some(0), None)]);
        assert_eq!(images_worth(&[&one, &silent]), [1.5, 0.5], "by time");
    }
}
