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
//!    The rest is written once and read once. A strided 1 × 1 convolution reads only the pixels
//!    it touches.
//! 3. **Tiles are read again where neither operand fits.** A convolution or fully-connected layer
//!    is a matrix product (M × K weights, K × N inputs). A kernel holds a tile in the last-level
//!    cache and the cores' private caches together, `T` bytes. If the smaller operand fits there,
//!    everything else streams once. Otherwise the cheapest of three blockings is taken: blocks of
//!    weights held and the input streamed again for each, blocks of the input held and the
//!    weights streamed again for each, or blocks of outputs held and both operands streamed again
//!    for each row and column of blocks (Hong and Kung's bound, STOC 1981, up to a constant).
//!    Blocks are taken to divide evenly: an operand of x tiles costs x − 1 further reads of the
//!    other.
//! 4. **A concatenation is free**: its producers write where it would have copied to.
//!
//! So a network's operational intensity measured at the DRAM lies to the right of the theoretical
//! one, by more the larger the cache; fully-connected layers, which are all weights, do not move;
//! and a GPU with 128 KiB gains least. On such a cache a single layer with two large operands may
//! lie slightly to the left. Emulated counters count these bytes; they are not of any chip.

use wattline_trace::Name;

use crate::description::Component;

/// A layer as the cache model sees it, at the component's precision.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerShape {
    /// The layer's name.
    pub name: Name,
    /// Its operator, such as `conv2d` or `depthwise_conv2d`.
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

/// What a component has between its cores and the DRAM.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Caches {
    /// `C`: bytes of the last-level cache.
    pub last_level_bytes: f64,
    /// `T`: bytes of the tile a kernel can hold.
    pub tile_bytes: f64,
}

impl Caches {
    /// Those of a component.
    pub fn of(component: &Component) -> Self {
        let last_level_bytes = component.last_level_cache.bytes();
        let tile_bytes = last_level_bytes + component.private_caches.bytes();
        Caches { last_level_bytes, tile_bytes }
    }
}

/// DRAM traffic of every layer of one image, in order.
pub fn dram_traffic(shapes: &[LayerShape], caches: Caches) -> Vec<Traffic> {
    let cache = caches.last_level_bytes;
    // What the layer before left in the cache; the image itself comes from DRAM.
    let mut resident = 0.0f64;
    shapes
        .iter()
        .map(|shape| {
            if shape.operator == "concat" {
                return Traffic::default();
            }
            let input = shape.touched_input_bytes();
            let (weights, output) = (shape.weight_bytes as f64, shape.output_bytes as f64);
            let fits = input + weights + output <= cache;
            let stays = if fits { output } else { output.min(cache / 2.0) };
            let from_dram = (input - resident).max(0.0);
            resident = stays;
            Traffic {
                read_bytes: from_dram + weights + read_again(shape, caches.tile_bytes),
                write_bytes: output - stays,
            }
        })
        .collect()
}

impl LayerShape {
    /// Bytes of the inputs that are needed at all.
    fn touched_input_bytes(&self) -> f64 {
        let all = self.input_bytes as f64;
        self.product.map_or(all, |product| {
            let elements = product.groups as f64 * product.n as f64 * product.k as f64;
            all.min(elements * self.element_bytes as f64)
        })
    }
}

/// Bytes read more than once because no operand fits in a tile.
fn read_again(shape: &LayerShape, tile_bytes: f64) -> f64 {
    let Some(product) = shape.product else { return 0.0 };
    let groups = product.groups.max(1) as f64;
    let input = shape.touched_input_bytes() / groups;
    let weights = shape.weight_bytes as f64 / groups;
    if input.min(weights) <= tile_bytes {
        return 0.0;
    }
    let further_reads = |whole: f64, block: f64| (whole / block).max(1.0) - 1.0;
    let hold_weights = input * further_reads(weights, tile_bytes);
    let hold_input = weights * further_reads(input, tile_bytes);
    // A tile of outputs: square, or as wide as the matrix where that is narrower.
    let (m, n) = (product.m as f64, product.n as f64);
    let outputs = tile_bytes / shape.element_bytes as f64;
    let rows = outputs.sqrt().max(outputs / n).min(m);
    let hold_outputs = weights * further_reads(n, outputs / rows) + input * further_reads(m, rows);
    groups * hold_weights.min(hold_input).min(hold_outputs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn layer(input: u64, weights: u64, output: u64, product: Option<Product>) -> LayerShape {
        LayerShape {
            name: "layer".into(),
            operator: "conv2d".into(),
            flops: 1,
            input_bytes: input,
            weight_bytes: weights,
            output_bytes: output,
            element_bytes: 4,
            product,
        }
    }

    fn total(shapes: &[LayerShape], cache: f64) -> f64 {
        let caches = Caches { last_level_bytes: cache, tile_bytes: cache };
        let traffic = dram_traffic(shapes, caches);
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
