//! A node and its attributes, with their types and defaults checked.

use super::error::ReadError;
use super::proto::{AttributeProto, NodeProto};
use crate::graph::{Extent, Padding, Shape, Window};

/// The largest number that an attribute may hold: beyond any size in use, and small enough that
/// sums of several do not overflow on 32-bit machines.
const MAX_VALUE: i64 = 1 << 24;

/// A node of the file, with a name for messages.
#[derive(Debug, Clone)]
pub(super) struct Node<'a> {
    proto: &'a NodeProto,
    /// The node's own name, or one made up from its operator and output.
    pub(super) name: String,
}

impl<'a> Node<'a> {
    pub(super) fn new(proto: &'a NodeProto) -> Self {
        let output = proto.output.first().map_or("", String::as_str);
        let name = match proto.name.as_str() {
            "" => format!("{}:{output}", proto.op_type),
            name => name.to_owned(),
        };
        Self { proto, name }
    }

    /// The operator's name, with its domain unless that is ONNX's own.
    pub(super) fn operator(&self) -> String {
        match self.proto.domain.as_str() {
            "" | "ai.onnx" => self.proto.op_type.clone(),
            domain => format!("{domain}.{}", self.proto.op_type),
        }
    }

    /// The names of what the node reads. Empty names are optional inputs left out.
    pub(super) fn inputs(&self) -> &'a [String] {
        &self.proto.input
    }

    /// The name of input `index`, or nothing where it is left out.
    pub(super) fn input(&self, index: usize) -> Option<&'a str> {
        self.proto.input.get(index).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// The names of what the node writes.
    pub(super) fn outputs(&self) -> &'a [String] {
        &self.proto.output
    }

    /// The name of the first, and for the operators here the only, value that the node writes.
    pub(super) fn output(&self) -> &'a str {
        self.proto.output.first().map_or("", String::as_str)
    }

    pub(super) fn error(&self, reason: impl Into<String>) -> ReadError {
        ReadError::Node {
            node: self.name.clone(),
            operator: self.operator(),
            reason: reason.into(),
        }
    }

    pub(super) fn attribute_error(&self, attribute: &str, reason: impl Into<String>) -> ReadError {
        ReadError::Attribute {
            node: self.name.clone(),
            attribute: attribute.to_owned(),
            reason: reason.into(),
        }
    }

    /// Refuses attributes other than `known`: ignoring one would compute something else.
    pub(super) fn expect_attributes(&self, known: &[&str]) -> Result<(), ReadError> {
        match self
            .proto
            .attribute
            .iter()
            .find(|attribute| !known.contains(&attribute.name.as_str()))
        {
            None => Ok(()),
            Some(attribute) => Err(self.attribute_error(&attribute.name, "is not supported")),
        }
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&'a AttributeProto> {
        self.proto.attribute.iter().find(|attribute| attribute.name == name)
    }

    pub(super) fn int(&self, name: &str, default: i64) -> Result<i64, ReadError> {
        let Some(attribute) = self.attribute(name) else { return Ok(default) };
        attribute.i.ok_or_else(|| self.attribute_error(name, "is not an integer"))
    }

    /// An integer that is 0 or 1.
    pub(super) fn flag(&self, name: &str) -> Result<bool, ReadError> {
        match self.int(name, 0)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.attribute_error(name, format!("is {other}, and must be 0 or 1"))),
        }
    }

    /// An integer whose one supported value is its default.
    pub(super) fn expect_int(&self, name: &str, only: i64) -> Result<(), ReadError> {
        match self.int(name, only)? {
            value if value == only => Ok(()),
            value => {
                Err(self.attribute_error(name, format!("is {value}, and only {only} is supported")))
            }
        }
    }

    pub(super) fn float(&self, name: &str, default: f32) -> Result<f32, ReadError> {
        let Some(attribute) = self.attribute(name) else { return Ok(default) };
        attribute.f.ok_or_else(|| self.attribute_error(name, "is not a number"))
    }

    /// A count: an integer from 0 to 2^24.
    pub(super) fn count(&self, name: &str, default: usize) -> Result<usize, ReadError> {
        let value = self.int(name, default as i64)?;
        self.to_count(name, value)
    }

    /// A list of axes of a tensor of so many sides, in order, each counted from the front; `None`
    /// where it is missing.
    pub(super) fn axes(&self, name: &str, rank: i64) -> Result<Option<Vec<i64>>, ReadError> {
        let Some(attribute) = self.attribute(name) else { return Ok(None) };
        self.axes_of(&attribute.ints, rank).map(Some)
    }

    /// `axes` of a tensor of so many sides, in order, each counted from the front.
    pub(super) fn axes_of(&self, axes: &[i64], rank: i64) -> Result<Vec<i64>, ReadError> {
        let from_front = |&axis: &i64| match axis {
            axis if (0..rank).contains(&axis) => Ok(axis),
            axis if (-rank..0).contains(&axis) => Ok(axis + rank),
            axis => Err(self.error(format!("its axis {axis} is none of a tensor of {rank} sides"))),
        };
        let mut axes = axes.iter().map(from_front).collect::<Result<Vec<_>, _>>()?;
        axes.sort_unstable();
        Ok(axes)
    }

    fn counts(&self, name: &str) -> Result<Option<Vec<usize>>, ReadError> {
        let Some(attribute) = self.attribute(name) else { return Ok(None) };
        attribute
            .ints
            .iter()
            .map(|&value| self.to_count(name, value))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    fn to_count(&self, name: &str, value: i64) -> Result<usize, ReadError> {
        match value {
            0..=MAX_VALUE => Ok(value as usize),
            _ => Err(self
                .attribute_error(name, format!("is {value}, and 0 to {MAX_VALUE} is supported"))),
        }
    }

    /// Rows and columns, or `default` where the attribute is missing.
    fn extent(&self, name: &str, default: Extent) -> Result<Extent, ReadError> {
        match self.counts(name)?.as_deref() {
            None => Ok(default),
            Some(&[height, width]) => Ok(Extent { height, width }),
            Some(other) => Err(self.attribute_error(
                name,
                format!("has {} values, and two-dimensional windows have 2", other.len()),
            )),
        }
    }

    /// The window of a convolution or pool over `input`. `kernel` stands in for a missing
    /// `kernel_shape`, which a convolution may leave to its weights.
    pub(super) fn window(&self, kernel: Option<Extent>, input: Shape) -> Result<Window, ReadError> {
        let kernel = match (self.attribute("kernel_shape"), kernel) {
            (None, None) => return Err(self.attribute_error("kernel_shape", "is missing")),
            (None, Some(kernel)) => kernel,
            (Some(_), _) => self.extent("kernel_shape", Extent::square(1))?,
        };
        let stride = self.extent("strides", Extent::square(1))?;
        let dilation = self.extent("dilations", Extent::square(1))?;
        let sides = [
            kernel.height,
            kernel.width,
            stride.height,
            stride.width,
            dilation.height,
            dilation.width,
        ];
        // 4096 as in `Window`, which would refuse these too; here it keeps `auto_pad` in range.
        if sides.iter().any(|side| !(1..=4096).contains(side)) {
            return Err(self.error("its kernel, stride or dilation is not between 1 and 4096"));
        }
        let padding = self.padding(kernel, stride, dilation, input)?;
        Ok(Window { kernel, stride, dilation, padding })
    }

    fn padding(
        &self,
        kernel: Extent,
        stride: Extent,
        dilation: Extent,
        input: Shape,
    ) -> Result<Padding, ReadError> {
        let (extra_above, extra_below) =
            match self.attribute("auto_pad").map(|attribute| attribute.s.as_deref()) {
                None | Some(Some(b"NOTSET")) => return self.explicit_padding(),
                Some(Some(b"VALID")) => return Ok(Padding::default()),
                Some(Some(b"SAME_UPPER")) => (0, 1),
                Some(Some(b"SAME_LOWER")) => (1, 0),
                Some(other) => {
                    let value = String::from_utf8_lossy(other.unwrap_or_default()).into_owned();
                    return Err(self.attribute_error(
                        "auto_pad",
                        format!("is `{value}`, which ONNX does not define"),
                    ));
                }
            };
        // As many outputs as strides begin within the image; an odd total leaves one row or
        // column over, which goes to the end (UPPER) or to the start (LOWER).
        let split = |image: usize, kernel: usize, stride: usize, dilation: usize| {
            let reach = (kernel - 1) * dilation + 1;
            let total = ((image.div_ceil(stride) - 1) * stride + reach).saturating_sub(image);
            ((total + extra_above) / 2, (total + extra_below) / 2)
        };
        let (top, bottom) = split(input.height, kernel.height, stride.height, dilation.height);
        let (left, right) = split(input.width, kernel.width, stride.width, dilation.width);
        Ok(Padding { top, left, bottom, right })
    }

    fn explicit_padding(&self) -> Result<Padding, ReadError> {
        match self.counts("pads")?.as_deref() {
            None => Ok(Padding::default()),
            Some(&[top, left, bottom, right]) => Ok(Padding { top, left, bottom, right }),
            Some(other) => Err(self.attribute_error(
                "pads",
                format!("has {} values, and two-dimensional windows have 4", other.len()),
            )),
        }
    }
}
