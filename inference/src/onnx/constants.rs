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

    /// The one truth value that is input `index` of `node`, or `None` where the input is left out.
    pub(super) fn flag(&self, node: &Node<'a>, index: usize) -> Result<Option<bool>, ReadError> {
        let Some(name) = node.input(index) else { return Ok(None) };
        let tensor = self.required(node, name)?;
        check(name, tensor, data_type::BOOL, "BOOL")?;
        match (tensor.raw_data.as_ref(), tensor.int32_data.as_slice()) {
            (&[byte], []) => Ok(Some(byte != 0)),
            ([], &[value]) => Ok(Some(value != 0)),
            _ => Err(constant_error(name, "is not one truth value")),
        }
    }

    /// A constant that was computed while reading.
    pub(super) fn insert_floats(&mut self, name: &'a str, floats: Floats) {
        self.decoded.insert(name, floats);
    }

    /// Whether `name` is a constant, in the file or computed.
    pub(super) fn is_constant(&self, name: &str) -> bool {
        self.tensors.contains_key(name) || self.decoded.contains_key(name)
    }

    /// The 8-bit steps, and their sides, that are input `index` of `node`. Unsigned ones come out
    /// signed, 128 lower.
    pub(super) fn steps(
        &self,
        node: &Node<'a>,
        index: usize,
    ) -> Result<(Vec<usize>, Vec<i8>), ReadError> {
        let name = node.input(index).unwrap_or_default();
        let tensor = self.required(node, name)?;
        let unsigned = tensor.data_type == data_type::UINT8;
        let kind = if unsigned { data_type::UINT8 } else { data_type::INT8 };
        let (dims, count) = check(name, tensor, kind, "INT8 or UINT8")?;
        let signed = |value: i32| {
            let value = if unsigned { value.checked_sub(128) } else { Some(value) };
            value.and_then(|value| i8::try_from(value).ok())
        };
        let values: Option<Vec<i8>> = match tensor.raw_data.is_empty() {
            true => tensor.int32_data.iter().map(|&value| signed(value)).collect(),
            false if unsigned => tensor.raw_data.iter().map(|&byte| signed(byte.into())).collect(),
            false => Some(tensor.raw_data.iter().map(|&byte| byte as i8).collect()),
        };
        let values =
            values.ok_or_else(|| constant_error(name, "holds a number that 8 bits cannot"))?;
        check_count(name, tensor, values.len(), 1, count)?;
        Ok((dims, values))
    }

    /// Whether input `index` of `node` is a constant of 32-bit integers.
    pub(super) fn is_int32(&self, node: &Node<'a>, index: usize) -> bool {
        let tensor = node.input(index).and_then(|name| self.get(name));
        tensor.is_some_and(|tensor| tensor.data_type == data_type::INT32)
    }

    /// The 32-bit integers that are input `index` of `node`.
    pub(super) fn integers_32(&self, node: &Node<'a>, index: usize) -> Result<Vec<i32>, ReadError> {
        let name = node.input(index).unwrap_or_default();
        let tensor = self.required(node, name)?;
        let count = check(name, tensor, data_type::INT32, "INT32")?.1;
        let values: Vec<i32> = match tensor.raw_data.is_empty() {
            true => tensor.int32_data.clone(),
            false => {
                let words = tensor.raw_data.as_chunks::<4>().0;
                words.iter().map(|&bytes| i32::from_le_bytes(bytes)).collect()
            }
        };
        check_count(name, tensor, values.len(), 4, count)?;
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
