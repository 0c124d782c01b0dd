//! ONNX files byte by byte: forms that our own writer does not write.

/// A message of protobuf: fields, one after another.
#[derive(Debug, Clone, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    /// A field of text, bytes or a message.
    pub(super) fn bytes(mut self, field: u64, bytes: impl AsRef<[u8]>) -> Self {
        self.varint(field << 3 | 2);
        self.varint(bytes.as_ref().len() as u64);
        self.0.extend_from_slice(bytes.as_ref());
        self
    }

    /// A field that is a number.
    pub(super) fn number(mut self, field: u64, number: u64) -> Self {
        self.varint(field << 3);
        self.varint(number);
        self
    }

    /// A field of four bytes.
    pub(super) fn fixed(mut self, field: u64, bits: u32) -> Self {
        self.varint(field << 3 | 5);
        self.0.extend_from_slice(&bits.to_le_bytes());
        self
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }
}

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// A setting of a node.
#[derive(Debug, Clone, Copy)]
pub(super) enum Attribute {
    Number(&'static str, u64),
    Real(&'static str, f32),
    List(&'static str, &'static [u64]),
}

impl Attribute {
    fn message(self) -> Message {
        match self {
            Self::Number(name, number) => {
                Message::default().bytes(1, name).number(3, number).number(20, 2)
            }
            Self::Real(name, real) => {
                let named = Message::default().bytes(1, name);
                named.fixed(2, real.to_bits()).number(20, 1)
            }
            Self::List(name, list) => {
                let named = Message::default().bytes(1, name);
                list.iter().fold(named, |it, &value| it.number(8, value)).number(20, 7)
            }
        }
    }
}

/// A file's graph in the making.
#[derive(Debug, Clone, Default)]
pub(super) struct File(Message);

impl File {
    /// A constant in raw bytes, of an ONNX data type.
    fn constant(self, name: &str, sides: &[u64], data_type: u64, raw: &[u8]) -> Self {
        let tensor = sides.iter().fold(Message::default(), |tensor, &side| tensor.number(1, side));
        File(self.0.bytes(5, tensor.number(2, data_type).bytes(8, name).bytes(9, raw)))
    }

    pub(super) fn floats(self, name: &str, sides: &[u64], values: &[f32]) -> Self {
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, sides, 1, &raw)
    }

    pub(super) fn unsigned(self, name: &str, sides: &[u64], values: &[u8]) -> Self {
        self.constant(name, sides, 2, values)
    }

    pub(super) fn signed(self, name: &str, sides: &[u64], values: &[i8]) -> Self {
        let raw: Vec<u8> = values.iter().map(|&value| value as u8).collect();
        self.constant(name, sides, 3, &raw)
    }

    pub(super) fn integers(self, name: &str, sides: &[u64], values: &[i32]) -> Self {
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, sides, 6, &raw)
    }

    pub(super) fn long_integers(self, name: &str, values: &[i64]) -> Self {
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, &[values.len() as u64], 7, &raw)
    }

    /// A truth value.
    pub(super) fn truth(self, name: &str, value: bool) -> Self {
        self.constant(name, &[], 9, &[value.into()])
    }

    /// A node named as its output is.
    pub(super) fn node(
        self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[Attribute],
    ) -> Self {
        let node = inputs.iter().fold(Message::default(), |node, input| node.bytes(1, input));
        let node = node.bytes(2, output).bytes(3, output).bytes(4, operator);
        let node = attributes.iter().fold(node, |node, it| node.bytes(5, it.message()));
        File(self.0.bytes(1, node))
    }

    /// The file, of operator set 13.
    pub(super) fn finish(self, image: &[u64], result: &[u64]) -> Vec<u8> {
        self.finish_in(13, image, result)
    }

    /// The file, of an operator set, from image `x` to result `y`, both FP32.
    pub(super) fn finish_in(self, opset: u64, image: &[u64], result: &[u64]) -> Vec<u8> {
        let value = |name: &str, sides: &[u64]| {
            let shape = sides.iter().fold(Message::default(), |shape, &side| {
                shape.bytes(1, Message::default().number(1, side))
            });
            let tensor = Message::default().number(1, 1).bytes(2, shape);
            Message::default().bytes(1, name).bytes(2, Message::default().bytes(1, tensor))
        };
        let graph = self.0.bytes(2, "by hand");
        let graph = graph.bytes(11, value("x", image)).bytes(12, value("y", result));
        let operators = Message::default().bytes(1, "").number(2, opset);
        Message::default().number(1, 8).bytes(7, graph).bytes(8, operators).0
    }
}
