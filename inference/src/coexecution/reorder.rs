//! Hands results on in stream order, whatever order they are finished in.
//!
//! The study's infrastructure "uses a buffer to reorder the out-of-sync output from different
//! components" (section V-A). This one is a ring with room for a fixed number of results, made
//! once. It pushes back through [`ReorderBuffer::limit`]: an image that it would have no room for
//! is not started. As the oldest image is always below the limit, the stream cannot lock up.

/// A bounded buffer that results enter in any order and leave in stream order, each once.
#[derive(Debug)]
pub struct ReorderBuffer<T> {
    slots: Box<[Option<T>]>,
    /// The image that leaves next.
    next: u64,
    held: usize,
}

/// A result was not taken into the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// There is a result for this image already, or it has left.
    #[error("image {0} already has its result")]
    Duplicate(u64),
    /// The image should not have been started yet.
    #[error("image {image} is beyond the reorder buffer's limit {limit}: start images below it")]
    BeyondLimit {
        /// The image.
        image: u64,
        /// First image without room.
        limit: u64,
    },
}

impl<T> ReorderBuffer<T> {
    /// A buffer for `capacity` results, the first of which is that of image 0. A capacity of
    /// zero is taken for one.
    pub fn new(capacity: usize) -> Self {
        let slots = std::iter::repeat_with(|| None).take(capacity.max(1)).collect();
        ReorderBuffer { slots, next: 0, held: 0 }
    }

    /// Takes an image's result.
    ///
    /// # Errors
    /// [`NotTaken`] if the image has its result already, or is not below [`Self::limit`].
    pub fn insert(&mut self, image: u64, result: T) -> Result<(), NotTaken> {
        if image >= self.limit() {
            return Err(NotTaken::BeyondLimit { image, limit: self.limit() });
        }
        if self.is_done(image) {
            return Err(NotTaken::Duplicate(image));
        }
        let slot = self.slot(image);
        self.slots[slot] = Some(result);
        self.held += 1;
        Ok(())
    }

    /// The next result in stream order, if it is there, with its image.
    pub fn pop(&mut self) -> Option<(u64, T)> {
        let image = self.next;
        let slot = self.slot(image);
        let result = self.slots[slot].take()?;
        self.next += 1;
        self.held -= 1;
        Some((image, result))
    }

    /// Whether [`Self::pop`] would answer.
    pub fn is_ready(&self) -> bool {
        self.slots[self.slot(self.next)].is_some()
    }

    /// Whether an image has its result: here, or gone.
    pub fn is_done(&self, image: u64) -> bool {
        image < self.next || (image < self.limit() && self.slots[self.slot(image)].is_some())
    }

    /// The image that leaves next: as many as have left.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The first image that there is no room for yet.
    pub fn limit(&self) -> u64 {
        self.next + self.slots.len() as u64
    }

    /// Results held.
    pub fn depth(&self) -> usize {
        self.held
    }

    fn slot(&self, image: u64) -> usize {
        (image % self.slots.len() as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a set without bounds or cleverness: the same answers to any inserts and pops.
        #[test]
        fn agrees_with_a_set(
            capacity in 1usize..9,
            steps in prop::collection::vec(prop::option::of(0u64..12), 1..200),
        ) {
            let mut buffer = ReorderBuffer::new(capacity);
            let mut inside = BTreeSet::new();
            let mut left = 0;
            for step in steps {
                match step {
                    Some(ahead) => {
                        // From two behind the head to beyond the limit.
                        let image = (left + ahead).saturating_sub(2);
                        let expected = if image >= left + capacity as u64 {
                            Err(NotTaken::BeyondLimit { image, limit: left + capacity as u64 })
                        } else if image < left || inside.contains(&image) {
                            Err(NotTaken::Duplicate(image))
                        } else {
                            inside.insert(image);
                            Ok(())
                        };
                        prop_assert_eq!(buffer.insert(image, image * 7), expected);
                    }
                    None => {
                        prop_assert_eq!(buffer.is_ready(), inside.contains(&left));
                        let expected = inside.remove(&left).then_some((left, left * 7));
                        left += u64::from(expected.is_some());
                        prop_assert_eq!(buffer.pop(), expected);
                    }
                }
                prop_assert_eq!(buffer.depth(), inside.len());
                prop_assert!(buffer.depth() <= capacity);
                prop_assert_eq!(buffer.next(), left);
            }
        }

        /// Any order of finishing that the limit allows leaves in stream order.
        #[test]
        fn any_order_leaves_in_order(capacity in 1u64..10, picks in prop::collection::vec(0usize..100, 1..100)) {
            let images = picks.len() as u64;
            let mut buffer = ReorderBuffer::new(capacity as usize);
            let mut open: Vec<u64> = Vec::new();
            let (mut started, mut left) = (0, Vec::new());
            for pick in picks {
                while started < buffer.limit().min(images) {
                    open.push(started);
                    started += 1;
                }
                let image = open.remove(pick % open.len());
                prop_assert_eq!(buffer.insert(image, ()), Ok(()));
                while let Some((image, ())) = buffer.pop() {
                    left.push(image);
                }
            }
            prop_assert_eq!(left, (0..images).collect::<Vec<_>>());
        }
    }
}
