//! How a typed row becomes a CSV line and a line becomes a row.

use std::collections::HashSet;
use std::fmt::Debug;

use csv_core::WriteResult;

use crate::line::Fields;
use crate::name::Name;
use crate::number;
use crate::text::Text;

/// A typed row of one file of the bundle.
pub trait Row: Clone + PartialEq + Debug + Send + 'static {
    /// The file's name in the bundle.
    const FILE: &'static str;
    /// The columns, in order.
    const COLUMNS: &'static [&'static str];

    /// Appends the row's fields to a line.
    fn encode(&self, line: &mut Encoder<'_>);

    /// Takes the row's fields from a line.
    ///
    /// # Errors
    /// The first field that does not hold what its column holds.
    fn decode(fields: &mut Decoder<'_>) -> Result<Self, FieldError>;

    /// Puts the fields of another line in the place of the row's own. After an error the row is part
    /// one and part the other.
    ///
    /// # Errors
    /// As [`Row::decode`].
    fn replace(&mut self, fields: &mut Decoder<'_>) -> Result<(), FieldError>;
}

/// A value that stands in one CSV field.
pub trait Field: Sized {
    /// What a reader expects there, in words.
    const EXPECTED: &'static str;
    /// Writes the field.
    fn encode(&self, line: &mut Encoder<'_>);
    /// Reads the field.
    fn decode(text: Text<'_>, names: &mut Names) -> Option<Self>;
}

/// A field that does not hold what its column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldError {
    /// Index of the column, from 0.
    pub index: usize,
    /// What was expected there.
    pub expected: &'static str,
}

/// Builds CSV lines in a buffer that is reused.
#[derive(Debug)]
pub struct Encoder<'a> {
    buffer: &'a mut Vec<u8>,
    fields: usize,
    not_finite: Option<(f64, usize)>,
}

impl<'a> Encoder<'a> {
    /// Starts a line at the end of `buffer`.
    pub(crate) fn new(buffer: &'a mut Vec<u8>) -> Self {
        Encoder { buffer, fields: 0, not_finite: None }
    }

    /// Writes one field.
    pub fn field<F: Field>(&mut self, value: &F) {
        if self.fields > 0 {
            self.buffer.push(b',');
        }
        value.encode(self);
        self.fields += 1;
    }

    /// Ends the line; answers a value that had no business in it, and its column.
    pub(crate) fn finish(self) -> Result<(), (f64, usize)> {
        self.buffer.push(b'\n');
        self.not_finite.map_or(Ok(()), Err)
    }

    /// Digits and words of a closed set, which never need quotes.
    pub(crate) fn plain(&mut self, text: &str) {
        self.buffer.extend_from_slice(text.as_bytes());
    }

    /// Text, quoted where CSV wants it.
    fn quoted(&mut self, text: &str) {
        let mut writer = csv_core::Writer::new();
        let mut input = text.as_bytes();
        let mut room = [0u8; 256];
        loop {
            let (result, read, written) = writer.field(input, &mut room);
            self.buffer.extend_from_slice(&room[..written]);
            input = &input[read..];
            if result == WriteResult::InputEmpty {
                break;
            }
        }
        let (_, written) = writer.finish(&mut room);
        self.buffer.extend_from_slice(&room[..written]);
    }
}

/// Hands a line's fields out, in order.
#[derive(Debug)]
pub struct Decoder<'a> {
    fields: Fields<'a>,
    names: &'a mut Names,
    index: usize,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(line: Text<'a>, names: &'a mut Names) -> Self {
        Decoder { fields: Fields::of(line), names, index: 0 }
    }

    /// Takes the next field.
    ///
    /// # Errors
    /// If it does not hold an `F`.
    #[inline]
    pub fn field<F: Field>(&mut self) -> Result<F, FieldError> {
        let index = self.index;
        self.index += 1;
        let decoded = match self.fields.is_quoted() {
            true => self.quoted_field(),
            false => self.fields.plain().and_then(|text| F::decode(text, self.names)),
        };
        decoded.ok_or(FieldError { index, expected: F::EXPECTED })
    }

    #[cold]
    fn quoted_field<F: Field>(&mut self) -> Option<F> {
        F::decode(Text::of(&self.fields.quoted()?), self.names)
    }

    /// Whether all fields were taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

/// Names seen so far, so that a rail's name is held once and not once a row.
#[derive(Debug, Default)]
pub struct Names {
    /// The last few that differ: rows go round the same rails, ports or layers.
    recent: Vec<Name>,
    /// Where among them the next is looked for first.
    next: usize,
    all: HashSet<Name>,
}

impl Names {
    /// A table whose texts are all different (event details) must not grow memory for ever.
    const MOST: usize = 4096;

    /// As many are compared before a hash is worth it.
    const RECENT: usize = 16;

    /// The name of these bytes: most often the one that followed the last name before.
    #[inline]
    fn get(&mut self, bytes: &[u8]) -> Option<Name> {
        let expected = self.recent.get(self.next).filter(|name| name.as_bytes() == bytes).cloned();
        match expected {
            Some(name) => {
                self.turn(self.next);
                Some(name)
            }
            None => self.find(bytes),
        }
    }

    /// After the name at `place` the next is expected.
    fn turn(&mut self, place: usize) {
        self.next = if place + 1 < self.recent.len() { place + 1 } else { 0 };
    }

    fn find(&mut self, bytes: &[u8]) -> Option<Name> {
        let (before, after) = self.recent.split_at(self.next);
        let mut round = (self.next..).zip(after).chain((0..).zip(before));
        if let Some((place, name)) = round.find(|(_, name)| name.as_bytes() == bytes) {
            let name = name.clone();
            self.turn(place);
            return Some(name);
        }
        let name = self.of_all(std::str::from_utf8(bytes).ok()?);
        if self.recent.len() < Self::RECENT {
            self.recent.push(name.clone());
            self.next = 0;
        } else {
            self.recent[self.next] = name.clone();
            self.next = (self.next + 1) % Self::RECENT;
        }
        Some(name)
    }

    fn of_all(&mut self, text: &str) -> Name {
        if let Some(name) = self.all.get(text) {
            return name.clone();
        }
        let name = Name::new(text);
        if self.all.len() < Self::MOST {
            self.all.insert(name.clone());
        }
        name
    }
}

macro_rules! integer_field {
    ($($type:ty => $expected:literal),*) => {$(
        impl Field for $type {
            const EXPECTED: &'static str = $expected;
            fn encode(&self, line: &mut Encoder<'_>) {
                line.plain(itoa::Buffer::new().format(*self));
            }
            #[inline]
            fn decode(text: Text<'_>, _: &mut Names) -> Option<Self> {
                number::whole(text)?.try_into().ok()
            }
        }
    )*};
}
integer_field!(u64 => "a whole number up to 2^64-1", u32 => "a whole number up to 2^32-1");

impl Field for f64 {
    const EXPECTED: &'static str = "a finite number";
    fn encode(&self, line: &mut Encoder<'_>) {
        if self.is_finite() {
            line.plain(ryu::Buffer::new().format_finite(*self));
        } else {
            line.not_finite = Some((*self, line.fields));
        }
    }
    #[inline]
    fn decode(text: Text<'_>, _: &mut Names) -> Option<Self> {
        number::decimal(text).filter(|value| value.is_finite())
    }
}

impl Field for bool {
    const EXPECTED: &'static str = "true or false";
    fn encode(&self, line: &mut Encoder<'_>) {
        line.plain(if *self { "true" } else { "false" });
    }
    fn decode(text: Text<'_>, _: &mut Names) -> Option<Self> {
        match text.bytes() {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        }
    }
}

impl Field for Name {
    const EXPECTED: &'static str = "UTF-8 text";
    fn encode(&self, line: &mut Encoder<'_>) {
        line.quoted(self);
    }
    #[inline]
    fn decode(text: Text<'_>, names: &mut Names) -> Option<Self> {
        names.get(text.bytes())
    }
}

/// An absent value is an empty field.
impl<F: Field> Field for Option<F> {
    const EXPECTED: &'static str = F::EXPECTED;
    fn encode(&self, line: &mut Encoder<'_>) {
        if let Some(value) = self {
            value.encode(line);
        }
    }
    #[inline]
    fn decode(text: Text<'_>, names: &mut Names) -> Option<Self> {
        if text.bytes().is_empty() { Some(None) } else { F::decode(text, names).map(Some) }
    }
}

/// Declares the row of one file: its columns, in order, with their types.
macro_rules! row {
    ($(#[$doc:meta])* $row:ident in $file:literal { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $row { $($(#[$field_doc])* pub $field: $type,)* }

        impl $crate::row::Row for $row {
            const FILE: &'static str = $file;
            const COLUMNS: &'static [&'static str] = &[$(stringify!($field)),*];
            fn encode(&self, line: &mut $crate::row::Encoder<'_>) {
                $(line.field(&self.$field);)*
            }
            fn decode(
                fields: &mut $crate::row::Decoder<'_>,
            ) -> Result<Self, $crate::row::FieldError> {
                Ok($row { $($field: fields.field()?,)* })
            }
            #[inline]
            fn replace(
                &mut self,
                fields: &mut $crate::row::Decoder<'_>,
            ) -> Result<(), $crate::row::FieldError> {
                $(self.$field = fields.field()?;)*
                Ok(())
            }
        }
    };
}
pub(crate) use row;

/// Declares a closed set of words that stand in a field.
macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($(#[$word_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $type { $($(#[$word_doc])* $variant,)* }

        impl $type {
            /// Every value, in the schema's order.
            pub const ALL: &'static [$type] = &[$($type::$variant),*];

            /// The word that stands in the file.
            pub fn as_str(self) -> &'static str {
                match self { $($type::$variant => $word,)* }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl $crate::row::Field for $type {
            const EXPECTED: &'static str = concat!("one of:", $(" ", $word),*);
            fn encode(&self, line: &mut $crate::row::Encoder<'_>) {
                line.plain(self.as_str());
            }
            fn decode(
                text: $crate::text::Text<'_>,
                _: &mut $crate::row::Names,
            ) -> Option<Self> {
                $type::ALL.iter().copied().find(|word| word.as_str().as_bytes() == text.bytes())
            }
        }
    };
}
pub(crate) use words;
