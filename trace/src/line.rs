//! A table's lines, one after another, and a line's fields.
//!
//! CSV as RFC 4180 has it, but for one thing: a field never holds a line end (see
//! [`crate::Name`]), so that a line is what lies between two of them.

use std::borrow::Cow;
use std::io::{self, BufRead};

use memchr::memchr;

/// No line that is ours comes near.
const LONGEST: usize = 1 << 20;

/// Lines of a table, without copying those that lie whole in the reader's buffer.
#[derive(Debug)]
pub(crate) struct Lines<B> {
    source: B,
    /// Bytes of the source's buffer that the last line took.
    taken: usize,
    /// A line that came in several parts.
    joined: Vec<u8>,
    number: u64,
}

impl<B: BufRead> Lines<B> {
    pub(crate) fn new(source: B) -> Self {
        Lines { source, taken: 0, joined: Vec::new(), number: 0 }
    }

    /// Number of the last line, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The next line that is not empty, without its end; `None` after the last.
    pub(crate) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            self.source.consume(std::mem::take(&mut self.taken));
            self.joined.clear();
            self.number += 1;
            // Twice looked for, as the borrow of a line that is returned would last otherwise.
            let buffer = self.source.fill_buf()?;
            match memchr(b'\n', buffer) {
                Some(0) => self.source.consume(1),
                Some(1) if buffer[0] == b'\r' => self.source.consume(2),
                Some(end) => {
                    self.taken = end + 1;
                    return Ok(Some(without_return(&self.source.fill_buf()?[..end])));
                }
                None if buffer.is_empty() => return Ok(None),
                None => {
                    self.join()?;
                    if !without_return(&self.joined).is_empty() {
                        return Ok(Some(without_return(&self.joined)));
                    }
                }
            }
        }
    }

    /// Puts a line together that reaches beyond the buffer.
    fn join(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.source.fill_buf()?;
            let end = memchr(b'\n', buffer);
            self.joined.extend_from_slice(&buffer[..end.unwrap_or(buffer.len())]);
            let taken = end.map_or(buffer.len(), |end| end + 1);
            self.source.consume(taken);
            if self.joined.len() > LONGEST {
                return Err(io::Error::other(format!("the line is longer than {LONGEST} bytes")));
            }
            if end.is_some() || taken == 0 {
                return Ok(());
            }
        }
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// A line's fields, in order.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    /// What is left; `None` once the last field is taken.
    rest: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(line: &'a [u8]) -> Self {
        Fields { rest: Some(line) }
    }

    /// Whether the last field is taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_none()
    }

    /// A field that stands in quotes: each quote in it is doubled.
    #[cold]
    fn quoted(&mut self, line: &'a [u8]) -> Cow<'a, [u8]> {
        let mut field = Vec::new();
        let mut rest = &line[1..];
        loop {
            let Some(quote) = memchr(b'"', rest) else {
                // Never closed: it reaches to the line's end.
                field.extend_from_slice(rest);
                self.rest = None;
                return Cow::Owned(field);
            };
            field.extend_from_slice(&rest[..quote]);
            rest = &rest[quote + 1..];
            match rest.first() {
                Some(b'"') => {
                    field.push(b'"');
                    rest = &rest[1..];
                }
                _ => break,
            }
        }
        // What follows a closing quote belongs to the field, as with most readers.
        let end = memchr(b',', rest);
        field.extend_from_slice(&rest[..end.unwrap_or(rest.len())]);
        self.rest = end.map(|end| &rest[end + 1..]);
        Cow::Owned(field)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Cow<'a, [u8]>;

    fn next(&mut self) -> Option<Cow<'a, [u8]>> {
        let line = self.rest?;
        if line.first() == Some(&b'"') {
            return Some(self.quoted(line));
        }
        // Fields are short: a plain search is over before a vectorised one has begun.
        let end = line.iter().position(|&byte| byte == b',');
        self.rest = end.map(|end| &line[end + 1..]);
        Some(Cow::Borrowed(&line[..end.unwrap_or(line.len())]))
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    fn fields(line: &str) -> Vec<String> {
        let text = |field: Cow<'_, [u8]>| String::from_utf8(field.into_owned()).unwrap();
        Fields::of(line.as_bytes()).map(text).collect()
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

    fn lines(text: &str, buffer: usize) -> Vec<(u64, String)> {
        let mut lines = Lines::new(BufReader::with_capacity(buffer, text.as_bytes()));
        let mut found = Vec::new();
        while let Some(line) = lines.next().unwrap().map(<[u8]>::to_vec) {
            found.push((lines.number(), String::from_utf8(line).unwrap()));
        }
        found
    }

    #[test]
    fn a_line_without_end_is_not_held_for_ever() {
        let text = "x".repeat(LONGEST + 10);
        let mut lines = Lines::new(BufReader::with_capacity(4096, text.as_bytes()));
        assert!(lines.next().unwrap_err().to_string().contains("longer than"));
    }

    proptest! {
        /// Whatever the buffer holds at a time, and however lines end.
        #[test]
        fn lines_are_found_in_any_buffer(
            parts in prop::collection::vec("[a-c,]{0,9}", 0..12),
            buffer in 1usize..24,
            returns: bool,
        ) {
            let end = if returns { "\r\n" } else { "\n" };
            let text: String = parts.iter().map(|part| format!("{part}{end}")).collect();
            let full = parts.iter().enumerate().filter(|(_, part)| !part.is_empty());
            let expected: Vec<_> = full.map(|(at, part)| (at as u64 + 1, part.clone())).collect();
            prop_assert_eq!(lines(&text, buffer), expected);
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
