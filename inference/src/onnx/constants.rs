//! The constants of a file, decoded when a node asks for them.

use std::collections::HashMap;

use super::attributes::Node;
use super::error::ReadError;
use super::proto::{DATA_LOCATION_EXTERNAL, TensorProto, data_type};
use crate::graph::{MAX_ELEMENTS, Weights};

/// FP32 constants and their sides.
#[derive(Debug, Clone)]
pub(super) struct Floats {
    pub(super) dims: Vec<usize>,
    pub(super) weights: Weights,
}

impl Floats {
    /// The values. Constants that were read are never absent.
    pub(super) fn values(&self) -> &[f32] {
        self.weights.values().unwrap_or_default()
    }
}

/// Constants by name: initialisers, and `Constant` nodes as they are met.
#[derive(Debug, Default)]
pub(super) struct Constants<'a> {
    tensors: HashMap<&'a str, &'a TensorProto>,
    /// What was decoded, so that weights shared by two nodes are held once.
    decoded: HashMap<&'a str, Floats>,
}

impl<'a> Constants<'a> {
    pub(super) fn insert(&mut self, name: &'a str, tensor: &'a TensorProto) {
        self.tensors.insert(name, tensor);
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a TensorProto> {
        self.tensors.get(name).copied()
    }

    /// The FP32 constant that is input `index` of `node`, or `None` where the input is left out.
    pub(super) fn optional_floats(
        &mut self,
        node: &Node<'a>,
        index: usize,
    ) -> Result<Option<Floats>, ReadError> {
        node.input(index).map(|name| self.named_floats(node, name)).transpose()
    }

    /// The FP32 constant that is input `index` of `node`.
    pub(super) fn floats(&mut self, node: &Node<'a>, index: usize) -> Result<Floats, ReadError> {
        let missing =
            || ReadError::MissingConstant { node: node.name.clone(), value: String::new() };
        self.named_floats(node, node.input(index).ok_or_else(missing)?)
    }

    fn named_floats(&mut self, node: &Node<'a>, name: &'a str) -> Result<Floats, ReadError> {
        if let Some(floats) = self.decoded.get(name) {
            return Ok(floats.clone());
        }
        let floats = decode_floats(name, self.required(node, name)?)?;
        self.decoded.insert(name, floats.clone());
        Ok(floats)
    }

    /// The one number that is input `index` of `node`, or `None` where the input is left out.
    pub(super) fn optional_scalar(
        &mut self,
        node: &Node<'a>,
        index: usize,
    ) -> Result<Option<f32>, ReadError> {
        let Some(floats) = self.optional_floats(node, index)? else { return Ok(None) };
        match floats.values() {
            &[value] => Ok(Some(value)),
            other => {
                Err(node
                    .error(format!("input {index} has {} values and must have one", other.len())))
            }
        }
    }

    /// The list of integers that is input `index` of `node`.
    pub(super) fn integers(&self, node: &Node<'a>, index: usize) -> Result<Vec<i64>, ReadError> {
        let name = node.input(index).unwrap_or_default();
        let tensor = self.required(node, name)?;
        let count = check(name, tensor, data_type::INT64, "INT64")?.1;
        let values: Vec<i64> = match tensor.raw_data.is_empty() {
            true => tensor.int64_data.clone(),
            false => tensor
                .raw_data
                .as_chunks::<8>()
                .0
                .iter()
                .map(|&bytes| i64::from_le_bytes(bytes))
                .collect(),
        };
        check_count(name, tensor, values.len(), 8, count)?;
        Ok(values)
    }

    fn required(&self, node: &Node<'a>, name: &str) -> Result<&'a TensorProto, ReadError> {
        self.get(name).ok_or_else(|| ReadError::MissingConstant {
            node: node.name.clone(),
            value: name.to_owned(),
        })
    }
}

fn decode_floats(name: &str, tensor: &TensorProto) -> Result<Floats, ReadError> {
    let (dims, count) = check(name, tensor, data_type::FLOAT, "FP32")?;
    let values: Vec<f32> = match tensor.raw_data.is_empty() {
        true => tensor.float_data.clone(),
        false => tensor
            .raw_data
            .as_chunks::<4>()
            .0
            .iter()
            .map(|&bytes| f32::from_le_bytes(bytes))
            .collect(),
    };
    check_count(name, tensor, values.len(), 4, count)?;
    // An infinite bound is how some exporters write a clip without one; NaN is never meant.
    match values.iter().position(|value| value.is_nan()) {
        Some(index) => Err(constant_error(name, format!("is not a number at position {index}"))),
        None => Ok(Floats { dims, weights: values.into() }),
    }
}

/// The sides of `tensor` and their product, once its type, place and sides are found usable.
fn check(
    name: &str,
    tensor: &TensorProto,
    kind: i32,
    wanted: &str,
) -> Result<(Vec<usize>, usize), ReadError> {
    if tensor.data_location == DATA_LOCATION_EXTERNAL {
        return Err(constant_error(
            name,
            "lies outside the file; save the model with its weights inside",
        ));
    }
    if tensor.data_type != kind {
        return Err(constant_error(
            name,
            format!("is of ONNX data type {}, and {wanted} is expected", tensor.data_type),
        ));
    }
    let side = |side: &i64| usize::try_from(*side).ok();
    let dims = tensor.dims.iter().map(side).collect::<Option<Vec<_>>>();
    let product = |dims: &Vec<usize>| {
        dims.iter().try_fold(1_usize, |product, &side| product.checked_mul(side))
    };
    let bounded =
        dims.and_then(|dims| Some((product(&dims).filter(|&count| count <= MAX_ELEMENTS)?, dims)));
    match bounded {
        Some((count, dims)) => Ok((dims, count)),
        None => Err(constant_error(
            name,
            format!("has sides {:?}, beyond {MAX_ELEMENTS} values", tensor.dims),
        )),
    }
}

fn check_count(
    name: &str,
    tensor: &TensorProto,
    values: usize,
    value_bytes: usize,
    expected: usize,
) -> Result<(), ReadError> {
    let torn = tensor.raw_data.len() % value_bytes;
    if values == expected && torn == 0 {
        return Ok(());
    }
    let bytes = if torn == 0 { String::new() } else { format!(" and {torn} bytes") };
    Err(constant_error(
        name,
        format!("has {values} values{bytes}, and its sides {:?} ask for {expected}", tensor.dims),
    ))
}

fn constant_error(name: &str, reason: impl Into<String>) -> ReadError {
    ReadError::Constant { constant: name.to_owned(), reason: reason.into() }
}
