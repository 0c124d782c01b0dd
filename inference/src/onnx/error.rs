//! What can be wrong with an ONNX file, or with a graph to be written as one.

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
