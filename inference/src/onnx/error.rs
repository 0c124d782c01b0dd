//! What can be wrong with an ONNX file, or with a graph to be written as one.

use super::lower::SUPPORTED_OPERATORS;
use crate::graph::GraphError;

/// Why an ONNX file could not be read. Messages name the node, value or attribute at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// No bytes at all.
    #[error("the file is empty")]
    Empty,
    /// The bytes are of something else.
    #[error("this is not an ONNX file: {reason}")]
    NotOnnx {
        /// What is missing.
        reason: String,
    },
    /// The bytes begin as ONNX and do not go on so.
    #[error("the file is cut short or damaged ({source}); fetch or export it again")]
    Damaged {
        /// Where decoding stopped.
        source: prost::DecodeError,
    },
    /// Operators of a version that is not known here.
    #[error(
        "the file is of operator set {version}, and 9 to 17 are supported; export it again with one of these"
    )]
    Opset {
        /// The file's version.
        version: i64,
    },
    /// Not one image in and one result out.
    #[error("the network has {count} {what}s ({names}), and exactly one is supported")]
    NotSingle {
        /// `input` or `output`.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// Their names.
        names: String,
    },
    /// The input is not an image of known size.
    #[error(
        "input `{input}` {reason}; an FP32 tensor of 1 × channels × height × width, all known, is supported"
    )]
    Input {
        /// The input's name.
        input: String,
        /// What it is instead.
        reason: String,
    },
    /// An operator that no code here knows.
    #[error(
        "node `{node}` is a {operator}, which is not supported; supported are {}",
        SUPPORTED_OPERATORS.join(", ")
    )]
    UnsupportedOperator {
        /// The node's name.
        node: String,
        /// The operator's name, with its domain if it has one.
        operator: String,
    },
    /// An attribute that is unknown, malformed or of a value that is not supported.
    #[error("attribute `{attribute}` of node `{node}` {reason}")]
    Attribute {
        /// The node's name.
        node: String,
        /// The attribute's name.
        attribute: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A node does not fit what it reads.
    #[error("node `{node}` ({operator}): {reason}")]
    Node {
        /// The node's name.
        node: String,
        /// Its operator.
        operator: String,
        /// What is wrong.
        reason: String,
    },
    /// A node reads something that does not exist.
    #[error("node `{node}` reads `{value}`, which no node, input or initialiser gives")]
    MissingValue {
        /// The node's name.
        node: String,
        /// The value's name.
        value: String,
    },
    /// A node's weights are not in the file.
    #[error("node `{node}` needs `{value}` as a constant, and there is no such initialiser")]
    MissingConstant {
        /// The node's name.
        node: String,
        /// The value's name; empty if the node does not even name one.
        value: String,
    },
    /// A constant contradicts itself.
    #[error("initialiser `{constant}` {reason}")]
    Constant {
        /// The constant's name.
        constant: String,
        /// What is wrong.
        reason: String,
    },
    /// The network's result is made by nothing.
    #[error("output `{output}` is not written by any node")]
    MissingOutput {
        /// The output's name.
        output: String,
    },
    /// Two things of one name.
    #[error("`{value}` is given more than once, by node `{node}` and before it")]
    Duplicate {
        /// The value's name.
        value: String,
        /// The second to write it.
        node: String,
    },
    /// Nodes that wait for each other.
    #[error("nodes wait for each other in a circle: {}", nodes.join(" → "))]
    Cycle {
        /// The nodes of the circle, in order.
        nodes: Vec<String>,
    },
    /// The layers do not fit together.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

/// Why a graph could not be written as an ONNX file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The graph is structure alone.
    #[error(
        "layer `{layer}` of `{graph}` has no weights to write: the graph was built for its structure only"
    )]
    AbsentWeights {
        /// The network's name.
        graph: String,
        /// The layer's name.
        layer: String,
    },
    /// The file would exceed protobuf's limit.
    #[error("`{graph}` takes {size} bytes, and a protobuf message is at most 2 GiB")]
    TooLarge {
        /// The network's name.
        graph: String,
        /// Bytes that the file would have.
        size: usize,
    },
}
