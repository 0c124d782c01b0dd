//! From a file to a tensor.

use std::io;
use std::path::Path;

use image::imageops::{self, FilterType};
use image::{ImageReader, Limits, RgbImage};

use super::Preprocessing;
use crate::graph::Shape;
use crate::tensor::Tensor;

/// What decoding one file may allocate: 85 megapixels of 24 bits, and no more on a hostile
/// file's word.
const MAX_BYTES: u64 = 256 << 20;

/// The longer side over the shorter: beyond it, scaling the shorter side up would take memory for
/// what is cropped away.
const MAX_SLENDERNESS: u32 = 16;

/// Why a file is no image for a network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// It cannot be decoded: damaged, cut short, too large, or of another format.
    #[error("cannot be decoded: {0}")]
    Decode(#[from] image::ImageError),
    /// It is a sliver.
    #[error(
        "is {width}×{height} pixels: its longer side is over {MAX_SLENDERNESS} times the shorter, \
         and the middle that a network sees is next to nothing of it"
    )]
    Slender {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The network does not take colours.
    #[error(
        "has red, green and blue, and the network takes {0}; a network of 3 channels is supported"
    )]
    Channels(Shape),
}

/// The JPEG or PNG file at `path`, told by its content, as a tensor of `shape`.
///
/// The photograph is scaled until it covers 8/7 of the network's height and width (256 for 224;
/// the shorter side decides), keeping its proportions, and the network's height and width are cut
/// out of its middle: the usual evaluation of ImageNet classifiers (`Resize(256)`, `CenterCrop(224)`
/// in torchvision). The filter is bilinear and widened when shrinking, as Pillow's; `image` calls it
/// `Triangle`. Transparency is dropped; a rotation that a camera noted is not applied, as in
/// torchvision's data sets.
///
/// # Errors
///
/// [`ImageError`], to be prefixed with the file's name.
pub fn decode(
    path: &Path,
    shape: Shape,
    preprocessing: &Preprocessing,
) -> Result<Tensor, ImageError> {
    if shape.channels != 3 {
        return Err(ImageError::Channels(shape));
    }
    let photograph = read(path)?;
    let (width, height) = photograph.dimensions();
    if width.max(height) > MAX_SLENDERNESS * width.min(height) {
        return Err(ImageError::Slender { width, height });
    }
    let crop = crop(&photograph, shape.width as u32, shape.height as u32);
    Ok(Tensor::of_checked(shape, preprocessing.planes(crop.as_raw())))
}

fn read(path: &Path) -> Result<RgbImage, ImageError> {
    let mut reader = ImageReader::open(path)?.with_guessed_format()?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits);
    Ok(reader.decode()?.into_rgb8())
}

