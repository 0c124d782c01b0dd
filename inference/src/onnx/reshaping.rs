//! Nodes that compute nothing: they rename a value, or see it with other sides.

use super::attributes::Node;
use super::error::ReadError;
use super::lower::{Lowering, Value};

impl<'a> Lowering<'a> {
    pub(super) fn constant(&mut self, node: &Node<'a>) -> Result<(), ReadError> {
        node.expect_attributes(&["value"])?;
        let tensor = node.attribute("value").and_then(|attribute| attribute.t.as_ref());
        let tensor =
            tensor.ok_or_else(|| node.attribute_error("value", "is missing or not a tensor"))?;
        self.constants.insert(node.output(), tensor);
        Ok(())
    }

    /// A node that does nothing at inference. It may pass a constant on, as exporters write
    /// weights that two layers share.
    pub(super) fn pass(&mut self, node: &Node<'a>) -> Result<(), ReadError> {
        node.expect_attributes(&["ratio", "seed"])?;
        if self.constants.flag(node, 2)? == Some(true) {
            return Err(
                node.error("it drops values as in training; export the model for inference")
            );
        }
        if let Some(tensor) = node.input(0).and_then(|name| self.constants.get(name)) {
            self.constants.insert(node.output(), tensor);
            return Ok(());
        }
        self.alias(node, self.value(node, 0)?.flat)
    }

    pub(super) fn flatten(&mut self, node: &Node<'a>) -> Result<(), ReadError> {
        node.expect_attributes(&["axis"])?;
        let rank = if self.value(node, 0)?.flat { 2 } else { 4 };
        match node.int("axis", 1)? {
            1 => self.alias(node, true),
            axis if axis == 1 - rank => self.alias(node, true),
            axis => {
                Err(node.attribute_error("axis", format!("is {axis}, and only 1 is supported")))
            }
        }
    }

    /// Takes rows and columns away, of which there is one each.
    pub(super) fn squeeze(&mut self, node: &Node<'a>) -> Result<(), ReadError> {
        let input = self.value(node, 0)?;
        let shape = self.builder.shape(input.tensor);
        let rank = if input.flat { 2 } else { 4 };
        match self.listed_axes(node, rank)? {
            Some(axes) if axes == [2, 3] && shape.pixels() == 1 => self.alias(node, true),
            axes => Err(node.error(format!(
                "it takes away axes {axes:?} of {shape}; rows and columns, [2, 3], where there is \
                 one each are supported"
            ))),
        }
    }

    /// Makes a vector an image of one pixel.
    pub(super) fn unsqueeze(&mut self, node: &Node<'a>) -> Result<(), ReadError> {
        let input = self.value(node, 0)?;
        let shape = self.builder.shape(input.tensor);
        match self.listed_axes(node, 4)? {
            Some(axes) if axes == [2, 3] && input.flat && shape.pixels() == 1 => {
                self.alias(node, false)
            }
            axes => Err(node.error(format!(
                "it adds axes {axes:?} to {shape}; rows and columns, [2, 3], added to a vector are \
                 supported"
            ))),
        }
    }

    /// The axes that a node names: by an attribute until operator set 13 made them an input.
    fn listed_axes(&self, node: &Node<'a>, rank: i64) -> Result<Option<Vec<i64>>, ReadError> {
        if self.opset < 13 {
            node.expect_attributes(&["axes"])?;
            return node.axes("axes", rank);
        }
        node.expect_attributes(&[])?;
        match node.input(1) {
            None => Ok(None),
            Some(_) => node.axes_of(&self.constants.integers(node, 1)?, rank).map(Some),
        }
    }

    /// Flattening, its opposite, or nothing, in the form of a list of sides.
    pub(super) fn reshape(&mut self, node: &Node<'a>) -> Result<(), ReadError> {
        node.expect_attributes(&["allowzero"])?;
        node.expect_int("allowzero", 0)?;
        let wanted = self.constants.integers(node, 1)?;
        let input = self.value(node, 0)?;
        let shape = self.builder.shape(input.tensor);
        let current = if input.flat { vec![1, shape.elements()] } else { shape.dims().to_vec() };
        let refuse = || {
            node.error(format!(
                "it reshapes {current:?} to {wanted:?}; only flattening is supported"
            ))
        };
        match resolve(&current, &wanted).as_deref() {
            Some(&[1, _]) => self.alias(node, true),
            Some(sides) if *sides == shape.dims() => self.alias(node, false),
            _ => Err(refuse()),
        }
    }

    /// Gives the node's output as another name, and maybe another form, of its first input.
    pub(super) fn alias(&mut self, node: &Node<'a>, flat: bool) -> Result<(), ReadError> {
        let input = self.value(node, 0)?;
        let exclusive = input.exclusive && self.read_once(node.output());
        self.values.insert(node.output(), Value { flat, exclusive, ..input });
        Ok(())
    }
}

/// The sides that `wanted` asks for, where 0 keeps a side and one −1 takes what is left over;
/// `None` if that gives another number of values than `current` has.
fn resolve(current: &[usize], wanted: &[i64]) -> Option<Vec<usize>> {
    let total = current.iter().product::<usize>();
    let mut sides = Vec::with_capacity(wanted.len().min(8));
    let mut open = None;
    for (index, &side) in wanted.iter().enumerate() {
        sides.push(match side {
            0 => *current.get(index)?,
            -1 if open.replace(index).is_none() => 1,
            side => usize::try_from(side).ok()?,
        });
    }
    let product = sides.iter().try_fold(1_usize, |product, &side| product.checked_mul(side))?;
    if let Some(index) = open {
        sides[index] = total.checked_div(product)?;
    }
    let product = sides.iter().try_fold(1_usize, |product, &side| product.checked_mul(side))?;
    (product == total).then_some(sides)
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn sides_left_open_are_found() {
        assert_eq!(resolve(&[1, 8, 2, 2], &[0, -1]), Some(vec![1, 32]));
        assert_eq!(resolve(&[1, 8, 2, 2], &[-1, 32]), Some(vec![1, 32]));
        assert_eq!(resolve(&[1, 8], &[1, 8, 1, 1]), Some(vec![1, 8, 1, 1]));
    }

    #[test]
    fn sides_that_do_not_multiply_up_are_refused() {
        assert_eq!(resolve(&[1, 8], &[1, 9]), None);
        assert_eq!(resolve(&[1, 8], &[-1, -1]), None);
        assert_eq!(resolve(&[1, 8], &[-1, 0, 0]), None);
        assert_eq!(resolve(&[1, 8], &[i64::MAX, i64::MAX, 4]), None);
        assert_eq!(resolve(&[1, 8], &[-1, 3]), None);
    }
}
