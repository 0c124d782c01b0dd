//! How many DRAM bytes a layer moves on a component with a given last-level cache.
//!
//! Let `C` be the cache's size, and `I`, `W`, `O` a layer's input, weight and output bytes.
//!
//! 1. **Weights are compulsory**: a network's weights exceed the cache, so each image streams
//!    them all.
//! 2. **Activations pass through the cache where they fit.** While `I + W + O ≤ C` the whole
//!    output stays for the layer that reads it next; beyond that half the cache does, the other
//!    half serving the streams. What stayed is not read from DRAM, and is not written either: the
//!    executor reuses activation buffers, so its lines are overwritten before they are evicted.
//!    The rest is written once and read once.
//! 3. **Tiles are read again where neither operand fits.** A convolution or fully-connected layer
//!    is a matrix product (M × K weights, K × N inputs). If the smaller operand fits in half the
//!    cache it is held and everything else streams once. Otherwise the cheapest of three
//!    blockings is taken: blocks of weights held and the input streamed again for each, blocks of
//!    the input held and the weights streamed again for each, or square blocks of outputs held
//!    and both operands streamed again for each row and column of blocks (Hong and Kung's bound,
//!    STOC 1981, up to a constant).
//! 4. **A concatenation is free**: its producers write where it would have copied to.
//!
//! So operational intensity measured at the DRAM lies to the right of the theoretical one, by
//! more the larger the cache; fully-connected layers, which are all weights, do not move; and a
//! 128 KiB cache gains least. Emulated counters count these bytes; they are not of any chip.

use wattline_trace::Name;

use crate::quantity::Capacity;

/// A layer as the cache model sees it, at the component's precision.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerShape {
    /// The layer's name.
    pub name: Name,
    /// Its operator, such as `Conv` or `DepthwiseConv`.
    pub operator: String,
    /// Floating-point operations, two per multiply-accumulate.
    pub flops: u64,
    /// Bytes of all inputs.
    pub input_bytes: u64,
    /// Bytes of weights and biases.
    pub weight_bytes: u64,
    /// Bytes of the output.
    pub output_bytes: u64,
    /// Bytes of an element.
    pub element_bytes: u64,
    /// The matrix product it is, if it is one.
    pub product: Option<Product>,
}

/// A convolution or fully-connected layer as `groups` products of (M × K) by (K × N).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Product {
    /// Independent products.
    pub groups: u64,
    /// Output channels of a group.
    pub m: u64,
    /// Output pixels.
    pub n: u64,
    /// Input channels of a group times the kernel's size.
    pub k: u64,
}

/// DRAM bytes of one layer.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Traffic {
    /// Bytes read.
    pub read_bytes: f64,
    /// Bytes written.
    pub write_bytes: f64,
}

/// DRAM traffic of every layer of one image, in order.
pub fn dram_traffic(shapes: &[LayerShape], cache: Capacity) -> Vec<Traffic> {
    let cache = cache.bytes();
    // What the layer before left in the cache; the image itself comes from DRAM.
    let mut resident = 0.0f64;
    shapes
        .iter()
        .map(|shape| {
            if shape.operator == "Concat" {
                return Traffic::default();
            }
            let (input, weights, output) =
                (shape.input_bytes as f64, shape.weight_bytes as f64, shape.output_bytes as f64);
            let fits = input + weights + output <= cache;
            let stays = if fits { output } else { output.min(cache / 2.0) };
            let from_dram = (input - resident).max(0.0);
            resident = stays;
            Traffic {
                read_bytes: from_dram + weights + read_again(shape, cache / 2.0),
                write_bytes: output - stays,
            }
        })
        .collect()
}

/// Bytes read more than once because no operand fits in `room`.
fn read_again(shape: &LayerShape, room: f64) -> f64 {
    let Some(product) = shape.product else { return 0.0 };
    let groups = product.groups.max(1) as f64;
    let input = shape.input_bytes as f64 / groups;
    let weights = shape.weight_bytes as f64 / groups;
    if input.min(weights) <= room {
        return 0.0;
    }
    let more_than_once = |whole: f64, block: f64| (whole / block).ceil().max(1.0) - 1.0;
    let hold_weights = input * more_than_once(weights, room);
    let hold_input = weights * more_than_once(input, room);
    let side = (room / shape.element_bytes as f64).sqrt();
    let hold_output = weights * more_than_once(product.n as f64, side)
        + input * more_than_once(product.m as f64, side);
    groups * hold_weights.min(hold_input).min(hold_output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn layer(input: u64, weights: u64, output: u64, product: Option<Product>) -> LayerShape {
        LayerShape {
            name: "layer".into(),
            operator: "Conv".into(),
            flops: 1,
            input_bytes: input,
            weight_bytes: weights,
            output_bytes: output,
            element_bytes: 4,
            product,
        }
    }

    fn total(shapes: &[LayerShape], cache: f64) -> f64 {
        let traffic = dram_traffic(shapes, Capacity::new(cache));
        traffic.iter().map(|it| it.read_bytes + it.write_bytes).sum()
    }

    #[test]
    fn what_fits_passes_through_the_cache() {
        let chain = [layer(100, 10, 100, None), layer(100, 10, 100, None)];
        // The image, the weights twice; the last output stays too.
        assert_eq!(total(&chain, 1000.0), 120.0);
        // A cache of nothing moves everything.
        assert_eq!(total(&chain, 0.0), 420.0);
    }

    #[test]
    fn weights_are_compulsory() {
        let fully_connected =
            layer(4096, 1 << 24, 4096, Some(Product { groups: 1, m: 1024, n: 1, k: 1024 }));
        let bytes = total(&[fully_connected], 128.0 * 1024.0);
        assert!((bytes / (1 << 24) as f64 - 1.0).abs() < 0.001, "{bytes}");
    }

    #[test]
    fn tiles_are_read_again_where_no_operand_fits() {
        let product = Product { groups: 1, m: 512, n: 512, k: 512 };
        let square = layer(1 << 20, 1 << 20, 1 << 20, Some(product));
        let once = (3 << 20) as f64;
        assert!(total(std::slice::from_ref(&square), 128.0 * 1024.0) > once);
        // Held whole, and half the cache keeps half of the output.
        assert_eq!(total(&[square], 2.0 * 1048576.0), (2 << 20) as f64);
    }

    proptest! {
        /// A larger cache never moves more bytes.
        #[test]
        fn more_cache_moves_no_more(
            sizes in prop::collection::vec((1u64..1 << 22, 1u64..1 << 22, 1u64..1 << 22, 1u64..2048, 1u64..4096), 1..8),
            cache in 1.0e3..1.0e7f64, more in 1.0..8.0f64,
        ) {
            let shapes: Vec<_> = sizes
                .iter()
                .map(|&(i, w, o, m, n)| layer(i, w, o, Some(Product { groups: 1, m, n, k: 1 })))
                .collect();
            prop_assert!(total(&shapes, cache * more) <= total(&shapes, cache) * (1.0 + 1e-12));
        }
    }
}
