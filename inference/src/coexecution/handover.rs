//! Where an image's tensors wait between two components of a pipeline.

use std::sync::{Arc, Mutex, PoisonError};

use crate::tensor::Tensor;

/// The tensors of images that are between two stages, shared by the engines of a run.
///
/// There is a place for each image that may be on its way at a time, so memory is bounded by the
/// run's window. What waits is kept until the image has come further: a component that takes over
/// from one that failed finds it again. A component that was given up and ends after all puts
/// nothing here that would set an image back, and never touches a later one.
#[derive(Debug)]
pub struct Handover {
    places: Box<[Mutex<Option<Waiting>>]>,
}

#[derive(Debug)]
struct Waiting {
    image: u64,
    /// The layer that comes next.
    layer: usize,
    live: Arc<[Tensor]>,
}

impl Handover {
    /// For runs with at most `window` images on their way at a time, as
    /// [`Settings::window`](super::Settings::window) says.
    pub fn new(window: usize) -> Arc<Self> {
        let places = (0..window.max(1)).map(|_| Mutex::default()).collect();
        Arc::new(Self { places })
    }

    /// What `image` goes on from at `layer`, if it came that far.
    pub(super) fn get(&self, image: u64, layer: usize) -> Option<Arc<[Tensor]>> {
        let place = self.place(image).lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = place.as_ref().filter(|it| (it.image, it.layer) == (image, layer))?;
        Some(Arc::clone(&waiting.live))
    }

    /// Keeps what `image` goes on from at `layer`.
    pub(super) fn put(&self, image: u64, layer: usize, live: Vec<Tensor>) {
        let mut place = self.place(image).lock().unwrap_or_else(PoisonError::into_inner);
        if place.as_ref().is_none_or(|it| (it.image, it.layer) < (image, layer)) {
            *place = Some(Waiting { image, layer, live: live.into() });
        }
    }

    fn place(&self, image: u64) -> &Mutex<Option<Waiting>> {
        &self.places[(image % self.places.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Shape;

    fn tensor(value: f32) -> Vec<Tensor> {
        vec![Tensor::new(Shape::vector(1), vec![value]).unwrap()]
    }

    #[test]
    fn an_image_is_never_set_back() {
        let handover = Handover::new(2);
        handover.put(4, 3, tensor(1.0));
        assert_eq!(handover.get(4, 3).unwrap()[0].values(), [1.0]);
        handover.put(4, 5, tensor(2.0));
        handover.put(4, 3, tensor(3.0));
        assert!(handover.get(4, 3).is_none());
        assert_eq!(handover.get(4, 5).unwrap()[0].values(), [2.0]);
    }

    #[test]
    fn a_late_worker_leaves_the_next_image_alone() {
        let handover = Handover::new(2);
        handover.put(6, 1, tensor(6.0));
        handover.put(4, 5, tensor(4.0));
        assert!(handover.get(4, 5).is_none());
        assert_eq!(handover.get(6, 1).unwrap()[0].values(), [6.0]);
    }
}
