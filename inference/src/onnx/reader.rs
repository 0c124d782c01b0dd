//! ONNX file → graph.

use std::collections::HashMap;

use prost::Message;
use prost::bytes::Bytes;

use super::attributes::Node;
use super::constants::Constants;
use super::error::ReadError;
use super::lower::Lowering;
use super::order::order;
use super::proto::{GraphProto, ModelProto, ValueInfoProto, data_type};
use crate::graph::{Graph, GraphBuilder, Shape};

/// The operator sets whose operators are known here.
const OPSETS: std::ops::RangeInclusive<i64> = 9..=17;

/// The graph in the bytes of an ONNX file.
///
/// # Errors
///
/// [`ReadError`], naming what is at fault.
pub fn read(file: impl Into<Bytes>) -> Result<Graph, ReadError> {
    let model = decode(file.into())?;
    let opset = opset(&model)?;
    let no_graph = || ReadError::NotOnnx { reason: "it holds no graph".to_owned() };
    let graph = model.graph.as_ref().ok_or_else(no_graph)?;

    let mut constants = Constants::default();
    for tensor in &graph.initializer {
        constants.insert(&tensor.name, tensor);
    }
    let (image, shape) = image(graph, &constants)?;
    let output = single("output", graph.output.iter())?.name.as_str();
    let nodes: Vec<_> = graph.node.iter().map(Node::new).collect();
    check_names(&nodes, image, &constants)?;
    let order = order(&nodes, output)?;

    let mut readers = HashMap::<&str, usize>::new();
    for &index in &order {
        for value in nodes[index].inputs() {
            *readers.entry(value).or_default() += 1;
        }
    }
    // The network's result is read from outside.
    *readers.entry(output).or_default() += 1;

    let builder = GraphBuilder::new(&graph.name, image, shape)?;
    let mut lowering = Lowering::new(builder, constants, readers, opset, image);
    for index in order {
        lowering.node(&nodes[index])?;
    }
    lowering.finish(output)
}

fn decode(file: Bytes) -> Result<ModelProto, ReadError> {
    /// How every ONNX file begins in practice: field 1, `ir_version`, as a varint.
    const FIRST_TAG: u8 = 0x08;

    let first = *file.first().ok_or(ReadError::Empty)?;
    match ModelProto::decode(file) {
        Ok(model) if model.opset_import.is_empty() && model.graph.is_none() => {
            Err(ReadError::NotOnnx {
                reason: "it names no operator set and holds no graph".to_owned(),
            })
        }
        Ok(model) => Ok(model),
        Err(source) if first == FIRST_TAG => Err(ReadError::Damaged { source }),
        Err(source) => Err(ReadError::NotOnnx { reason: source.to_string() }),
    }
}

fn opset(model: &ModelProto) -> Result<i64, ReadError> {
    let ours =
        model.opset_import.iter().find(|set| set.domain.is_empty() || set.domain == "ai.onnx");
    match ours.map_or(0, |set| set.version) {
        version if OPSETS.contains(&version) => Ok(version),
        version => Err(ReadError::Opset { version }),
    }
}

/// The name and shape of the one input that is not a constant: before IR version 4, initialisers
/// were listed among the inputs too.
fn image<'a>(
    graph: &'a GraphProto,
    constants: &Constants<'_>,
) -> Result<(&'a str, Shape), ReadError> {
    let input =
        single("input", graph.input.iter().filter(|input| constants.get(&input.name).is_none()))?;
    let error = |reason: String| ReadError::Input { input: input.name.clone(), reason };

    let tensor = input.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref());
    let tensor = tensor.ok_or_else(|| error("is not a tensor".to_owned()))?;
    if tensor.elem_type != data_type::FLOAT {
        return Err(error(format!("is of ONNX data type {}", tensor.elem_type)));
    }
    let sides = tensor.shape.as_ref().map_or(&[][..], |shape| &shape.dim);
    let [batch, rest @ ..] = sides else { return Err(error("has no shape".to_owned())) };
    // A batch without a number is a symbol (`N`, `batch`) or left open: it will be 1.
    if !matches!(batch.dim_value, None | Some(1)) {
        return Err(error(format!("holds {} images at once", batch.dim_value.unwrap_or_default())));
    }
    let known = |value: Option<i64>| {
        value.and_then(|value| usize::try_from(value).ok()).filter(|&value| value > 0)
    };
    let sides = rest.iter().map(|side| known(side.dim_value)).collect::<Option<Vec<_>>>();
    match sides.as_deref() {
        Some(&[channels, height, width]) => Ok((&input.name, Shape { channels, height, width })),
        Some(other) => Err(error(format!("has {} sides", other.len() + 1))),
        None => Err(error("has a side, other than the batch, that is not a number".to_owned())),
    }
}

fn single<'a>(
    what: &'static str,
    values: impl Iterator<Item = &'a ValueInfoProto>,
) -> Result<&'a ValueInfoProto, ReadError> {
    let values: Vec<_> = values.collect();
    match values.as_slice() {
        [value] => Ok(value),
        _ => {
            let names: Vec<_> = values.iter().map(|value| value.name.as_str()).collect();
            Err(ReadError::NotSingle { what, count: values.len(), names: names.join(", ") })
        }
    }
}

/// Refuses a node that writes over the image or a constant.
fn check_names(
    nodes: &[Node<'_>],
    image: &str,
    constants: &Constants<'_>,
) -> Result<(), ReadError> {
    for node in nodes {
        if let Some(value) =
            node.outputs().iter().find(|&value| value == image || constants.get(value).is_some())
        {
            return Err(ReadError::Duplicate { value: value.clone(), node: node.name.clone() });
        }
    }
    Ok(())
}
