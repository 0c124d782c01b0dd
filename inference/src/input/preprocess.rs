//! From pixels to the numbers that a network was trained on.

use std::fmt;

/// The order in which a network takes the colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelOrder {
    /// Red, green, blue: PyTorch, TensorFlow.
    Rgb,
    /// Blue, green, red: Caffe, which reads files through OpenCV.
    Bgr,
}

/// Constants that no pixel can be normalised with.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PreprocessingError {
    /// A mean that no pixel has.
    #[error("a mean of {0} lies outside of pixels' 0 to 255")]
    Mean(f32),
    /// A deviation below one step of a pixel.
    #[error(
        "a standard deviation of {0} is below 1: mean and deviation count in pixels of 0 to 255, \
         so multiply constants for pixels of 0 to 1 by 255"
    )]
    Deviation(f32),
}

/// What is done to the pixels of a photograph, from 0 to 255, after it was resized: the mean is
/// subtracted, the rest divided by the standard deviation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preprocessing {
    /// The order of the tensor's channels.
    order: ChannelOrder,
    /// Red, green, blue, in whatever order the channels are.
    mean: [f32; 3],
    /// Red, green, blue, in whatever order the channels are.
    deviation: [f32; 3],
}

impl Preprocessing {
    /// Torchvision's models: mean and deviation of ImageNet, 0.485, 0.456, 0.406 and 0.229, 0.224,
    /// 0.225 of a pixel's range (torchvision's documentation of its classification weights).
    pub const TORCHVISION: Self = Self {
        order: ChannelOrder::Rgb,
        mean: [123.675, 116.28, 103.53],
        deviation: [58.395, 57.12, 57.375],
    };

    /// Caffe's `bvlc_alexnet` and `bvlc_googlenet`: blue, green and red less 104, 117 and 123, the
    /// means of ImageNet that `bvlc_googlenet/train_val.prototxt` gives.
    pub const CAFFE: Self =
        Self { order: ChannelOrder::Bgr, mean: [123.0, 117.0, 104.0], deviation: [1.0; 3] };

    /// MobileNet as its authors published it: pixels brought to ±1 (`inception_preprocessing.py`
    /// of TensorFlow's models).
    pub const PLUS_MINUS_ONE: Self =
        Self { order: ChannelOrder::Rgb, mean: [127.5; 3], deviation: [127.5; 3] };

    /// Pixels of 0 to 255 less `mean`, over `deviation`, both as red, green, blue.
    ///
    /// # Errors
    ///
    /// [`PreprocessingError`] for constants that were meant for another range of pixels, or are no
    /// numbers.
    pub fn new(
        order: ChannelOrder,
        mean: [f32; 3],
        deviation: [f32; 3],
    ) -> Result<Self, PreprocessingError> {
        // Written so that NaN fails too.
        if let Some(&wrong) = mean.iter().find(|mean| !(0.0..=255.0).contains(*mean)) {
            return Err(PreprocessingError::Mean(wrong));
        }
        match deviation.iter().find(|deviation| !(**deviation >= 1.0 && deviation.is_finite())) {
            Some(&wrong) => Err(PreprocessingError::Deviation(wrong)),
            None => Ok(Self { order, mean, deviation }),
        }
    }

    /// The same with parts replaced by those that are given.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with(
        self,
        order: Option<ChannelOrder>,
        mean: Option<[f32; 3]>,
        deviation: Option<[f32; 3]>,
    ) -> Result<Self, PreprocessingError> {
        let (mean, deviation) = (mean.unwrap_or(self.mean), deviation.unwrap_or(self.deviation));
        Self::new(order.unwrap_or(self.order), mean, deviation)
    }

    /// Pixels of red, green and blue as the three planes of a tensor.
    pub(super) fn planes(&self, pixels: &[u8]) -> Vec<f32> {
        let colours = match self.order {
            ChannelOrder::Rgb => [0, 1, 2],
            ChannelOrder::Bgr => [2, 1, 0],
        };
        let mut values = Vec::with_capacity(pixels.len());
        for colour in colours {
            let (mean, deviation) = (self.mean[colour], self.deviation[colour]);
            let plane = pixels.iter().skip(colour).step_by(3);
            values.extend(plane.map(|&pixel| (f32::from(pixel) - mean) / deviation));
        }
        values
    }
}

/// In words, for the record of a run.
impl fmt::Display for Preprocessing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = match self.order {
            ChannelOrder::Rgb => "RGB",
            ChannelOrder::Bgr => "BGR",
        };
        let ([r, g, b], [dr, dg, db]) = (self.mean, self.deviation);
        write!(
            f,
            "shorter side scaled to 8/7 of the network's (bilinear, widened when shrinking), centre \
             cropped, {order}, (pixel − mean) / std with mean {r}, {g}, {b} and std {dr}, {dg}, {db} \
             for red, green, blue of 0 to 255"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_are_normalised_in_the_order_asked_for() {
        // Two pixels.
        let pixels = [10, 20, 30, 40, 50, 60];
        let rgb = Preprocessing::new(ChannelOrder::Rgb, [10.0, 20.0, 30.0], [1.0, 2.0, 3.0]);
        assert_eq!(rgb.unwrap().planes(&pixels), [0.0, 30.0, 0.0, 15.0, 0.0, 10.0]);
        let bgr = Preprocessing::new(ChannelOrder::Bgr, [10.0, 20.0, 30.0], [1.0, 2.0, 3.0]);
        assert_eq!(bgr.unwrap().planes(&pixels), [0.0, 10.0, 0.0, 15.0, 0.0, 30.0]);
    }

    /// Torchvision's own constants are of pixels from 0 to 1.
    #[test]
    fn constants_for_another_range_are_refused() {
        let torchvision = Preprocessing::new(ChannelOrder::Rgb, [0.485; 3], [0.229, 0.224, 0.225]);
        assert!(torchvision.unwrap_err().to_string().contains("multiply"), "times 255");
        for wrong in [f32::NAN, f32::INFINITY, -1.0, 256.0] {
            assert!(Preprocessing::TORCHVISION.with(None, Some([wrong; 3]), None).is_err());
        }
        assert!(Preprocessing::TORCHVISION.with(None, None, Some([f32::NAN; 3])).is_err());
    }
}
