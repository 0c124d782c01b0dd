//! The networks of the study, built here with seeded random weights.
//!
//! The study measures speed, energy and traffic, none of which depends on what the weights are
//! (beyond their being ordinary numbers), so nothing is downloaded: each network's structure is
//! written down from its paper or its authors' published model, and its weights are drawn from a
//! seeded generator, alike on every machine.
//!
//! | name | what it is | parameters | multiply–accumulates | photographs as for |
//! |---|---|---|---|---|
//! | `alexnet` | the Caffe model: groups, LRN, 227 × 227 | 61.0 M | 0.72 G | Caffe |
//! | `googlenet` | Inception v1 without the training-time heads, 224 × 224 | 7.0 M | 1.58 G | Caffe |
//! | `mobilenet` | v1, width 1.0, 224 × 224 | 4.2 M | 0.57 G | the authors' model: ±1 |
//! | `mobilenet-int8` | the same, quantised to 8 bits ([`quantise`]) | 4.2 M | 0.57 G | as `mobilenet` |
//! | `resnet50` | v1.5, batch normalisation folded, 224 × 224 | 25.5 M | 4.09 G | torchvision |
//! | `squeezenet` | v1.0, 224 × 224 | 1.25 M | 0.82 G | torchvision |
//!
//! The last column names a constant of [`Preprocessing`]. Since weights are drawn and not trained,
//! the classes that these networks give a photograph mean nothing; a trained file of one's own does.
//!
//! The study's five ([`STUDY`]) compute in FP32. Its section IV-E quantises MobileNet: here that is
//! `mobilenet-int8`, made of the FP32 network of the same seed, its activations' ranges calibrated on
//! [`CALIBRATION_IMAGES`] synthetic images. Its convolutions and its classifier compute in 8-bit
//! steps, its pooling and its softmax in FP32.
//!
//! [`build_onnx`] writes a network as an ONNX file that any runtime reads. [`graph_structure`]
//! gives shapes and costs in microseconds, without drawing a weight.

mod alexnet;
mod googlenet;
mod mobilenet;
mod recipe;
mod resnet50;
mod squeezenet;

use crate::executor::ExecutorError;
use crate::graph::{Graph, GraphError, Shape, TensorId};
use crate::input::{Preprocessing, synthetic_image};
use crate::onnx::{self, WriteError};
use crate::quantise::{Ranges, quantise};
use crate::tensor::TensorError;
use recipe::{Recipe, WeightSource};

/// Why a network of the zoo could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ZooError {
    /// There is no network of that name.
    #[error("there is no network `{name}`; the zoo has {}", names().join(", "))]
    UnknownNetwork {
        /// The name asked for.
        name: String,
    },
    /// The network does not fit together, as happens with an input too small for its windows.
    #[error("cannot build `{name}` for an input of {input}: {source}")]
    Graph {
        /// The network's name.
        name: &'static str,
        /// The shape of the image.
        input: Shape,
        /// What does not fit.
        source: GraphError,
    },
    /// A network to be quantised cannot be calibrated.
    #[error("cannot calibrate `{name}`: {source}")]
    Calibration {
        /// The network's name.
        name: &'static str,
        /// Why.
        source: ExecutorError,
    },
    /// An image to calibrate on cannot be made.
    #[error(transparent)]
    Image(#[from] TensorError),
    /// The network cannot be written as ONNX.
    #[error("cannot write `{name}` as ONNX: {source}")]
    Write {
        /// The network's name.
        name: String,
        /// Why.
        source: WriteError,
    },
}

/// The networks of the study, all FP32.
pub const STUDY: [&str; 5] = ["alexnet", "googlenet", "mobilenet", "resnet50", "squeezenet"];

/// Images that a network's ranges are calibrated on, of the seed of its weights.
pub const CALIBRATION_IMAGES: u64 = 2;

/// Where the calibration's images stand in the seed's endless stream: beyond any that is run.
const CALIBRATION_STREAM: u64 = 1 << 40;

