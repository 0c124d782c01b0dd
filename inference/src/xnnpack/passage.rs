//! What goes in and comes out: tensors in planes (NCHW), and the arena's pixels (NHWC).

use super::arena::Pixels;
use crate::tensor::Tensor;

/// A tensor that a run may start from or end with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Passage {
    pub(super) pixels: Pixels,
    /// Whether its values are 8-bit steps, a byte each.
    pub(super) in_steps: bool,
}

impl Passage {
    /// Puts a tensor where it belongs.
    pub(super) fn write(self, tensor: &Tensor) {
        match self.in_steps {
            true => write_steps(tensor, self.pixels),
            false => write_values(tensor, self.pixels),
        }
    }

    /// Takes a tensor from where it lies.
    pub(super) fn read(self) -> Tensor {
        let Pixels { shape, .. } = self.pixels;
        let count = shape.pixels();
        let mut values = vec![0.0; shape.elements()];
        for pixel in 0..count {
            let planes = values[pixel..].iter_mut().step_by(count);
            if self.in_steps {
                // SAFETY: the arena is alive and no layer runs.
                let steps = unsafe { self.pixels.steps_mut(pixel) };
                planes.zip(steps).for_each(|(to, from)| *to = f32::from(*from));
            } else {
                // SAFETY: as above.
                let channels = unsafe { self.pixels.channels(pixel) };
                planes.zip(channels).for_each(|(to, from)| *to = *from);
            }
        }
        Tensor::of_checked(shape, values)
    }
}

/// Part of the first layer's time, which did not ask for it, so it has to be quick.
fn write_values(tensor: &Tensor, pixels: Pixels) {
    let planes: Vec<_> = tensor.values().chunks_exact(pixels.shape.pixels()).collect();
    match planes[..] {
        // Colours, as nearly always: whole pixels in one go.
        [red, green, blue] if pixels.stride == planes.len() => {
            // SAFETY: the plan gave room for every channel of every pixel, without gaps; the arena
            // is alive and no layer runs.
            let to =
                unsafe { std::slice::from_raw_parts_mut(pixels.as_ptr(), tensor.values().len()) };
            let colours = red.iter().zip(green).zip(blue);
            let pixels = to.as_chunks_mut::<3>().0.iter_mut();
            pixels.zip(colours).for_each(|(to, ((r, g), b))| *to = [*r, *g, *b]);
        }
        _ => {
            for pixel in 0..pixels.shape.pixels() {
                // SAFETY: the arena is alive and no layer runs.
                let channels = unsafe { pixels.channels_mut(pixel) };
                channels.iter_mut().zip(&planes).for_each(|(to, plane)| *to = plane[pixel]);
            }
        }
    }
}

fn write_steps(tensor: &Tensor, pixels: Pixels) {
    let planes: Vec<_> = tensor.values().chunks_exact(pixels.shape.pixels()).collect();
    for pixel in 0..pixels.shape.pixels() {
        // SAFETY: the arena is alive and no layer runs.
        let channels = unsafe { pixels.steps_mut(pixel) };
        channels.iter_mut().zip(&planes).for_each(|(to, plane)| *to = plane[pixel] as i8);
    }
}
