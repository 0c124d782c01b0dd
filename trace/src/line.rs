//! A table's lines, one after another, and a line's fields.
//!
//! CSV as RFC 4180 has it, but for one thing: a field never holds a line end (see
//! [`crate::Name`]), so that a line is what lies between two of them.

use std::borrow::Cow;
use std::io::{self, Read};

use memchr::memchr;

use crate::text::{Text, WORD};

/// No line that is ours comes near.
const LONGEST: usize = 1 << 20;

/// Room around what was read, so that words of several bytes may be loaded there. Nothing but speed
/// depends on it.
const MARGIN: usize = 2 * WORD;

/// Lines of a table, where they lie in the buffer that they are read into.
#[derive(Debug)]
pub(crate) struct Lines<S> {
    source: S,
    buffer: Vec<u8>,
    /// What was read and not handed out yet.
    from: usize,
    to: usize,
    number: u64,
}

impl<S: Read> Lines<S> {
    /// Lines of a source that is read by `room` bytes at a time.
    pub(crate) fn new(source: S, room: usize) -> Self {
        let buffer = vec![0; MARGIN + room + MARGIN];
        Lines { source, buffer, from: MARGIN, to: MARGIN, number: 0 }
    }

    /// Number of the last line, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// What the lines are read from.
    pub(crate) fn source(&self) -> &S {
        &self.source
    }

    /// The next line that is not empty, without its end; `None` after the last.
    #[inline]
    pub(crate) fn next(&mut self) -> io::Result<Option<Text<'_>>> {
        loop {
            let end = match memchr(b'\n', &self.buffer[self.from..self.to]) {
                Some(length) => self.from + length,
                None if self.read()? => continue,
                // The last line has no end, or there is none.
                None => self.to,
            };
            let line = self.from..end;
            if line.is_empty() && end == self.to {
                return Ok(None);
            }
            self.number += 1;
            self.from = self.to.min(end + 1);
            let end = if self.buffer[line.start..end].ends_with(b"\r") { end - 1 } else { end };
            if line.start < end {
                return Ok(Some(Text::within(&self.buffer, line.start, end)));
            }
        }
    }

    /// Reads on, behind what is there; answers whether there was more.
    #[cold]
    fn read(&mut self) -> io::Result<bool> {
        let (held, room) = (self.to - self.from, self.buffer.len() - 2 * MARGIN);
        if held > LONGEST {
            return Err(io::Error::other(format!("the line is longer than {LONGEST} bytes")));
        }
        self.buffer.copy_within(self.from - MARGIN..self.to, 0);
        (self.from, self.to) = (MARGIN, MARGIN + held);
        if held == room {
            self.buffer.resize(self.buffer.len() + room, 0);
        }
        let end = self.buffer.len() - MARGIN;
        loop {
            match self.source.read(&mut self.buffer[self.to..end]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(read) => {
                    self.to += read;
                    return Ok(read > 0);
                }
            }
        }
    }
}

/// A line's fields, in order.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    /// What is left; `None` once the last field is taken.
    rest: Option<Text<'a>>,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(line: Text<'a>) -> Self {
        Fields { rest: Some(line) }
    }

    /// Whether the last field is taken.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_none()
    }

    /// Whether the next field stands in quotes.
    #[inline]
    pub(crate) fn is_quoted(&self) -> bool {
        self.rest.is_some_and(|rest| rest.first() == Some(b'"'))
    }

    /// The next field, if it does not stand in quotes.
    #[inline]
    pub(crate) fn plain(&mut self) -> Option<Text<'a>> {
        let (field, rest) = self.rest?.split_at_comma();
        self.rest = rest;
        Some(field)
    }

    /// The next field, which stands in quotes: each quote in it is doubled.
    #[cold]
    pub(crate) fn quoted(&mut self) -> Option<Vec<u8>> {
        let line = self.rest?.bytes();
        let mut field = Vec::new();
        let mut rest = &line[1..];
        let end = loop {
            let Some(quote) = memchr(b'"', rest) else {
                // Never closed: it reaches to the line's end.
                field.extend_from_slice(rest);
                break None;
            };
            field.extend_from_slice(&rest[..quote]);
            rest = &rest[quote + 1..];
            if rest.first() == Some(&b'"') {
                field.push(b'"');
                rest = &rest[1..];
                continue;
            }
            // What follows a closing quote belongs to the field, as with most readers.
            let end = memchr(b',', rest);
            field.extend_from_slice(&rest[..end.unwrap_or(rest.len())]);
            break end.map(|end| line.len() - rest.len() + end);
        };
        self.rest = self.rest.zip(end).map(|(rest, end)| rest.after(end + 1));
        Some(field)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Cow<'a, [u8]>;

    fn next(&mut self) -> Option<Cow<'a, [u8]>> {
        match self.is_quoted() {
            true => self.quoted().map(Cow::Owned),
            false => self.plain().map(|field| Cow::Borrowed(field.bytes())),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(line: &str) -> Vec<String> {
        let text = |field: Cow<'_, [u8]>| String::from_utf8(field.into_owned()).unwrap();
        Fields::of(Text::of(line.as_bytes())).map(text).collect()
    }

    #[test]
    fn fields_and_quotes() {
        assert_eq!(fields("1,a b,,2.5"), ["1", "a b", "", "2.5"]);
        assert_eq!(fields(r#""a, ""b""",2"#), [r#"a, "b""#, "2"]);
        assert_eq!(fields(r#"1,"""#), ["1", ""]);
        assert_eq!(fields(r#"1,"never closed, 2"#), ["1", "never closed, 2"]);
        assert_eq!(fields(r#""a"b,c"#), ["ab", "c"]);
        assert_eq!(fields(""), [""]);
    }

    fn lines(text: &str, room: usize) -> Vec<(u64, String)> {
        let mut lines = Lines::new(text.as_bytes(), room);
        let mut found = Vec::new();
        while let Some(line) = lines.next().unwrap().map(|line| line.bytes().to_vec()) {
            found.push((lines.number(), String::from_utf8(line).unwrap()));
        }
        found
    }

    #[test]
    fn a_line_without_end_is_not_held_for_ever() {
        let text = "x".repeat(LONGEST + 10);
        let mut lines = Lines::new(text.as_bytes(), 4096);
        assert!(lines.next().unwrap_err().to_string().contains("longer than"));
    }

    proptest! {
        /// Whatever the buffer holds at a time, and however lines end.
        #[test]
        fn lines_are_found_in_any_buffer(
            parts in prop::collection::vec("[a-c,]{0,9}", 0..12),
            room in 1usize..24,
            returns: bool,
            torn in "[a-c,]{0,9}",
        ) {
            let end = if returns { "\r\n" } else { "\n" };
            let text: String = parts.iter().map(|part| format!("{part}{end}")).collect();
            let text = text + &torn;
            let full = parts.iter().chain([&torn]).enumerate().filter(|(_, part)| !part.is_empty());
            let expected: Vec<_> = full.map(|(at, part)| (at as u64 + 1, part.clone())).collect();
            prop_assert_eq!(lines(&text, room), expected);
        }

        #[test]
        fn fields_are_those_that_the_csv_crate_finds(line in "[a-c,\" ]{1,20}") {
            let mut csv = csv::ReaderBuilder::new().has_headers(false).flexible(true)
                .from_reader(line.as_bytes());
            let mut record = csv::StringRecord::new();
            prop_assume!(csv.read_record(&mut record).unwrap());
            prop_assert_eq!(fields(&line), Vec::from_iter(record.iter().map(str::to_owned)));
        }
    }
}