struct Network {
    name: &'static str,
    input: Shape,
    preprocessing: Preprocessing,
    build: fn(&mut Recipe) -> Result<TensorId, GraphError>,
    quantised: bool,
}

const NETWORKS: [Network; 6] = [
    Network {
        name: "alexnet",
        input: Shape::new(3, 227, 227),
        preprocessing: Preprocessing::CAFFE,
        build: alexnet::build,
        quantised: false,
    },
    Network {
        name: "googlenet",
        input: Shape::new(3, 224, 224),
        preprocessing: Preprocessing::CAFFE,
        build: googlenet::build,
        quantised: false,
    },
    Network {
        name: "mobilenet",
        input: Shape::new(3, 224, 224),
        preprocessing: Preprocessing::PLUS_MINUS_ONE,
        build: mobilenet::build,
        quantised: false,
    },
    Network {
        name: "mobilenet-int8",
        input: Shape::new(3, 224, 224),
        preprocessing: Preprocessing::PLUS_MINUS_ONE,
        build: mobilenet::build,
        quantised: true,
    },
    Network {
        name: "resnet50",
        input: Shape::new(3, 224, 224),
        preprocessing: Preprocessing::TORCHVISION,
        build: resnet50::build,
        quantised: false,
    },
    Network {
        name: "squeezenet",
        input: Shape::new(3, 224, 224),
        preprocessing: Preprocessing::TORCHVISION,
        build: squeezenet::build,
        quantised: false,
    },
];

/// The names of the networks, in alphabetical order.
pub fn names() -> &'static [&'static str] {
    const NAMES: [&str; NETWORKS.len()] = {
        let mut names = [""; NETWORKS.len()];
        let mut index = 0;
        while index < names.len() {
            names[index] = NETWORKS[index].name;
            index += 1;
        }
        names
    };
    &NAMES
}

/// How photographs are prepared for network `name`: as for the model that its structure was taken
/// from.
///
/// # Errors
///
/// [`ZooError::UnknownNetwork`].
pub fn preprocessing(name: &str) -> Result<Preprocessing, ZooError> {
    Ok(find(name)?.preprocessing)
}

/// Network `name` without weights: layers, shapes and costs.
///
/// # Errors
///
/// [`ZooError::UnknownNetwork`].
pub fn graph_structure(name: &str) -> Result<Graph, ZooError> {
    let network = find(name)?;
    build(network, network.input, WeightSource::Absent)
}

/// Network `name` with weights drawn from `seed`: the same numbers on every machine.
///
/// # Errors
///
/// [`ZooError::UnknownNetwork`].
pub fn graph(name: &str, seed: u64) -> Result<Graph, ZooError> {
    let network = find(name)?;
    build(network, network.input, WeightSource::Seeded(seed))
}

/// Network `name` for a square image of `side` pixels, with weights drawn from `seed`: a smaller
/// network of the same layers, for tests that want them quickly.
///
/// # Errors
///
/// [`ZooError::UnknownNetwork`], and [`ZooError::Graph`] when the image is too small.
pub fn graph_at(name: &str, side: usize, seed: u64) -> Result<Graph, ZooError> {
    build(find(name)?, Shape::new(3, side, side), WeightSource::Seeded(seed))
}

/// Network `name` as the bytes of an ONNX file (IR version 8, opset 13), with weights drawn from
/// `seed`. AlexNet's, the largest, is 244 MB.
///
/// # Errors
///
/// [`ZooError::UnknownNetwork`].
pub fn build_onnx(name: &str, seed: u64) -> Result<Vec<u8>, ZooError> {
    let graph = graph(name, seed)?;
    onnx::write(&graph).map_err(|source| ZooError::Write { name: name.to_owned(), source })
}

fn find(name: &str) -> Result<&'static Network, ZooError> {
    const ALL: &[Network] = &NETWORKS;
    ALL.iter()
        .find(|network| network.name == name)
        .ok_or_else(|| ZooError::UnknownNetwork { name: name.to_owned() })
}

