//! What networks are shown: synthetic images, and photographs from a directory.
//!
//! ```no_run
//! use wattline_inference::input::{self, Preprocessing};
//! use wattline_inference::graph::Shape;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! for file in input::image_files("photographs".as_ref())? {
//!     let image = input::decode(&file, Shape::new(3, 224, 224), &Preprocessing::TORCHVISION)?;
//!     assert_eq!(image.shape().channels, 3);
//! }
//! # Ok(())
//! # }
//! ```

mod decode;
mod directory;
mod preprocess;
mod synthetic;

pub use decode::{ImageError, decode};
pub use directory::{DirectoryError, image_files};
pub use preprocess::{ChannelOrder, Preprocessing, PreprocessingError};
pub use synthetic::synthetic_image;
