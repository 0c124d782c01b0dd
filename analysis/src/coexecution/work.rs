//! How many images' worth of work each component of a co-execution did.

use std::collections::HashMap;

use crate::spans::{Image, Run};

/// For each run the images it did, a shared image counted by the run's share of its work. Over all
/// runs that is the number of distinct images.
///
/// In a pipeline several components run layers of one image; an image that was run again elsewhere
/// is shared too. Work is counted in floating-point operations, or in time where an image says
/// nothing of them.
pub(crate) fn images_worth(runs: &[&Run]) -> Vec<f64> {
    let images = || runs.iter().flat_map(|run| &run.images);
    let flops = |image: &Image| image.flops.filter(|&flops| flops > 0);
    let flops_known = images().all(|image| flops(image).is_some());
    let weight = |image: &Image| match flops(image) {
        Some(flops) if flops_known => flops as f64,
        _ => (image.end - image.start).max(1) as f64,
    };
    let mut whole: HashMap<u64, f64> = HashMap::new();
    for image in images() {
        if let Some(index) = image.index {
            *whole.entry(index).or_default() += weight(image);
        }
    }
    let share = |image: &Image| match image.index.and_then(|index| whole.get(&index)) {
        Some(whole) => weight(image) / whole,
        None => 1.0,
    };
    runs.iter().map(|run| run.images.iter().map(share).sum()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spans::Part;

    fn run(images: &[(Option<u64>, u64)]) -> Run {
        let image = |&(index, flops)| Image {
            index,
            start: 0,
            end: 10,
            flops: Some(flops),
            bytes_theoretical: None,
        };
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
        let (one, two) = (run(&[(Some(0), 30), (Some(1), 7)]), run(&[(Some(0), 10), (None, 5)]));
        assert_eq!(images_worth(&[&one, &two]), [1.75, 1.25]);
        let mut silent = run(&[(Some(0), 0)]);
        silent.images[0].flops = None;
        assert_eq!(images_worth(&[&one, &silent]), [1.5, 0.5], "by time");
    }
}