fn build(network: &Network, input: Shape, weights: WeightSource) -> Result<Graph, ZooError> {
    let assemble = || {
        let mut recipe = Recipe::new(network.name, input, weights)?;
        let output = (network.build)(&mut recipe)?;
        recipe.finish(output)
    };
    let fault = |source| ZooError::Graph { name: network.name, input, source };
    let graph = assemble().map_err(fault)?;
    if !network.quantised {
        return Ok(graph);
    }
    let ranges = match weights {
        WeightSource::Absent => None,
        WeightSource::Seeded(seed) => Some(calibrate(network.name, &graph, seed)?),
    };
    quantise(&graph, network.name, ranges.as_ref()).map_err(fault)
}

fn calibrate(name: &'static str, graph: &Graph, seed: u64) -> Result<Ranges, ZooError> {
    let image = |index| synthetic_image(graph.input_shape(), seed, CALIBRATION_STREAM + index);
    let images = (0..CALIBRATION_IMAGES).map(image).collect::<Result<Vec<_>, _>>()?;
    Ranges::calibrate(graph, &images).map_err(|source| ZooError::Calibration { name, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::graph_macs;

    /// Parameters in millions and multiply–accumulates in thousand millions, each within 1.5 %.
    #[track_caller]
    fn assert_totals(name: &str, parameters: f64, macs: f64) {
        let graph = graph_structure(name).unwrap();
        let actual = (graph.parameters() as f64 / 1e6, graph_macs(&graph) as f64 / 1e9);
        assert!(
            (actual.0 / parameters - 1.0).abs() < 0.015,
            "{name}: {} M parameters, not {parameters}",
            actual.0
        );
        assert!((actual.1 / macs - 1.0).abs() < 0.015, "{name}: {} G MACs, not {macs}", actual.1);
    }

    /// Caffe's bvlc_reference/alexnet: 60.97 M parameters, 724 M MACs (Sze et al., *Efficient
    /// processing of deep neural networks*, Proc. IEEE 105(12), 2017, table II).
    #[test]
    fn alexnet_has_the_published_totals() {
        assert_totals("alexnet", 60.97, 0.724);
    }

    /// 7 M weights: Sze et al., table II. The operations of Szegedy et al., table 1, add up to
    /// 1.502 G; its first row gives 34 M for a layer whose shape makes 118 M (7·7·3·64·112·112),
    /// and with that the sum is 1.586 G.
    #[test]
    fn googlenet_has_the_published_totals() {
        assert_totals("googlenet", 7.0, 1.58);
    }

    /// Howard et al., *MobileNets*, 2017, table 4: 4.2 M parameters, 569 M multiply–adds.
    #[test]
    fn mobilenet_has_the_published_totals() {
        assert_totals("mobilenet", 4.2, 0.569);
    }

    /// Torchvision's `resnet50` (v1.5): 25.557 M parameters, of which 0.027 M vanish with the
    /// folded batch normalisation, and 4.089 G multiply–adds.
    #[test]
    fn resnet50_has_the_published_totals() {
        assert_totals("resnet50", 25.53, 4.089);
    }

    /// Torchvision's `squeezenet1_0`: 1.248 M parameters, 0.819 G multiply–adds.
    #[test]
    fn squeezenet_has_the_published_totals() {
        assert_totals("squeezenet", 1.248, 0.819);
    }

    #[test]
    fn an_unknown_network_is_told_what_there_is() {
        let error = graph_structure("vgg16").unwrap_err().to_string();
        assert_eq!(
            error,
            "there is no network `vgg16`; the zoo has alexnet, googlenet, mobilenet, mobilenet-int8, resnet50, squeezenet"
        );
        assert!(graph_at("alexnet", 8, 0).unwrap_err().to_string().contains("1×3×8×8"));
    }

    #[test]
    fn a_seed_gives_the_same_weights_and_another_seed_others() {
        let [first, second, other] =
            [1, 1, 2].map(|seed| graph_at("squeezenet", 64, seed).unwrap());
        assert_eq!(first, second);
        assert_ne!(first, other);
    }
}
