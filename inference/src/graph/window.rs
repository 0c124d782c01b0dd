//! Sliding windows: what convolutions and pools share.

/// Rows and columns of something two-dimensional.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Extent {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Extent {
    /// `height` × `width`.
    pub const fn new(height: usize, width: usize) -> Self {
        Self { height, width }
    }

    /// `side` × `side`.
    pub const fn square(side: usize) -> Self {
        Self::new(side, side)
    }

    /// height × width. Saturates.
    pub const fn area(self) -> usize {
        self.height.saturating_mul(self.width)
    }
}

/// Rows and columns added around the image, per side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Padding {
    /// Rows above.
    pub top: usize,
    /// Columns to the left.
    pub left: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the right.
    pub right: usize,
}

impl Padding {
    /// The same padding on all four sides.
    pub const fn uniform(side: usize) -> Self {
        Self { top: side, left: side, bottom: side, right: side }
    }

    /// Whether nothing is added on any side.
    pub fn is_zero(self) -> bool {
        self == Self::default()
    }
}

/// The largest kernel, stride, dilation or padding that a window may have, per direction.
/// Far beyond any network's (AlexNet's 11 is the study's largest) and small enough that no
/// arithmetic on windows overflows.
const MAX_SIDE: usize = 4096;

/// A window and how it slides over the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    /// The window's size.
    pub kernel: Extent,
    /// How far it moves from one output to the next.
    pub stride: Extent,
    /// The distance between neighbouring taps; 1 is a dense window.
    pub dilation: Extent,
    /// The padding around the image.
    pub padding: Padding,
}

impl Window {
    /// A dense `kernel` × `kernel` window moving by `stride`, over an image padded by `padding`
    /// on every side.
    pub const fn square(kernel: usize, stride: usize, padding: usize) -> Self {
        Self {
            kernel: Extent::square(kernel),
            stride: Extent::square(stride),
            dilation: Extent::square(1),
            padding: Padding::uniform(padding),
        }
    }

    /// The number of positions that the window takes over an image of `image`, or `None` when
    /// the window is malformed or does not fit.
    ///
    /// With `ceil_mode`, a last window that hangs over the padded image's end counts too, unless
    /// it starts beyond the image and its leading padding: such a window would see no image
    /// (the rule of PyTorch, of Caffe, and of ONNX since opset 22).
    pub fn positions(&self, image: Extent, ceil_mode: bool) -> Option<Extent> {
        let Self { kernel, stride, dilation, padding } = self;
        let height = positions_along(
            image.height,
            kernel.height,
            stride.height,
            dilation.height,
            padding.top,
            padding.bottom,
            ceil_mode,
        )?;
        let width = positions_along(
            image.width,
            kernel.width,
            stride.width,
            dilation.width,
            padding.left,
            padding.right,
            ceil_mode,
        )?;
        Some(Extent { height, width })
    }

    /// The padding that makes a plain, rounding-down window take `positions` over `image`: ours,
    /// enlarged at the bottom and right where `ceil_mode` let the last window hang over.
    pub fn padding_for(&self, image: Extent, positions: Extent) -> Padding {
        let reach = |positions: usize, stride: usize, dilation: usize, kernel: usize| {
            (positions - 1) * stride + (kernel - 1) * dilation + 1
        };
        let rows =
            reach(positions.height, self.stride.height, self.dilation.height, self.kernel.height);
        let columns =
            reach(positions.width, self.stride.width, self.dilation.width, self.kernel.width);
        Padding {
            bottom: self.padding.bottom.max(rows.saturating_sub(image.height + self.padding.top)),
            right: self.padding.right.max(columns.saturating_sub(image.width + self.padding.left)),
            ..self.padding
        }
    }

    /// Whether neighbouring taps are neighbouring pixels.
    pub fn is_dense(&self) -> bool {
        self.dilation == Extent::square(1)
    }
}

fn positions_along(
    image: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    before: usize,
    after: usize,
    ceil_mode: bool,
) -> Option<usize> {
    let sides = [kernel, stride, dilation];
    if sides.iter().any(|side| !(1..=MAX_SIDE).contains(side)) || before.max(after) > MAX_SIDE {
        return None;
    }
    let reach = (kernel - 1) * dilation + 1;
    let slack = image.checked_add(before + after)?.checked_sub(reach)?;
    if !ceil_mode {
        return Some(slack / stride + 1);
    }
    let positions = slack.div_ceil(stride) + 1;
    let last_start = (positions - 1) * stride;
    Some(if last_start >= image + before { positions - 1 } else { positions })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(window: Window, side: usize, ceil_mode: bool) -> Option<usize> {
        window.positions(Extent::square(side), ceil_mode).map(|extent| extent.height)
    }

    #[test]
    fn known_layers_have_known_outputs() {
        assert_eq!(positions(Window::square(11, 4, 0), 227, false), Some(55));
        assert_eq!(positions(Window::square(7, 2, 3), 224, false), Some(112));
        assert_eq!(positions(Window::square(3, 2, 0), 112, false), Some(55));
        assert_eq!(positions(Window::square(3, 2, 0), 112, true), Some(56));
    }

    #[test]
    fn a_window_that_would_see_only_padding_is_dropped() {
        assert_eq!(positions(Window::square(2, 2, 1), 3, true), Some(2));
    }

    #[test]
    fn windows_that_do_not_fit_are_refused() {
        assert_eq!(positions(Window::square(3, 1, 0), 2, false), None);
        assert_eq!(positions(Window::square(3, 0, 0), 9, false), None);
        assert_eq!(positions(Window::square(0, 1, 0), 9, false), None);
        assert_eq!(positions(Window::square(usize::MAX, 1, 0), 9, false), None);
        assert_eq!(positions(Window::square(1, 1, usize::MAX), 9, false), None);
    }

    #[test]
    fn padding_grows_only_where_the_last_window_hangs_over() {
        let window = Window::square(3, 2, 0);
        let hanging = window.padding_for(Extent::square(112), Extent::square(56));
        assert_eq!(hanging, Padding { bottom: 1, right: 1, ..Padding::default() });
        let inside = window.padding_for(Extent::square(112), Extent::square(55));
        assert!(inside.is_zero());
    }
}
