//! The shape of an activation tensor.

use std::fmt;

/// The most elements that a tensor may have: 2^28, 1 GiB in FP32.
///
/// The largest activation of the study's networks is 802 816 elements (ResNet-50). The bound is
/// there so that a damaged or hostile file is refused before anything is allocated for it, and so
/// that sizes in bytes fit 32-bit ARM.
pub const MAX_ELEMENTS: usize = 1 << 28;

/// The shape of a tensor of one image: channels × height × width. The batch is always 1.
///
/// A vector, such as a fully connected layer's output, is a shape of 1 × 1 pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Number of channels.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Shape {
    /// A shape of `channels` × `height` × `width`.
    pub const fn new(channels: usize, height: usize, width: usize) -> Self {
        Self { channels, height, width }
    }

    /// A vector: `channels` × 1 × 1.
    pub const fn vector(channels: usize) -> Self {
        Self::new(channels, 1, 1)
    }

    /// Number of values, or `None` if a side is zero or the product exceeds [`MAX_ELEMENTS`].
    pub fn checked_elements(self) -> Option<usize> {
        let elements = self.channels.checked_mul(self.height)?.checked_mul(self.width)?;
        (1..=MAX_ELEMENTS).contains(&elements).then_some(elements)
    }

    /// Number of values. Saturates for shapes that no graph would accept.
    pub const fn elements(self) -> usize {
        self.channels.saturating_mul(self.pixels())
    }

    /// Number of positions: height × width. Saturates like [`elements`](Self::elements).
    pub const fn pixels(self) -> usize {
        self.height.saturating_mul(self.width)
    }

    /// The shape as N, C, H, W.
    pub const fn dims(self) -> [usize; 4] {
        [1, self.channels, self.height, self.width]
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1×{}×{}×{}", self.channels, self.height, self.width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_out_of_bounds_are_refused() {
        assert_eq!(Shape::new(3, 4, 5).checked_elements(), Some(60));
        assert_eq!(Shape::new(3, 0, 5).checked_elements(), None);
        assert_eq!(Shape::new(usize::MAX, 2, 1).checked_elements(), None);
        assert_eq!(Shape::new(MAX_ELEMENTS, 1, 2).checked_elements(), None);
    }

    #[test]
    fn prints_as_nchw() {
        assert_eq!(Shape::new(3, 224, 225).to_string(), "1×3×224×225");
    }
}