/// The middle of `photograph`, scaled, in `width` × `height` pixels.
fn crop(photograph: &RgbImage, width: u32, height: u32) -> RgbImage {
    let enlarged = |side: u32| (f64::from(side) * 8.0 / 7.0).round();
    let (columns, rows) = photograph.dimensions();
    let scale = (enlarged(width) / f64::from(columns)).max(enlarged(height) / f64::from(rows));
    let scaled = |side: u32, least: u32| ((f64::from(side) * scale).round() as u32).max(least);
    let (columns, rows) = (scaled(columns, width), scaled(rows, height));
    let resized = imageops::resize(photograph, columns, rows, FilterType::Triangle);
    let (left, top) = ((columns - width) / 2, (rows - height) / 2);
    imageops::crop_imm(&resized, left, top, width, height).to_image()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use image::Rgb;
    use proptest::prelude::*;

    use super::*;

    const SHAPE: Shape = Shape::new(3, 28, 28);

    fn saved(name: &str, photograph: &RgbImage) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        photograph.save(&path).unwrap();
        (directory, path)
    }

    /// 28 pixels are cut out of 32, so two on each side are not seen.
    #[test]
    fn the_middle_of_an_image_of_the_right_size_passes_unchanged() {
        let photograph = RgbImage::from_fn(32, 32, |x, y| Rgb([x as u8, y as u8, 7]));
        let (_directory, path) = saved("exact.png", &photograph);
        let raw = Preprocessing::new(super::super::ChannelOrder::Rgb, [0.0; 3], [1.0; 3]).unwrap();
        let tensor = decode(&path, SHAPE, &raw).unwrap();
        for y in 0..28 {
            for x in 0..28 {
                let at = |channel: usize| tensor.values()[(channel * 28 + y) * 28 + x];
                assert_eq!([at(0), at(1), at(2)], [(x + 2) as f32, (y + 2) as f32, 7.0]);
            }
        }
    }

    /// A file is what it holds, not what it is called.
    #[test]
    fn content_decides_and_not_the_name() {
        let photograph = RgbImage::from_pixel(40, 30, Rgb([255, 0, 0]));
        let (directory, path) = saved("red.png", &photograph);
        let renamed = directory.path().join("red.jpg");
        std::fs::rename(path, &renamed).unwrap();
        assert!(decode(&renamed, SHAPE, &Preprocessing::TORCHVISION).is_ok());
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        let photograph = RgbImage::from_fn(64, 64, |x, y| Rgb([x as u8, y as u8, (x * y) as u8]));
        let (directory, path) = saved("cut.png", &photograph);
        let bytes = std::fs::read(&path).unwrap();
        for length in [0, 4, 40, bytes.len() / 2] {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let error = decode(&path, SHAPE, &Preprocessing::CAFFE).unwrap_err().to_string();
            assert!(error.contains("cannot be decoded"), "cut at {length}: {error}");
        }
        let (_other, sliver) = saved("sliver.png", &RgbImage::new(400, 2));
        let error = decode(&sliver, SHAPE, &Preprocessing::CAFFE).unwrap_err().to_string();
        assert!(error.contains("400×2"), "{error}");
        let error = decode(&sliver, Shape::new(1, 28, 28), &Preprocessing::CAFFE).unwrap_err();
        assert!(error.to_string().contains("1×1×28×28"), "{error}");
        let absent = decode(&directory.path().join("absent.png"), SHAPE, &Preprocessing::CAFFE);
        assert!(absent.unwrap_err().to_string().contains("No such file"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        /// One colour stays that colour whatever the proportions, and fills the whole tensor.
        #[test]
        fn a_plain_colour_survives_any_resize(
            width in 1_u32..90,
            height in 1_u32..90,
            colour: [u8; 3],
            rows in 1_usize..40,
            columns in 1_usize..40,
        ) {
            prop_assume!(width.max(height) <= MAX_SLENDERNESS * width.min(height));
            let cut = crop(&RgbImage::from_pixel(width, height, Rgb(colour)), columns as u32, rows as u32);
            prop_assert_eq!(cut.dimensions(), (columns as u32, rows as u32));
            let near = |a: u8, b: u8| a.abs_diff(b) <= 1;
            prop_assert!(cut.pixels().all(|pixel| (0..3).all(|c| near(pixel.0[c], colour[c]))));
        }

        /// Damage gives an error or an image, never a panic.
        #[test]
        fn damaged_files_never_panic(place in 0.0_f64..1.0, byte: u8, jpeg: bool) {
            let name = if jpeg { "a.jpg" } else { "a.png" };
            let photograph = RgbImage::from_fn(20, 20, |x, y| Rgb([(9 * x) as u8, (11 * y) as u8, 5]));
            let (_directory, path) = saved(name, &photograph);
            let mut bytes = std::fs::read(&path).unwrap();
            let place = (place * bytes.len() as f64) as usize;
            bytes[place] = byte;
            std::fs::write(&path, &bytes).unwrap();
            let _ = decode(&path, SHAPE, &Preprocessing::TORCHVISION);
        }
    }
}
